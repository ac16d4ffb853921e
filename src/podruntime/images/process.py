"""What a program in a container sees of the world: a process as Unix shapes it.

argv, environment, working directory, files, the three standard streams, and the pod's network.
A program is a coroutine function that takes a Process and returns its exit status. The first
process of a container is PID 1, and as in Linux SIGTERM does nothing to it unless it asked for
the signal (`on_terminate`): that is why a bare `sleep` takes its whole grace period to end.
"""

from __future__ import annotations

import asyncio
import posixpath
import signal
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Interface, IPv6Interface
from typing import Final, Protocol

from netstack.addresses import IpAddress
from podruntime.images.filesystem import FileSystem
from podruntime.images.process_table import ProcessTable
from podruntime.images.terminal import Terminal
from podruntime.images.view import clean

#: How much a pipe between two programs holds (Linux: 64 KiB).
_PIPE_OCTETS: Final = 64 * 1024
NOT_FOUND: Final = 127
#: Our programs that handle one of these handle all of them alike.
_ENDING: Final = (signal.SIGTERM, signal.SIGQUIT, signal.SIGINT)


class Input(Protocol):
    """A standard input."""

    async def read(self) -> bytes:
        """Return everything up to the end."""

    async def readline(self) -> bytes:
        """Return the next line with its newline; b"" is the end."""

    async def piece(self) -> bytes:
        """Return what comes next, as soon as it comes; b"" is the end."""


class Output(Protocol):
    """A standard output."""

    def write(self, data: bytes) -> None:
        """Write *data*; raises BrokenPipeError when nobody reads."""

    async def drain(self) -> None:
        """Wait until it makes sense to write more."""


class NoInput:
    """The standard input of a container without one: /dev/null."""

    async def read(self) -> bytes:
        """Return b""."""
        return b""

    async def readline(self) -> bytes:
        """Return b""."""
        return b""

    async def piece(self) -> bytes:
        """Return b""."""
        return b""


class Octets:
    """An input of known octets, and an output that keeps what it is given up to a bound."""

    def __init__(self, octets: bytes = b"", *, octets_max: int = 16 * 1024 * 1024) -> None:
        self._octets, self._octets_max = bytearray(octets), octets_max

    def write(self, data: bytes) -> None:
        """Keep *data* as far as the bound allows."""
        self._octets += data[: self._octets_max - len(self._octets)]

    async def drain(self) -> None:
        """Return at once."""

    async def read(self) -> bytes:
        """Return everything that is there."""
        octets = self.taken()
        self._octets.clear()
        return octets

    async def readline(self) -> bytes:
        """Return the next line."""
        end = self._octets.find(b"\n") + 1 or len(self._octets)
        line = bytes(self._octets[:end])
        del self._octets[:end]
        return line

    async def piece(self) -> bytes:
        """Return everything that is there."""
        return await self.read()

    def taken(self) -> bytes:
        """Return everything without taking it away."""
        return bytes(self._octets)


class Pipe:
    """Both ends of `|`: a writer waits in `drain` while the reader is behind."""

    def __init__(self) -> None:
        self._pieces: deque[bytes] = deque()
        self._octets = 0
        self._ended = self._broken = False
        self._changed = asyncio.Event()

    def write(self, data: bytes) -> None:
        """Hand *data* to the reader."""
        if self._broken:
            raise BrokenPipeError
        if not data:
            return  # To a reader nothing is the end.
        self._pieces.append(data)
        self._octets += len(data)
        self._changed.set()

    async def drain(self) -> None:
        """Wait while the pipe is full."""
        while self._octets > _PIPE_OCTETS and not self._broken:
            await self._wait()
        if self._broken:
            raise BrokenPipeError

    def end(self) -> None:
        """Say that nothing more is written."""
        self._ended = True
        self._changed.set()

    def break_(self) -> None:
        """Say that nothing more is read."""
        self._broken = True
        self._pieces.clear()
        self._changed.set()

    async def read(self) -> bytes:
        """Return everything up to the end."""
        octets = bytearray()
        while piece := await self.piece():
            octets += piece
        return bytes(octets)

    async def readline(self) -> bytes:
        """Return the next line."""
        line = bytearray()
        while piece := await self.piece():
            end = piece.find(b"\n") + 1
            if end:
                self._put_back(piece[end:])
                return bytes(line + piece[:end])
            line += piece
        return bytes(line)

    def _put_back(self, rest: bytes) -> None:
        if rest:
            self._pieces.appendleft(rest)
            self._octets += len(rest)

    async def piece(self) -> bytes:
        """Return what was written at once; b"" is the end."""
        while not self._pieces and not self._ended:
            await self._wait()
        if not self._pieces:
            return b""
        piece = self._pieces.popleft()
        self._octets -= len(piece)
        self._changed.set()
        return piece

    async def _wait(self) -> None:
        self._changed.clear()
        await self._changed.wait()


