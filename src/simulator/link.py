"""One direction of a wire: `netdev.impaired_link.ImpairedLink`, in the world's time, watched.

Watchers see every packet as it is offered, before the wire's faults: what they find wrong, its
sender has done. What comes through together is delivered together.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Final

from netdev.framing import Octets
from netdev.impaired_link import Counters, ImpairedLink
from netdev.impairment import Impairment
from netstack.timers import TimerHeap
from simulator import offloaded

#: The channels of a link between nodes; a link of frames has only the first.
FRAMES: Final = 0
VXLAN: Final = 0
BARE: Final = 1

#: Takes what came through: channel and octets of each packet, and now.
Deliver = Callable[[list[tuple[int, bytes]], float], None]
#: Sees what is offered: the link, the channel, the octets, and now.
Watch = Callable[["Link", int, Octets, float], None]


class Link:
    """A wire from one place to another."""

    def __init__(
        self,
        name: str,
        impairment: Impairment,
        rng: random.Random,
        *,
        timers: TimerHeap,
        deliver: Deliver,
        watches: list[Watch],
    ) -> None:
        self.name = name
        self._link = ImpairedLink(impairment, rng)
        self._timers, self._deliver, self._watches = timers, deliver, watches
        self.timer_at = math.inf

    @property
    def counters(self) -> Counters:
        return self._link.counters

    def change(self, impairment: Impairment, now: float) -> None:
        """Let *impairment* hold from now on."""
        self._link.change(impairment, now)
        self._timers.schedule(self, self._link.deadline())

    def offer(self, octets: Octets, now: float, *, channel: int = FRAMES) -> None:
        """Put a packet on the wire."""
        if self._watches:
            for shown, each in offloaded.shown(channel, octets):
                for watch in self._watches:
                    watch(self, shown, each, now)
        self._link.offer(octets, now, channel=channel)
        self._timers.schedule(self, self._link.deadline())

    def deadline(self) -> float:
        return self._link.deadline()

    def handle_deadline(self, now: float) -> None:
        self._deliver(self._link.due(now), now)
