"""exec and attach: a program's streams and their peer, in frames (contracts.md §7).

Who does not read is waited for; who hangs up ends what it has executed, where upstream's runtimes
let a program without a terminal go on. Who is attached only looks on: one that falls behind is cut.
"""

from __future__ import annotations

import asyncio
import logging
import select
import socket
from asyncio import StreamReader, StreamWriter
from collections.abc import Coroutine
from typing import Final

import msgspec

from componentbase import channels
from componentbase.decoding import UNREADABLE
from componentbase.rpc import RpcError
from componentbase.tasks import Tasks
from componentbase.ways import until_first_ends
from podruntime.cri import RUNNING, AttachStreamRequest, ExecStreamRequest, Message
from podruntime.images.process import NoInput, Output, Pipe, Streams
from podruntime.images.terminal import Terminal
from podruntime.sandbox.container import Container

log = logging.getLogger(__name__)

#: How much may wait for a peer that does not read, when a program does not wait for it (print).
_BACKLOG_OCTETS_MAX: Final = 16 * 1024 * 1024
#: How much may wait for one that only looks on.
_ATTACHED_OCTETS_MAX: Final = 1024 * 1024
#: How often it is looked whether a peer lives whose input nobody reads.
_LOOK_S: Final = 1.0
#: How long the last octets may take to leave.
_FLUSH_S: Final = 60.0
READY: Final = b'{"ok": true}\n'
_SUCCESS: Final = msgspec.json.encode({"metadata": {}, "status": "Success"})


class _Size(Message, frozen=True, kw_only=True):
    """A terminal's size, as channel 4 has it."""

    Width: int = 0
    Height: int = 0


class FarOutput:
    """An output of a program, on its way to a peer."""

    def __init__(self, writer: StreamWriter, channel: int, octets_max: int) -> None:
        self._writer, self._channel, self._octets_max = writer, channel, octets_max

    def write(self, data: bytes) -> None:
        """Send *data*; raises BrokenPipeError when nobody takes it."""
        transport = self._writer.transport
        if transport.is_closing():
            raise BrokenPipeError
        self._writer.write(channels.frames(self._channel, data))
        if transport.get_write_buffer_size() > self._octets_max:
            log.warning("a stream is cut: its reader is %d octets behind", self._octets_max)
            transport.abort()

    async def drain(self) -> None:
        """Wait for the peer."""
        try:
            await self._writer.drain()
        except ConnectionError:
            raise BrokenPipeError from None


class NoOutput:
    """An output that nobody asked for."""

    def write(self, data: bytes) -> None:
        """Forget *data*."""

    async def drain(self) -> None:
        """Return at once."""


