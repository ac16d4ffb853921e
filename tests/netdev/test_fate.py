"""A seed is a history: which verdicts it gives, and what a change leaves alone."""

from __future__ import annotations

import random
import statistics

import msgspec
import pytest

from netdev.fate import Fate
from netdev.impairment import Impairment

WANTED = Impairment(
    seed=9, loss=0.3, corrupt=0.3, duplicate=0.3, delay_s=0.1, jitter_s=0.05, reorder=0.2
)


def losses(fate: Fate, count: int = 60) -> list[bool]:
    assert fate.loses is not None
    return [fate.loses() for _ in range(count)]


def test_a_seed_is_a_history_and_another_way_has_another():
    one, again, other = (
        Fate(WANTED, random.Random(n), way) for n, way in ((1, "a"), (2, "a"), (3, "b"))
    )
    expected = losses(one)
    assert losses(again) == expected
    assert losses(other) != expected


def test_without_a_seed_the_generator_that_was_given_decides():
    wanted = msgspec.structs.replace(WANTED, seed=None)
    one, again, other = (Fate(wanted, random.Random(n), "a") for n in (1, 1, 2))
    expected = losses(one)
    assert losses(again) == expected
    assert losses(other) != expected


def test_what_other_faults_draw_disturbs_none():
    plain = Fate(Impairment(seed=9, loss=0.3), random.Random(1), "a")
    full = Fate(WANTED, random.Random(1), "a")
    felt = []
    for _ in range(60):
        assert full.corrupts is not None
        assert full.delay is not None
        assert full.leaves_at_once is not None
        full.corrupts(), full.delay(), full.leaves_at_once()
        felt += losses(full, 1)
    assert felt == losses(plain)


def test_a_change_leaves_the_other_faults_where_they_are():
    changed, left = (Fate(WANTED, random.Random(1), "a") for _ in range(2))
    assert losses(changed, 20) == losses(left, 20)
    changed.change(msgspec.structs.replace(WANTED, delay_s=0.5, corrupt=0.9))
    changed.change(msgspec.structs.replace(WANTED, duplicate=0.0))
    changed.change(msgspec.structs.replace(WANTED, gap=3))
    assert losses(changed) == losses(left)


def test_a_model_of_bursts_may_follow_independent_loss():
    fate = Fate(WANTED, random.Random(1), "a")
    fate.change(Impairment(seed=9, loss_gemodel=(1.0, 0.0)))
    assert losses(fate, 3) == [False, True, True]


def test_another_seed_begins_another_history():
    fate = Fate(WANTED, random.Random(1), "a")
    first = losses(fate)
    fate.change(msgspec.structs.replace(WANTED, seed=10))
    assert losses(fate) != first
    fate.change(WANTED)
    assert losses(fate) == first


def test_what_is_not_wanted_has_no_verdict():
    fate = Fate(Impairment(seed=1), random.Random(1), "")
    verdicts = (fate.duplicates, fate.loses, fate.corrupts, fate.leaves_at_once, fate.delay)
    assert verdicts == (None,) * 5


@pytest.mark.parametrize(
    ("distribution", "mean", "spread"),
    [("uniform", 0.1, 0.0115), ("normal", 0.1, 0.02), ("pareto", 0.099, 0.0164)],
)
def test_delays_have_the_mean_and_the_spread_that_was_asked(distribution, mean, spread):
    wanted = Impairment(seed=1, delay_s=0.1, jitter_s=0.02, distribution=distribution)
    delay = Fate(wanted, random.Random(1), "").delay
    assert delay is not None
    felt = [delay() for _ in range(20_000)]
    assert statistics.mean(felt) == pytest.approx(mean, abs=0.001)
    assert statistics.pstdev(felt) == pytest.approx(spread, rel=0.06)


def test_no_delay_is_below_zero():
    wanted = Impairment(seed=1, delay_s=0.01, jitter_s=0.02, distribution="normal")
    delay = Fate(wanted, random.Random(1), "").delay
    assert delay is not None
    assert min(delay() for _ in range(500)) == 0.0
