"""Where captured packets go: a file, files that take turns as tcpdump's do, or a pipe.

A pipe is written without waiting for its reader: what the reader does not take is kept up to a
bound, and its end is noticed at once, not at the next packet.
"""

from __future__ import annotations

import asyncio
import os
import stat
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from netdev.pcapng import PcapngWriter, Stream
from podwire.cluster.layout import UsageError

_DRAIN_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Rotation:
    """When a file ends (-C, -G), and how many there are (-W); 0: no such bound."""

    octets: float = 0.0
    seconds: float = 0.0
    files: int = 0

    def __bool__(self) -> bool:
        return bool(self.octets or self.seconds)

    @property
    def is_ring(self) -> bool:
        """Whether the first file follows the last one; else the capture ends there."""
        return bool(self.octets)


@dataclass(frozen=True, slots=True)
class Item:
    """A packet on its way to a file."""

    at_ns: int
    interface: str
    direction: str
    octets: bytes
    length: int
    comment: str


class Target(Protocol):
    """What streams come from, one after the other."""

    @property
    def backlog_octets(self) -> int:
        """How much is written but not taken yet."""

    @property
    def is_gone(self) -> bool:
        """Whether nobody reads any more."""

    def open(self, number: int) -> Stream:
        """Begin the file of this number, from 0 on."""

    async def close(self) -> None:
        """Let what was written arrive."""


class FileTarget:
    """Files at *path*; several have a number before the suffix, or the time (strftime)."""

    backlog_octets: Final = 0
    is_gone: Final = False

    def __init__(self, path: Path, rotation: Rotation) -> None:
        self._path, self._rotation = path, rotation
        self._file: BinaryIO | None = None

    def open(self, number: int) -> Stream:
        """Close the last file and begin one; raises UsageError when it cannot be written."""
        self._close()
        path = self.path_of(number)
        try:
            self._file = path.open("wb")
        except OSError as error:
            raise UsageError(f"{path}: {error.strerror}; name another file with -w") from None
        return self._file

    def path_of(self, number: int) -> Path:
        """Return where the file of this number is."""
        path, rotation = self._path, self._rotation
        if not rotation:
            return path
        if rotation.seconds and "%" in path.name:
            return path.with_name(time.strftime(path.name))
        if rotation.files and rotation.is_ring:
            number %= rotation.files
        digits = len(str(rotation.files))
        return path.with_name(f"{path.stem}-{number + 1:0{digits}}{path.suffix}")

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()

    async def close(self) -> None:
        self._close()


class RedirectTarget:
    """A file that the shell has opened: `> wire.pcapng`."""

    backlog_octets: Final = 0
    is_gone: Final = False

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def open(self, _number: int) -> Stream:
        return self._file

    async def close(self) -> None:
        self._file.close()


class _Reader(asyncio.BaseProtocol):
    """Hears that the pipe's reader has gone."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone.set()


class PipeTarget:
    """Standard output; *on_gone* hears that its reader has gone."""

    def __init__(self, transport: asyncio.WriteTransport, reader: _Reader) -> None:
        self._transport, self._reader = transport, reader
        self._buffer = bytearray()

    @classmethod
    async def connect(cls, pipe: BinaryIO) -> PipeTarget:
        """Take *pipe* over."""
        loop = asyncio.get_running_loop()
        return cls(*await loop.connect_write_pipe(_Reader, pipe))

    def open(self, _number: int) -> Stream:
        return self

    def write(self, octets: bytes, /) -> None:
        self._buffer += octets

    def flush(self) -> None:
        """Send what was written."""
        if self._buffer and not self.is_gone:
            self._transport.write(bytes(self._buffer))
        self._buffer.clear()

    @property
    def backlog_octets(self) -> int:
        return self._transport.get_write_buffer_size()

    @property
    def is_gone(self) -> bool:
        return self._reader.gone.is_set() or self._transport.is_closing()

    async def close(self) -> None:
        self._transport.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_S):
                await self._reader.gone.wait()
                return
        self._transport.abort()


async def open_target(name: str, rotation: Rotation) -> Target:
    """Return where `-w NAME` leads; raises UsageError for what cannot be."""
    if name != "-":
        return FileTarget(Path(name), rotation)
    if sys.stdout.isatty():
        raise UsageError(
            "standard output is a terminal: name a file with -w, or pipe into Wireshark"
        )
    if rotation:
        raise UsageError("-C and -G need the name of a file: -w wire.pcapng")
    mode = os.fstat(sys.stdout.fileno()).st_mode
    descriptor = os.dup(sys.stdout.fileno())
    if stat.S_ISREG(mode):
        return RedirectTarget(os.fdopen(descriptor, "wb"))
    return await PipeTarget.connect(os.fdopen(descriptor, "wb", buffering=0))


class CaptureFiles:
    """Writes packets to *target*'s files, each a capture of its own with statistics at its end."""

    def __init__(
        self,
        target: Target,
        rotation: Rotation,
        new_writer: Callable[[Stream], PcapngWriter],
        interfaces: Mapping[str, str],
        now_ns: int,
    ) -> None:
        self._target, self._rotation, self._new_writer = target, rotation, new_writer
        self._interfaces = interfaces
        self.dropped: dict[str, int] = {}  # Since the capture began, by interface.
        self._number = self._octets = 0
        self.is_full = False
        self._begin(now_ns)

    def _begin(self, now_ns: int) -> None:
        self._writer = self._new_writer(self._target.open(self._number))
        self._started_ns, self._octets, self._dropped_before = now_ns, 0, dict(self.dropped)
        for name, description in self._interfaces.items():
            self._writer.interface(name, description)
        self._writer.flush()

    def write(self, item: Item) -> None:
        """Write one packet; a file that has become too long ends."""
        rotation = self._rotation
        if rotation.octets and self._octets >= rotation.octets:
            self._next(item.at_ns)
        self._writer.packet(
            item.at_ns,
            item.interface,
            item.octets,
            direction=item.direction,
            original_length=item.length,
            comment=item.comment,
        )
        self._octets += len(item.octets) + len(item.comment) + 48

    def flush(self, now_ns: int) -> None:
        """Hand over what was written, and end a file whose time is over."""
        self._writer.flush()
        seconds = self._rotation.seconds
        if seconds and now_ns - self._started_ns >= seconds * 1e9:
            self._next(now_ns)

    def _next(self, now_ns: int) -> None:
        rotation = self._rotation
        if rotation.files and not rotation.is_ring and self._number + 1 >= rotation.files:
            self.is_full = True
            return
        self.end(now_ns)
        self._number += 1
        self._begin(now_ns)

    def end(self, now_ns: int) -> None:
        """Write the statistics of every interface."""
        for name in self._writer.interfaces:
            lost = self.dropped.get(name, 0) - self._dropped_before.get(name, 0)
            self._writer.statistics(name, start_ns=self._started_ns, end_ns=now_ns, dropped=lost)
        self._writer.flush()