class StreamLink:
    """One peer of exec or attach."""

    def __init__(self, reader: StreamReader, writer: StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    def _output(self, channel: int, *, wanted: bool, octets_max: int) -> Output:
        return FarOutput(self._writer, channel, octets_max) if wanted else NoOutput()

    async def execute(self, container: Container, asked: ExecStreamRequest) -> None:
        """Run a program with the peer's streams; raises RpcError when it cannot begin."""
        out = self._output(channels.STDOUT, wanted=asked.stdout, octets_max=_BACKLOG_OCTETS_MAX)
        error = self._output(channels.STDERR, wanted=asked.stderr, octets_max=_BACKLOG_OCTETS_MAX)
        terminal = Terminal(out) if asked.tty else None
        pipe = Pipe() if asked.stdin and terminal is None else None
        streams = Streams(
            stdin=(terminal if asked.stdin else pipe) or pipe or NoInput(),
            stdout=terminal or out,
            stderr=terminal or error,
            terminal=terminal,
        )
        execution = container.execute(asked.cmd, streams)
        try:
            self._writer.write(READY)
            if terminal is not None:
                terminal.session = execution.signal
            await until_first_ends(_ended(execution.task), self._hear(terminal or pipe, terminal))
            if not execution.task.done():
                return
            await self._finish(_status(execution.status, asked.cmd))
        finally:
            await execution.end()

    async def attach(self, container: Container, asked: AttachStreamRequest) -> None:
        """Show what a container writes from now on, and hand it what is typed."""
        if container.status.state != RUNNING:
            raise RpcError("FailedPrecondition", "container is not running")
        console = container.console
        out, error = (
            self._output(channel, wanted=True, octets_max=_ATTACHED_OCTETS_MAX) if wanted else None
            for channel, wanted in (
                (channels.STDOUT, asked.stdout),
                (channels.STDERR, asked.stderr),
            )
        )
        detach = console.attach(out, error)
        heard = console.input if asked.stdin else None
        try:
            self._writer.write(READY)
            await until_first_ends(container.ended.wait(), self._hear(heard, console.terminal))
            if container.ended.is_set():
                await self._finish(_SUCCESS)
        finally:
            detach()
            if heard is not None:
                console.input_left()

    async def _hear(self, heard: Terminal | Pipe | None, terminal: Terminal | None) -> None:
        """Take what the peer says until it hangs up."""
        while (came := await channels.read_frame(self._reader)) is not None:
            channel, octets = came
            match channel:
                case channels.STDIN if isinstance(heard, Terminal):
                    heard.type_(octets)
                    await self._while_there(heard.room())
                case channels.STDIN if isinstance(heard, Pipe):
                    await self._feed(heard, octets)
                case channels.CLOSE if octets == bytes([channels.STDIN]):
                    _end_of(heard)
                case channels.RESIZE if terminal is not None:
                    _resize(terminal, octets)

    async def _feed(self, pipe: Pipe, octets: bytes) -> None:
        try:
            pipe.write(octets)
            await self._while_there(pipe.drain())
        except BrokenPipeError:
            return  # The program reads no more; what it still writes matters.

    async def _while_there(self, waiting: Coroutine[None, None, None]) -> None:
        """Wait, as long as the peer has not gone: behind unread input nobody hears it go."""
        tasks = Tasks()
        task = tasks.spawn(waiting, name="input")
        try:
            while not task.done():
                await asyncio.wait([task], timeout=_LOOK_S)
                if not task.done() and self._has_gone():
                    raise ConnectionResetError("the peer has gone")
            if not task.cancelled() and isinstance(task.exception(), BrokenPipeError):
                raise BrokenPipeError
        finally:
            await tasks.close()

    def _has_gone(self) -> bool:
        connection: socket.socket | None = self._writer.get_extra_info("socket")
        if connection is None or connection.fileno() < 0:
            return True
        poll = select.poll()
        poll.register(connection.fileno(), 0)  # Errors and hang-up are always told.
        return bool(poll.poll(0))

    async def _finish(self, status: bytes) -> None:
        """Say how it ended, behind everything that was written."""
        try:
            async with asyncio.timeout(_FLUSH_S):
                self._writer.write(channels.frame(channels.ERROR, status))
                await self._writer.drain()
        except ConnectionError:
            return


async def _ended(task: asyncio.Task[int]) -> None:
    await asyncio.wait([task])


def _end_of(heard: Terminal | Pipe | None) -> None:
    if isinstance(heard, Terminal):
        heard.hang_up()
    elif heard is not None:
        heard.end()


def _resize(terminal: Terminal, octets: bytes) -> None:
    try:
        size = msgspec.json.decode(octets, type=_Size)
    except UNREADABLE:
        return
    # kubectl attach says 1 where it knows no size: it adds one to make programs draw anew.
    if 1 < size.Width <= 0xFFFF and 1 < size.Height <= 0xFFFF:
        terminal.resize(size.Width, size.Height)


def _status(code: int, command: list[str]) -> bytes:
    """Return a v1.Status for an exit status, in the kubelet's words."""
    if code == 0:
        return _SUCCESS
    words = " ".join(command)
    return msgspec.json.encode(
        {
            "metadata": {},
            "status": "Failure",
            "message": "command terminated with non-zero exit code:"
            f" error executing command [{words}], exit code {code}",
            "reason": "NonZeroExitCode",
            "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
        }
    )
