"""Runs a plugin as a program, with bounds on its time and its output (pkg/invoke).

A plugin's children, such as the IPAM plugin that it delegates to, die with it: one that lived on
would take an address after DEL has given all back. They stay in the node's process group, as
everything of a node does. What a program prints beyond its bound ends it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
import psutil

from componentbase.decoding import UNREADABLE
from componentbase.tasks import Tasks
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
#: The kernel needs no longer to end what was killed.
_END_S: Final = 5.0
_PIPE_OCTETS: Final = 64 * 1024
_STILL: Final = (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
_LOOKS_MAX: Final = 1000
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
        self._tasks = Tasks()

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

    async def _begin(self, program: Path, call: Invocation) -> asyncio.subprocess.Process:
        """Start a program, wholly even when the call is given up: half of one cannot be ended."""
        starting = self._tasks.spawn(_start(program, call), name=f"start {program}")
        try:
            process = await asyncio.shield(starting)
        except asyncio.CancelledError:
            process = await starting
            if not isinstance(process, OSError):
                await _end(process)
            raise
        if isinstance(process, OSError):
            raise CniError(Code.INTERNAL, f"cannot run {program}: {process.strerror}")
        return process

    async def _run(self, program: Path, call: Invocation) -> tuple[int, bytes, str]:
        process = await self._begin(program, call)
        try:
            async with asyncio.timeout(self._timeout_s):
                output, errors = await _converse(process, msgspec.json.encode(call.config))
                status = await process.wait()
        except TimeoutError:
            text = f"netplugin took more than {self._timeout_s:g} s and was killed"
            raise CniError(Code.INTERNAL, text) from None
        finally:
            if process.returncode is None:
                await _end(process)
        if len(output) > OUTPUT_OCTETS_MAX:
            text = f"netplugin printed more than {OUTPUT_OCTETS_MAX} octets and was killed"
            raise CniError(Code.INTERNAL, text)
        return status, output, errors.decode(errors="replace").strip()


async def _start(program: Path, call: Invocation) -> asyncio.subprocess.Process | OSError:
    pipe = asyncio.subprocess.PIPE
    environment = {**os.environ, **call.environment()}
    try:
        return await asyncio.create_subprocess_exec(
            str(program), env=environment, stdin=pipe, stdout=pipe, stderr=pipe
        )
    except OSError as error:
        return error


async def _end(process: asyncio.subprocess.Process) -> None:
    _kill(process.pid)
    try:
        async with asyncio.timeout(_END_S):
            await process.wait()
            for pipe in (process.stdout, process.stderr):  # Their transports end with them.
                while pipe is not None and await pipe.read(_PIPE_OCTETS):
                    pass
    except TimeoutError:
        log.warning("process %s of a CNI plugin does not end", process.pid)


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
    """Let nothing of a program live on: neither itself nor what it began.

    Each is stopped before it is asked for its children, so that it has no more of them.
    """
    family = [pid]
    for each in family:
        try:
            os.kill(each, signal.SIGSTOP)
            program = psutil.Process(each)
            looks = 0
            while program.status() not in _STILL and looks < _LOOKS_MAX:
                looks += 1
            family += [child.pid for child in program.children()]
        except (ProcessLookupError, psutil.Error):
            continue  # It ended by itself just now.
    for each in family:
        try:
            os.kill(each, signal.SIGKILL)
        except ProcessLookupError:
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
