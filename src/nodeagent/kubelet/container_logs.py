"""Container logs in CRI format: lines of `TIME STREAM TAG text` (pkg/kubelet/kuberuntime/logs).

A line with tag `P` is a part of a longer one. Times are RFC 3339 with nanoseconds, always UTC, so
they compare as texts once they are equally long.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedReader
from typing import Final

from componentbase.clock import parse_rfc3339

_BLOCK: Final = 64 * 1024
_TIME_MAX: Final = 35


@dataclass(frozen=True, slots=True, kw_only=True)
class LogOptions:
    """v1.PodLogOptions, as far as a kubelet is asked."""

    follow: bool = False
    previous: bool = False
    timestamps: bool = False
    tail_lines: int | None = None
    since: float | None = None
    limit_octets: int | None = None


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of a log file; *text* ends with a newline unless the line goes on."""

    time: str
    text: bytes


def parse_line(line: bytes) -> LogLine | None:
    """Parse one line of the file; None for what is not in CRI format."""
    words = line.rstrip(b"\n").split(b" ", 3)
    if len(words) != 4 or words[1] not in (b"stdout", b"stderr") or len(words[0]) > _TIME_MAX:
        return None
    ending = b"" if words[2].split(b":")[0] == b"P" else b"\n"
    return LogLine(words[0].decode("ascii", "replace"), words[3] + ending)


def tail_offset(file: BufferedReader, lines: int) -> int:
    """Return where the last *lines* lines of the file begin, reading it from its end."""
    if lines <= 0:
        return file.seek(0, os.SEEK_END)
    end = file.seek(0, os.SEEK_END)
    position, found = end, 0
    while position > 0:
        size = min(_BLOCK, position)
        position -= size
        file.seek(position)
        block = file.read(size)
        at = len(block) - 1 if position + size == end and block.endswith(b"\n") else len(block)
        while (at := block.rfind(b"\n", 0, at)) >= 0:
            found += 1
            if found == lines:
                return position + at + 1
    return 0


class LogFilter:
    """Turns lines of the file into what the client asked for, until its limit is reached."""

    def __init__(self, options: LogOptions) -> None:
        self._options = options
        self._left = options.limit_octets
        self._inside_line = False

    @property
    def left(self) -> int | None:
        """Return how many octets the client still wants, None for all."""
        return self._left

    @property
    def full(self) -> bool:
        """Tell whether the client's limit is reached."""
        return self._left is not None and self._left <= 0

    def octets(self, lines: Iterator[bytes]) -> bytes:
        """Return what the client gets of *lines*."""
        chosen = b"".join(self._one(line) for line in lines)
        if self._left is not None:
            chosen = chosen[: max(0, self._left)]
            self._left -= len(chosen)
        return chosen

    def _one(self, line: bytes) -> bytes:
        parsed = parse_line(line)
        if parsed is None or not self._recent(parsed.time):
            return b""
        show_time = self._options.timestamps and not self._inside_line
        self._inside_line = not parsed.text.endswith(b"\n")
        return (parsed.time.encode() + b" " if show_time else b"") + parsed.text

    def _recent(self, time: str) -> bool:
        if self._options.since is None:
            return True
        try:
            # fromisoformat reads at most microseconds.
            return parse_rfc3339(f"{time[:26].rstrip('Z')}Z") >= self._options.since
        except ValueError:
            return False


def whole_lines(octets: bytes) -> tuple[list[bytes], bytes]:
    """Return complete lines and the rest."""
    *lines, rest = octets.split(b"\n")
    return [line + b"\n" for line in lines], rest
