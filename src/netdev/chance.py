"""What chance decides on a wire: shares of packets, with memory or without, and bursts of loss.

A *draw* is a number in [0, 1), a *verdict* says whether something happens to the next packet. Each
has a generator of its own, so that one fault does not disturb the fate that another has in store.

Correlation: with this probability a packet's number is that of the packet before. So the share and
the distribution stay what was asked, numbers of neighbours correlate by just that much, and losses
of share p come in bursts of 1 / ((1 - p)(1 - correlation)) packets on average. netem takes the
mean of both numbers (get_crandom), which pulls every number to the middle: of 5 % with a
correlation of 50 % hardly a packet is lost.

Loss models are Markov chains, as netem's `loss state` and `loss gemodel` (Salsano, Ludovici,
Ordine: Definition of a general and intuitive loss model, 2009). A chain begins in its good state
and is asked about a packet before it moves.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Draw = Callable[[], float]
Verdict = Callable[[], bool]


def draws(rng: random.Random, correlation: float = 0.0) -> Draw:
    """Return what gives one number for each packet."""
    if not correlation:
        return rng.random
    return _Repeating(rng.random, correlation)


class _Repeating:
    """Gives the number before again, or another."""

    __slots__ = ("_correlation", "_last", "_random")

    def __init__(self, chance: Draw, correlation: float) -> None:
        self._random, self._correlation = chance, correlation
        self._last = chance()

    def __call__(self) -> float:
        if self._random() >= self._correlation:
            self._last = self._random()
        return self._last


def share(rng: random.Random, wanted: float, correlation: float = 0.0) -> Verdict | None:
    """Return what hits a share of packets; None when it hits none."""
    if not wanted:
        return None
    draw = draws(rng, correlation)
    return lambda: draw() < wanted


class EveryNth:
    """netem's `reorder SHARE gap N`: a share of each Nth packet; those between are never hit."""

    __slots__ = ("_count", "_gap", "_hit")

    def __init__(self, hit: Verdict, gap: int) -> None:
        self._hit, self._gap, self._count = hit, gap, 0

    def __call__(self) -> bool:
        if self._count >= self._gap - 1 and self._hit():
            self._count = 0
            return True
        self._count += 1
        return False


@dataclass(frozen=True, slots=True)
class MarkovChain:
    """States, what is lost in each (a share), and the probabilities of moving on from each."""

    loss: Sequence[float]
    moves: Sequence[Sequence[float]]  # From each state to each; a row's sum is 1.


def gilbert_elliott(
    p: float, r: float | None = None, one_minus_h: float = 1.0, one_minus_k: float = 0.0
) -> MarkovChain:
    """Return netem's `loss gemodel P [R [1-H [1-K]]]`.

    From good to bad with *p*, back with *r*; lost in the bad state is *1-h*, in the good one *1-k*.
    """
    back = 1 - p if r is None else r
    return MarkovChain(loss=(one_minus_k, one_minus_h), moves=((1 - p, p), (back, 1 - back)))


def four_state(
    p13: float, p31: float | None = None, p32: float = 0.0, p23: float = 1.0, p14: float = 0.0
) -> MarkovChain:
    """Return netem's `loss state P13 [P31 [P32 [P23 P14]]]`.

    1: good; 2: good within a burst; 3: lost within a burst; 4: lost alone.
    """
    back = 1 - p13 if p31 is None else p31
    return MarkovChain(
        loss=(0.0, 0.0, 1.0, 1.0),
        moves=(
            (1 - p13 - p14, 0.0, p13, p14),
            (0.0, 1 - p23, p23, 0.0),
            (back, p32, 1 - back - p32, 0.0),
            (1.0, 0.0, 0.0, 0.0),
        ),
    )


class MarkovLoss:
    """Follows a chain, one step for each packet."""

    __slots__ = ("_lost", "_moves", "_random", "_state")

    def __init__(self, rng: random.Random, chain: MarkovChain) -> None:
        self._random, self._lost = rng.random, chain.loss
        self._moves = [_cumulated(row) for row in chain.moves]
        self._state = 0

    def __call__(self) -> bool:
        lost = self._lost[self._state]
        hit = lost >= 1 or (lost > 0 and self._random() < lost)
        number = self._random()
        for below, state in self._moves[self._state]:
            if number < below:
                self._state = state
                break
        return hit


def _cumulated(row: Sequence[float]) -> list[tuple[float, int]]:
    """Return (upper bound of the number, state) of every move that can happen."""
    found, bound = [], 0.0
    for state, probability in enumerate(row):
        if probability > 0:
            bound += probability
            found.append((bound, state))
    return [*found[:-1], (1.0, found[-1][1])]  # Sums of floats miss 1 by a little.