@dataclass(frozen=True, slots=True)
class Echoed:
    """What is known of an echo reply."""

    rtt_s: float
    ttl: int


class PingSocket(Protocol):
    """Echoes of one identifier."""

    async def ping(self, sequence: int, payload: bytes, timeout_s: float) -> Echoed | None:
        """Send an echo request; return what is known of its reply, None when there is none."""


class Network(Protocol):
    """The pod's interface, for programs that look below sockets."""

    name: str
    mac: str
    #: One of each family that the pod has, IPv4's first.
    interfaces: tuple[IPv4Interface | IPv6Interface, ...]
    gateways: tuple[IpAddress, ...]
    mtu: int

    def listening(self) -> list[tuple[str, str, int]]:
        """Return protocol, address and port of what is open."""

    def counters(self) -> dict[str, int]:
        """Return rx and tx packets and octets."""

    def sockets(self) -> list[dict[str, object]]:
        """Return the pod's sockets, rows of `netstack.socket_table`."""

    def neighbours(self) -> list[tuple[str, str, str]]:
        """Return address, MAC and state of every neighbour that the stack knows."""

    def ping_socket(self, address: IpAddress) -> AbstractContextManager[PingSocket]:
        """Open a ping socket towards *address*; raises OSError when there are too many."""

    async def probe(self, params: Mapping[str, object]) -> dict[str, object]:
        """Send probes and return their answers (`netdev.probing`); raises ValueError, OSError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Streams:
    """Standard streams, and the terminal that they are, if they are one."""

    stdin: Input
    stdout: Output
    stderr: Output
    terminal: Terminal | None = None


@dataclass(slots=True)
class Process:
    """One process of a container."""

    argv: list[str]
    env: dict[str, str]
    cwd: str
    files: FileSystem
    stdin: Input
    stdout: Output
    stderr: Output
    hostname: str
    network: Network
    programs: Mapping[str, Program]
    #: The signal handler for SIGTERM; None ignores it, as the kernel does for PID 1.
    on_terminate: Callable[[], None] | None = None
    #: The exit status that `exit_on_terminate` chose, once SIGTERM has come.
    terminated_with: int | None = field(default=None)
    #: PID 1 of the container; None: this one is it.
    first: Process | None = None
    #: Who else is there; None: nobody keeps count.
    processes: ProcessTable | None = None
    #: The terminal that the standard streams are, if they are one.
    terminal: Terminal | None = None
    #: Handlers of more signals, which Python code has set: tells whether there was one.
    on_signal: Callable[[int], bool] | None = None

    @property
    def name(self) -> str:
        """Return what `ps` would call it."""
        return posixpath.basename(self.argv[0]) if self.argv else ""

    @property
    def arguments(self) -> list[str]:
        """Return argv without the program's name."""
        return self.argv[1:]

    def print(self, text: str) -> None:
        """Write a line to stdout."""
        self.stdout.write(text.encode() + b"\n")

    def complain(self, text: str) -> None:
        """Write a line to stderr."""
        self.stderr.write(text.encode() + b"\n")

    def path(self, path: str) -> str:
        """Return *path* as an absolute one."""
        return clean(posixpath.join(self.cwd, path))

    def child(self, argv: list[str]) -> Process:
        """Return a process that inherits everything but the signal handler."""
        return replace(
            self,
            argv=argv,
            env=dict(self.env),
            on_terminate=None,
            on_signal=None,
            first=self.first or self,
        )

    def signal(self, number: int) -> None:
        """Deliver a signal as the kernel does to PID 1: one without a handler does nothing."""
        if self.on_signal is not None and self.on_signal(number):
            return
        if number in _ENDING and self.on_terminate is not None:
            self.on_terminate()

    def exit_on_terminate(self, status: int) -> None:
        """End with *status* when SIGTERM comes. Call it in the process's own task."""
        task = asyncio.current_task()
        assert task is not None

        def end() -> None:
            self.terminated_with = status
            task.cancel()

        self.on_terminate = end


Program = Callable[[Process], Awaitable[int]]


def find_program(programs: Mapping[str, Program], name: str) -> Program | None:
    """Return what runs as *name*: a bare name, or a path whose last part is one."""
    return programs.get(posixpath.basename(name))
