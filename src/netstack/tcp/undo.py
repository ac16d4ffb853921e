"""What a recovery that proves needless goes back to (Linux undo_marker and undo_retrans)."""

from __future__ import annotations

from netstack.tcp.window import CongestionWindow


class Undo:
    """The congestion window before a recovery, and what would be a reason to restore it."""

    __slots__ = ("congestion", "octets", "stamp", "start")

    def __init__(self, congestion: CongestionWindow, start: int, stamp: int) -> None:
        self.congestion = congestion
        #: Where the recovery began: the first number, and the timestamp of what was sent again.
        self.start, self.stamp = start, stamp
        self.octets = 0  # Sent again, and not reported as duplicates.
