"""The bootstrap behind `loadgen compare`: what it must not see, and what it must."""

from __future__ import annotations

import math
import random

import pytest
from stored_runs import second, steady

from loadgen.noise import BATCHES_MAX, Finding, Pool, batches, compare


def test_seconds_become_equally_long_batches():
    cut = batches([second(n, [1000]) for n in range(130)])
    assert {batch.seconds for batch in cut} == {4}
    assert len(cut) == 32 <= BATCHES_MAX
    assert batches([]) == []


def test_percentiles_of_all_batches_are_those_of_all_requests():
    pool = Pool(batches([second(n, [1000 * (n + 1)]) for n in range(40)]))
    low, high = pool.percentiles(range(40), [50, 90])
    # 20 ms and 36 ms, to 1 %.
    assert low == pytest.approx(math.log(0.020), abs=0.011)
    assert high == pytest.approx(math.log(0.036), abs=0.011)


def test_false_alarms_are_rare():
    """Of pairs from one system about 1 % may be told apart; of these 12 at most one."""
    alarms = 0
    for number in range(12):
        pair = [
            steady(lambda rng: int(rng.lognormvariate(7, 0.5)), seed=2 * number + side).seconds
            for side in (0, 1)
        ]
        found = compare(*pair, {"p50": 50.0}, random.Random(number), resamples=200)
        alarms += found["p50"] is not Finding.NOISE
    assert alarms <= 1
