"""When a wire gives what it has carried: in bursts, one a slot (sch_netem.c, get_slot_next).

As a cable modem or Wi-Fi does it: a packet that is due opens a slot, which comes after a while;
then leaves what is due by then, up to so many packets or octets, and the rest waits for the next.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from netdev.impairment import Impairment


class Slots:
    """The slots of one wire; *wait* says how long after its opening each comes."""

    def __init__(self, wanted: Impairment, wait: Callable[[], float]) -> None:
        self._wanted, self._wait = wanted, wait
        self._next_at = -math.inf
        self._packets_left: float = 0
        self._octets_left: float = 0

    def at(self, due_at: float) -> float:
        """Return when the packet leaves that is next and due at *due_at*."""
        if self._next_at < due_at:
            self._open(due_at)
        return self._next_at

    def left(self, octets: int) -> None:
        """A packet has left in the slot."""
        self._packets_left -= 1
        self._octets_left -= octets
        if self._packets_left <= 0 or self._octets_left <= 0:
            self._open(self._next_at)

    def _open(self, now: float) -> None:
        wanted = self._wanted
        self._next_at = now + self._wait()
        self._packets_left = wanted.slot_packets or math.inf
        self._octets_left = wanted.slot_octets or math.inf
