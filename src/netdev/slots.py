"""When a wire gives what it has carried: in bursts, one a slot (sch_netem.c, get_slot_next).

As a cable modem or Wi-Fi does it: a packet that is due opens a slot, which comes after a while;
then leaves what is due by then, up to so many packets or octets, and the rest waits for the next.
"""

from __future__ import annotations

import math

from netdev.chance import Draw
from netdev.impairment import Impairment


class Slots:
    """The slots of one wire; *draw* says where between the shortest and longest wait one comes."""

    def __init__(self, wanted: Impairment, draw: Draw) -> None:
        self._wanted, self._draw = wanted, draw
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
        least_s, most_s = wanted.slot_min_s, max(wanted.slot_min_s, wanted.slot_max_s)
        self._next_at = now + least_s + (most_s - least_s) * self._draw()
        self._packets_left = wanted.slot_packets or math.inf
        self._octets_left = wanted.slot_octets or math.inf
