from __future__ import annotations

import itertools
import random

from hypothesis import given
from hypothesis import strategies as st

from loadgen.plan import Arrival, LoadPlan
from loadgen.schedule import intended_times


def times(rate, duration_s, arrival=Arrival.CONSTANT, seed=0):
    plan = LoadPlan(url="http://web/", rate=rate, duration_s=duration_s, arrival=arrival)
    return list(intended_times(plan, random.Random(seed)))


def test_constant_arrivals_are_even_and_do_not_drift():
    assert times(4, 1) == [0, 0.25, 0.5, 0.75]
    assert times(3, 100)[-1] == 299 / 3


@given(st.floats(0.1, 500), st.floats(0.01, 5), st.sampled_from(Arrival), st.integers())
def test_moments_ascend_within_the_duration_and_follow_the_seed(rate, duration_s, arrival, seed):
    moments = times(rate, duration_s, arrival, seed)
    assert moments == sorted(moments) == times(rate, duration_s, arrival, seed)
    assert all(0 <= moment <= duration_s for moment in moments)


def test_poisson_arrivals_have_the_rate_asked_for():
    moments = times(1000, 20, Arrival.POISSON)
    assert 19_400 < len(moments) < 20_600
    gaps = [after - before for before, after in itertools.pairwise(moments)]
    assert max(gaps) > 5 / 1000
