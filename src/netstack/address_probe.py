"""Asking whether an address is free before it is used: RFC 4862 §5.4 and RFC 5227 §2.1.1.

Both are one procedure with different numbers: wait a little, ask a few times, wait for an answer,
and use the address when none came. An address that somebody has is given up for good; whoever gave
it to us must choose another.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from netstack.drops import DropReason
from netstack.timers import TimerHeap


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeTiming:
    """How long to wait, in seconds: at most before the first, between two, after the last."""

    before_s: float
    between_s: tuple[float, float]
    after_s: float


#: MAX_RTR_SOLICITATION_DELAY and RETRANS_TIMER (RFC 4862 §5.4.2, RFC 4861 §10).
NEIGHBOUR_DISCOVERY: Final = ProbeTiming(before_s=1.0, between_s=(1.0, 1.0), after_s=1.0)
#: PROBE_WAIT, PROBE_MIN and PROBE_MAX, ANNOUNCE_WAIT (RFC 5227 §1.1).
ARP: Final = ProbeTiming(before_s=1.0, between_s=(1.0, 2.0), after_s=2.0)


class AddressProbe:
    """One address that is asked for; it is due at once, since nobody knows the time before."""

    def __init__(
        self, address: bytes, probes: int, timing: ProbeTiming, rng: random.Random
    ) -> None:
        assert probes > 0
        self.address = address
        self.left = probes
        self.due: float = 0.0
        self.begun = False
        self._timing, self._rng = timing, rng

    def step(self, now: float) -> bool:
        """Return whether to ask now; set when to look again."""
        if not self.begun:
            self.begun = True
            self.due = now + self._rng.uniform(0.0, self._timing.before_s)
            return False
        self.left -= 1
        self.due = now + (
            self._rng.uniform(*self._timing.between_s) if self.left else self._timing.after_s
        )
        return True


class AddressProbes:
    """The addresses of one family that are being probed for."""

    def __init__(
        self,
        timing: ProbeTiming,
        *,
        probes: int,
        ask: Callable[[bytes], None],
        take: Callable[[bytes], None],
        timers: TimerHeap,
        rng: random.Random,
        drops: Counter[DropReason],
    ) -> None:
        """*ask* sends a probe; *take* is told of an address that nobody else has."""
        self.timer_at = math.inf
        self._timing, self._count, self._ask, self._take = timing, probes, ask, take
        self._timers, self._rng, self._drops = timers, rng, drops
        self._probing: dict[bytes, AddressProbe] = {}

    def begin(self, address: bytes) -> bool:
        """Probe for *address*; return False where nobody wants that done."""
        if not self._count:
            return False
        self._probing[address] = AddressProbe(address, self._count, self._timing, self._rng)
        self._timers.schedule(self, 0.0)
        return True

    def __contains__(self, address: bytes) -> bool:
        return address in self._probing

    def conflict(self, address: bytes) -> None:
        """Somebody else has *address*, or is about to."""
        del self._probing[address]
        self._drops[DropReason.ADDRESS_DUPLICATE] += 1

    def cancel(self, address: bytes) -> None:
        self._probing.pop(address, None)

    def deadline(self) -> float:
        return min((each.due for each in self._probing.values()), default=math.inf)

    def handle_deadline(self, now: float) -> None:
        for each in list(self._probing.values()):
            if each.due > now:
                continue
            if not each.left:
                del self._probing[each.address]
                self._take(each.address)
            elif each.step(now):
                self._ask(each.address)
