"""Runs a plugin as a program, with bounds on its time and its output (pkg/invoke).

A plugin's children, such as the IPAM plugin that it delegates to, die with it: one that lived on
would take an address after DEL has given all back. They stay in the node's process group, as
everything of a node does. What a program prints beyond its bound ends it.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
import psutil

from componentbase.decoding import UNREADABLE
from kubeapi.objects import Object
from nodeagent.cni.errors import CniError, Code, PluginNotFoundError
from nodeagent.cni.invocation import Invocation

log = logging.getLogger(__name__)

#: The longest that one call of one plugin may take.
TIMEOUT_S: Final = 30.0
OUTPUT_OCTETS_MAX: Final = 1 << 20
#: Of the standard error output, which people read, the head is kept.
_STDERR_OCTETS_MAX: Final = 4096
_READ_OCTETS: Final = 1 << 16
#: More programs at a time gain nothing and take the machine from pods.
_PROGRAMS_MAX: Final = 16


class _Failure(msgspec.Struct, frozen=True):
    code: int = Code.INTERNAL
    msg: str = ""
    details: str = ""


def find_in_path(plugin: str, path: str) -> Path:
    """Return the program of *plugin*; raises CniError in libcni's words."""
    if not plugin or "/" in plugin or plugin in (".", ".."):
        raise CniError(Code.INTERNAL, f"invalid plugin name: {plugin}")
    directories = [text for text in path.split(":") if text]
    for directory in directories:
        program = Path(directory) / plugin
        if program.is_file() and os.access(program, os.X_OK):
            return program
    text = f'failed to find plugin "{plugin}" in path [{" ".join(directories)}]'
    raise PluginNotFoundError(Code.INTERNAL, text)


class Executor:
    """The programs that run at one time."""

    def __init__(self, timeout_s: float = TIMEOUT_S) -> None:
        self._timeout_s = timeout_s
        self._room = asyncio.Semaphore(_PROGRAMS_MAX)

    async def call(self, plugin: str, call: Invocation) -> Object | None:
        """Run *plugin*; return its result if it printed one, raise CniError if it failed."""
        program = find_in_path(plugin, call.path)
        async with self._room:
            status, output, errors = await self._run(program, call)
        if errors:
            log.info("CNI plugin %s %s: %s", plugin, call.command, errors)
        if status:
            raise _failure(status, output, errors)
        if not output.strip():
            return None
        try:
            return msgspec.json.decode(output, type=dict)
        except UNREADABLE as error:
            head = output[:80].decode(errors="replace")
            text = f"the plugin printed no result but {head!r}: {error}"
            raise CniError(Code.DECODING_FAILURE, text) from None

    async def _run(self, program: Path, call: Invocation) -> tuple[int, bytes, str]:
        pipe = asyncio.subprocess.PIPE
        try:
            process = await asyncio.create_subprocess_exec(
                str(program),
                env={**os.environ, **call.environment()},
                stdin=pipe,
                stdout=pipe,
                stderr=pipe,
            )
        except OSError as error:
            raise CniError(Code.INTERNAL, f"cannot run {program}: {error.strerror}") from None
        try:
            async with asyncio.timeout(self._timeout_s):
                output, errors = await _converse(process, msgspec.json.encode(call.config))
                status = await process.wait()
        except TimeoutError:
            text = f"netplugin took more than {self._timeout_s:g} s and was killed"
            raise CniError(Code.INTERNAL, text) from None
        finally:
            if process.returncode is None:
                _kill(process.pid)
                await process.wait()
        if len(output) > OUTPUT_OCTETS_MAX:
            text = f"netplugin printed more than {OUTPUT_OCTETS_MAX} octets and was killed"
            raise CniError(Code.INTERNAL, text)
        return status, output, errors.decode(errors="replace").strip()


async def _converse(process: asyncio.subprocess.Process, stdin: bytes) -> tuple[bytes, bytes]:
    """Give a program its configuration; return what it printed, the first octet too much kills."""
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None

    def too_much() -> None:
        _kill(process.pid)

    output, errors, _ = await asyncio.gather(
        _read(process.stdout, OUTPUT_OCTETS_MAX + 1, too_much),
        _read(process.stderr, _STDERR_OCTETS_MAX),
        _feed(process.stdin, stdin),
    )
    return output, errors


async def _feed(stream: asyncio.StreamWriter, octets: bytes) -> None:
    try:
        stream.write(octets)
        await stream.drain()
        stream.close()
        await stream.wait_closed()
    except (BrokenPipeError, ConnectionResetError):
        pass  # It does not want to know; what it answers is judged.


async def _read(
    stream: asyncio.StreamReader, octets_max: int, on_full: Callable[[], None] | None = None
) -> bytes:
    """Read to the end, and keep the head."""
    found = bytearray()
    while octets := await stream.read(_READ_OCTETS):
        was_full = len(found) == octets_max
        found += octets[: octets_max - len(found)]
        if on_full is not None and not was_full and len(found) == octets_max:
            on_full()
    return bytes(found)


def _kill(pid: int) -> None:
    """Let nothing of a program live on: neither itself nor what it began."""
    try:
        program = psutil.Process(pid)
        family = [program, *program.children(recursive=True)]
    except psutil.Error:
        return
    for each in family:
        try:
            each.kill()
        except psutil.Error:
            pass


def _failure(status: int, output: bytes, errors: str) -> CniError:
    """Return why a program failed, as libcni words it."""
    how = f"exit status {status}" if status > 0 else f"signal {-status}"
    if not output.strip():
        if errors:
            return CniError(Code.INTERNAL, f'netplugin failed: "{errors}"')
        return CniError(Code.INTERNAL, f"netplugin failed with no error message: {how}")
    try:
        said = msgspec.json.decode(output, type=_Failure)
    except UNREADABLE as error:
        head = output[:80].decode(errors="replace")
        text = f"netplugin failed but error parsing its diagnostic message {head!r}: {error}"
        return CniError(Code.INTERNAL, text)
    return CniError(said.code, said.msg or f"netplugin failed: {how}", said.details)
