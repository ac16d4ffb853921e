"""Container logs in the CRI log format: `2016-10-06T00:17:09.669794202Z stdout F text`.

One line of the container is one line of the file with the tag F, or several with P (partial)
when it is longer than `LINE_OCTETS_MAX`, as in containerd. The pod's process bounds the files
itself: upstream's kubelet rotates (containerLogMaxSize 10Mi) and asks for a reopen; here the
full file becomes `NAME.1`, replacing an older one. A container's print comes here, so the kernel
is asked by `posix`: to that code `os` shows the container's files.
"""

from __future__ import annotations

import os
import posix
import time
from collections.abc import Callable
from typing import Final

#: containerd's max_container_log_line_size.
LINE_OCTETS_MAX: Final = 16 * 1024
FILE_OCTETS_MAX: Final = 10 * 1024 * 1024


class LineCutter:
    """Cuts a stream of octets into (tag, piece) entries."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[tuple[bytes, bytes]]:
        """Return the entries that *data* completes."""
        *lines, rest = bytes(self._rest + data).split(b"\n")
        entries = [entry for line in lines for entry in _entries(line)]
        while len(rest) > LINE_OCTETS_MAX:
            entries.append((b"P", rest[:LINE_OCTETS_MAX]))
            rest = rest[LINE_OCTETS_MAX:]
        self._rest = bytearray(rest)
        return entries

    def flush(self) -> list[tuple[bytes, bytes]]:
        """Return the last line when it has no newline: its stream has ended."""
        rest, self._rest = bytes(self._rest), bytearray()
        return [(b"F", rest)] if rest else []


def _entries(line: bytes) -> list[tuple[bytes, bytes]]:
    pieces = [line[at : at + LINE_OCTETS_MAX] for at in range(0, len(line), LINE_OCTETS_MAX)]
    *partial, last = pieces or [b""]
    return [*((b"P", piece) for piece in partial), (b"F", last)]


def timestamp(unix_ns: int) -> str:
    """Return RFC 3339 with nanoseconds, as Go's RFC3339NanoFixed in UTC."""
    seconds, nanoseconds = divmod(unix_ns, 1_000_000_000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{nanoseconds:09d}Z"


class LogFile:
    """The log of one container, appended to by its two streams."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        clock_ns: Callable[[], int],
        *,
        octets_max: int = FILE_OCTETS_MAX,
    ) -> None:
        self._path, self._clock_ns, self._octets_max = os.fspath(path), clock_ns, octets_max
        os.makedirs(os.path.dirname(self._path), exist_ok=True)
        self._open()

    def _open(self) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._descriptor = posix.open(self._path, flags, 0o640)
        self._octets = os.fstat(self._descriptor).st_size

    def append(self, stream: bytes, entries: list[tuple[bytes, bytes]]) -> None:
        """Write *entries* of *stream* with the present time, in one system call."""
        if not entries:
            return
        head = timestamp(self._clock_ns()).encode() + b" " + stream + b" "
        octets = b"".join(head + tag + b" " + piece + b"\n" for tag, piece in entries)
        if self._octets and self._octets + len(octets) > self._octets_max:
            self._rotate()
        os.write(self._descriptor, octets)
        self._octets += len(octets)

    def _rotate(self) -> None:
        os.close(self._descriptor)
        try:
            posix.replace(self._path, f"{self._path}.1")
        except FileNotFoundError:
            pass  # Somebody removed it: begin a new one.
        self._open()

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


class LogStream:
    """One standard stream of a container, as programs write to it."""

    def __init__(self, file: LogFile | None, name: str) -> None:
        self._file, self._name = file, name.encode()
        self._cutter = LineCutter()

    def write(self, data: bytes) -> None:
        """Log the lines that *data* completes."""
        if self._file is not None:
            self._file.append(self._name, self._cutter.feed(data))

    async def drain(self) -> None:
        """Return at once: the file takes everything."""

    def end(self) -> None:
        """Log a last line without a newline."""
        if self._file is not None:
            self._file.append(self._name, self._cutter.flush())
        self._file = None
