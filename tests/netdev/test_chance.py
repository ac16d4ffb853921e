"""Shares, correlations and bursts over many packets, against their formulas."""

from __future__ import annotations

import math
import random
import statistics
from itertools import groupby, pairwise

import pytest

from netdev.chance import (
    EveryNth,
    MarkovChain,
    MarkovLoss,
    draws,
    four_state,
    gilbert_elliott,
    share,
)

MANY = 40_000


def stationary(chain: MarkovChain) -> list[float]:
    """Return how often a chain is in each state, by going on until nothing changes."""
    at = [1.0, *([0.0] * (len(chain.loss) - 1))]
    for _ in range(4000):
        moved = [sum(a * row[to] for a, row in zip(at, chain.moves, strict=True))
                 for to in range(len(at))]  # fmt: skip
        at = [(a + b) / 2 for a, b in zip(at, moved, strict=True)]  # Cycles come to rest, too.
    return at


def mean_loss(chain: MarkovChain) -> float:
    return sum(a * lost for a, lost in zip(stationary(chain), chain.loss, strict=True))


def mean_burst(chain: MarkovChain) -> float:
    """Return P(lost) / P(lost, and the next one is not)."""
    ends = sum(
        at * lost * move * (1 - chain.loss[to])
        for at, lost, row in zip(stationary(chain), chain.loss, chain.moves, strict=True)
        for to, move in enumerate(row)
    )
    return mean_loss(chain) / ends


def bursts(losses: list[bool]) -> list[int]:
    return [len(list(group)) for lost, group in groupby(losses) if lost]


@pytest.mark.parametrize(
    "chain",
    [
        gilbert_elliott(0.01, 0.1),
        gilbert_elliott(0.05, 0.25, 0.7, 0.01),
        gilbert_elliott(0.1),
        four_state(0.02, 0.2),
        four_state(0.01, 0.1, 0.3, 0.4, 0.02),
        four_state(0.2),
    ],
)
def test_bursts_and_losses_are_as_the_formula_has_them(chain):
    loses = MarkovLoss(random.Random(11), chain)
    lost = [loses() for _ in range(5 * MANY)]
    assert statistics.mean(lost) == pytest.approx(mean_loss(chain), rel=0.06)
    assert statistics.mean(bursts(lost)) == pytest.approx(mean_burst(chain), rel=0.06)


def test_the_simple_gilbert_model_has_its_well_known_means():
    p, r = 0.02, 0.25
    assert mean_loss(gilbert_elliott(p, r)) == pytest.approx(p / (p + r))
    assert mean_burst(gilbert_elliott(p, r)) == pytest.approx(1 / r)


def test_one_probability_alone_is_independent_loss():
    for chain in (gilbert_elliott(0.3), four_state(0.3)):
        assert mean_loss(chain) == pytest.approx(0.3)
        assert mean_burst(chain) == pytest.approx(1 / 0.7)


def test_a_chain_that_cannot_move_stays():
    loses = MarkovLoss(random.Random(1), gilbert_elliott(0.0, 0.0))
    assert not any(loses() for _ in range(100))
    loses = MarkovLoss(random.Random(1), gilbert_elliott(1.0, 0.0))
    assert [loses() for _ in range(4)] == [False, True, True, True]


@pytest.mark.parametrize(("wanted", "correlation"), [(0.05, 0.0), (0.05, 0.25), (0.3, 0.8)])
def test_a_correlation_keeps_the_share_and_makes_bursts(wanted, correlation):
    loses = share(random.Random(5), wanted, correlation)
    assert loses is not None
    lost = [loses() for _ in range(5 * MANY)]
    assert statistics.mean(lost) == pytest.approx(wanted, rel=0.05)
    length = 1 / ((1 - wanted) * (1 - correlation))
    assert statistics.mean(bursts(lost)) == pytest.approx(length, rel=0.05)


@pytest.mark.parametrize("correlation", [0.0, 0.25, 0.9])
def test_neighbouring_numbers_correlate_and_stay_uniform(correlation):
    draw = draws(random.Random(2), correlation)
    numbers = [draw() for _ in range(5 * MANY)]
    felt = statistics.correlation(*zip(*pairwise(numbers), strict=True))
    assert felt == pytest.approx(correlation, abs=0.02)
    assert statistics.mean(numbers) == pytest.approx(0.5, abs=0.01)
    assert statistics.pstdev(numbers) == pytest.approx(1 / math.sqrt(12), abs=0.01)


def test_no_share_needs_no_verdict():
    assert share(random.Random(1), 0.0) is None


def test_a_gap_hits_each_nth_and_lets_a_share_of_them_pass():
    hits = EveryNth(lambda: True, 3)
    assert [hits() for _ in range(7)] == [False, False, True, False, False, True, False]
    half = share(random.Random(1), 0.5)
    assert half is not None
    hits = EveryNth(half, 5)
    hit = [index for index in range(2000) if hits()]
    assert min(b - a for a, b in pairwise(hit)) == 5
    assert len(hit) == pytest.approx(2000 / 6, rel=0.1)  # Four pass, then one on average.
