"""What is in store for the packets of one wire: every verdict and every draw of an impairment.

A seed is a history: the n-th packet that is offered has the same fate whatever the clock does and
however long the queue is, since nothing is decided by a generator that something else has drawn
from. When an impairment changes, the faults that it leaves alone go on where they are.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Container
from typing import Final

from netdev.chance import Draw, EveryNth, MarkovLoss, Verdict, draws, share
from netdev.distribution import Distribution, table
from netdev.impairment import Impairment
from netdev.slots import Slots

#: What each fault is made of.
_FIELDS: Final = {
    "duplicate": ("duplicate", "duplicate_correlation"),
    "loss": ("loss", "loss_correlation", "loss_gemodel", "loss_state"),
    "corrupt": ("corrupt", "corrupt_correlation"),
    "reorder": ("reorder", "reorder_correlation", "gap"),
    "delay": ("delay_s", "jitter_s", "delay_correlation", "distribution"),
    "slots": (
        "slot_min_s",
        "slot_max_s",
        "slot_delay_s",
        "slot_jitter_s",
        "slot_distribution",
        "slot_packets",
        "slot_octets",
    ),
}


class Fate:
    """Answers for one packet after the other; what is None hits none of them."""

    duplicates: Verdict | None
    loses: Verdict | None
    corrupts: Verdict | None
    #: A number of which the bit follows that is wrong.
    bit: Draw
    leaves_at_once: Verdict | None
    #: Seconds; None: it does not vary.
    delay: Callable[[], float] | None
    #: None: a packet leaves when it is due.
    slots: Slots | None

    def __init__(self, impairment: Impairment, rng: random.Random, way: str) -> None:
        """*way* tells the wires of one seed apart: two directions must not lose the same.

        Without a seed *rng* gives one.
        """
        self._impairment, self._rng, self._way = impairment, rng, way
        self._streams: dict[str, random.Random] = {}
        self._decide(_FIELDS)

    def change(self, impairment: Impairment) -> None:
        """Let *impairment* decide from now on."""
        before, self._impairment = self._impairment, impairment
        if impairment.seed != before.seed:
            self._streams.clear()
            self._decide(_FIELDS)
            return
        self._decide(
            [
                fault
                for fault, names in _FIELDS.items()
                if any(getattr(impairment, name) != getattr(before, name) for name in names)
            ]
        )

    def _decide(self, faults: Container[str]) -> None:
        wanted, stream = self._impairment, self._stream
        if "duplicate" in faults:
            self.duplicates = share(
                stream("duplicate"), wanted.duplicate, wanted.duplicate_correlation
            )
        if "loss" in faults:
            self.loses = _loses(stream("loss"), wanted)
        if "corrupt" in faults:
            self.corrupts = share(stream("corrupt"), wanted.corrupt, wanted.corrupt_correlation)
            self.bit = draws(stream("bit"))
        if "reorder" in faults:
            hit = share(stream("reorder"), wanted.reorder, wanted.reorder_correlation)
            gap = wanted.gap
            self.leaves_at_once = EveryNth(hit, gap) if hit is not None and gap > 1 else hit
        if "delay" in faults:
            self.delay = _delay(stream("delay"), wanted)
        if "slots" in faults:
            wait = _until_slot(draws(stream("slots")), wanted)
            self.slots = Slots(wanted, wait) if wanted.has_slots else None

    def _stream(self, fault: str) -> random.Random:
        known = self._streams.get(fault)
        if known is None:
            seed = self._impairment.seed
            if seed is None:
                seed = self._rng.getrandbits(64)
            known = self._streams[fault] = random.Random(f"{seed} {self._way} {fault}")
        return known


def _loses(rng: random.Random, wanted: Impairment) -> Verdict | None:
    chain = wanted.loss_chain
    if chain is not None:
        return MarkovLoss(rng, chain)
    return share(rng, wanted.loss, wanted.loss_correlation)


def _delay(rng: random.Random, wanted: Impairment) -> Callable[[], float] | None:
    if not wanted.jitter_s:
        return None
    draw = draws(rng, wanted.delay_correlation)
    return _varying(draw, wanted.delay_s, wanted.jitter_s, wanted.distribution)


def _until_slot(draw: Draw, wanted: Impairment) -> Callable[[], float]:
    if wanted.slot_delay_s:
        times = (wanted.slot_delay_s, wanted.slot_jitter_s, wanted.slot_distribution)
        return _varying(draw, *times)
    least_s, most_s = wanted.slot_min_s, max(wanted.slot_min_s, wanted.slot_max_s)
    return lambda: least_s + (most_s - least_s) * draw()


def _varying(
    draw: Draw, mean_s: float, jitter_s: float, distribution: Distribution
) -> Callable[[], float]:
    """Return what gives a time that varies so, for each number that is drawn (tabledist)."""
    values = table(distribution)
    if values is None:
        return lambda: max(0.0, mean_s + jitter_s * (2 * draw() - 1))
    size = len(values)
    return lambda: max(0.0, mean_s + jitter_s * values[int(draw() * size)])
