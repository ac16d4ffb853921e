"""What iperf3 prints of a stream, and what it tells its peer: arithmetic without a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

LINE: Final = "- " * 25
#: The first stream's socket is 5 in iperf3's own output, and scripts know it.
_FIRST_SOCKET: Final = 5
_UNITS: Final = ("", "K", "M", "G", "T")


def scaled(number: float, step: int) -> str:
    """Return *number* as iperf3 does: three digits and a prefix."""
    index = 0
    while number >= step and index + 1 < len(_UNITS):
        number /= step
        index += 1
    digits = 2 if number < 9.995 else 1 if number < 99.95 else 0
    return f"{number:4.{digits}f} {_UNITS[index]}"


@dataclass(slots=True)
class Stream:
    """One stream's count."""

    index: int
    octets: int = 0
    shown_octets: int = 0

    @property
    def id(self) -> int:
        """Return the number that the protocol has for it: 1, 3, 4, …"""
        return 1 if self.index == 0 else self.index + 2

    @property
    def socket(self) -> str:
        """Return the number that is printed."""
        return f"[{_FIRST_SOCKET + 2 * self.index:3d}]"


def header() -> str:
    """Return the heading of intervals."""
    return "[ ID] Interval           Transfer     Bitrate"


def line(name: str, start_s: float, end_s: float, octets: int) -> str:
    """Return an interval: how much was carried, and how fast."""
    bits = octets * 8 / max(end_s - start_s, 1e-9)
    span = f"{start_s:.2f}-{end_s:.2f}"
    return f"{name} {span:>11}  sec  {scaled(octets, 1024)}Bytes  {scaled(bits, 1000)}bits/sec"


def interval(streams: Sequence[Stream], start_s: float, end_s: float) -> list[str]:
    """Return the lines of what came since the last interval."""
    lines, total = [], 0
    for stream in streams:
        fresh = stream.octets - stream.shown_octets
        stream.shown_octets = stream.octets
        total += fresh
        lines.append(line(stream.socket, start_s, end_s, fresh) + "                  ")
    if len(streams) > 1:
        lines.append(line("[SUM]", start_s, end_s, total))
    return lines


def results(streams: Sequence[Stream], took_s: float) -> dict[str, object]:
    """Return what one side tells the other in the end."""
    return {
        "cpu_util_total": 0,
        "cpu_util_user": 0,
        "cpu_util_system": 0,
        "sender_has_retransmits": 0,
        "streams": [
            {
                "id": stream.id,
                "bytes": stream.octets,
                "retransmits": -1,
                "jitter": 0,
                "errors": 0,
                "packets": 0,
                "start_time": 0,
                "end_time": took_s,
            }
            for stream in streams
        ],
    }


def told_octets(message: dict[str, object]) -> dict[int, int]:
    """Return how many octets the peer counted, by stream; what is no number counts nothing."""
    streams = message.get("streams")
    rows = [row for row in streams if isinstance(row, dict)] if isinstance(streams, list) else []
    return {
        row["id"]: row["bytes"]
        for row in rows
        if isinstance(row.get("id"), int) and isinstance(row.get("bytes"), int)
    }


def summary(sent: Sequence[tuple[str, int]], received: Sequence[int], took_s: float) -> list[str]:
    """Return the last lines: each stream as its sender and as its receiver counted it."""
    lines = [LINE, header()]
    for (name, octets), arrived in zip(sent, received, strict=True):
        lines.append(line(name, 0, took_s, octets) + "                  sender")
        lines.append(line(name, 0, took_s, arrived) + "                  receiver")
    if len(sent) > 1:
        total = sum(octets for _, octets in sent)
        lines.append(line("[SUM]", 0, took_s, total) + "                  sender")
        lines.append(line("[SUM]", 0, took_s, sum(received)) + "                  receiver")
    return lines
