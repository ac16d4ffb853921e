from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgen.plan import Arrival, LoadPlan
from loadgen.schedule import intended_times
from loadgen.stages import Stage, parse_stages


def times(rate, duration_s, arrival=Arrival.CONSTANT, seed=0, rate_end=None, stages=()):
    plan = LoadPlan(
        url="http://web/",
        rate=rate,
        duration_s=duration_s,
        arrival=arrival,
        rate_end=rate_end,
        stages=stages,
    )
    return list(intended_times(plan, random.Random(seed)))


def test_constant_arrivals_are_even_and_do_not_drift():
    assert times(4, 1) == [0, 0.25, 0.5, 0.75]
    assert times(3, 100)[-1] == 299 / 3


STAGES = st.builds(
    Stage,
    st.floats(0.01, 3),
    st.floats(0, 100),
    st.floats(0, 100),
    st.sampled_from(Arrival),
)


@given(st.lists(STAGES, min_size=1, max_size=4), st.integers())
def test_moments_ascend_within_the_duration_and_follow_the_seed(stages, seed):
    stages = tuple(
        stage if stage.arrival.is_ramp else Stage(stage.duration_s, 1.0, 1.0, stage.arrival)
        for stage in stages
    )
    if sum(stage.requests for stage in stages) <= 0:
        return
    moments = times(1, 1, seed=seed, stages=stages)
    assert moments == sorted(moments) == times(1, 1, seed=seed, stages=stages)
    total_s = sum(stage.duration_s for stage in stages)
    assert all(0 <= moment <= total_s * (1 + 1e-9) for moment in moments)


def test_poisson_arrivals_have_the_rate_asked_for():
    moments = times(1000, 20, Arrival.POISSON)
    assert 19_400 < len(moments) < 20_600
    gaps = [after - before for before, after in itertools.pairwise(moments)]
    assert max(gaps) > 5 / 1000


def test_a_ramp_has_the_mean_of_its_ends_and_grows_evenly():
    moments = times(0, 10, Arrival.RAMP, rate_end=100)
    assert len(moments) == 500
    # A quarter of the requests are due in the first half of an even rise.
    assert sum(moment < 5 for moment in moments) == pytest.approx(125, abs=1)
    falling = times(100, 10, Arrival.RAMP, rate_end=0)
    assert sum(moment < 5 for moment in falling) == pytest.approx(375, abs=1)


def test_a_random_ramp_grows_as_an_even_one():
    moments = times(0, 100, Arrival.POISSON_RAMP, rate_end=100)
    assert len(moments) == pytest.approx(5000, rel=0.1)
    assert sum(moment < 50 for moment in moments) == pytest.approx(1250, rel=0.15)


def test_stages_follow_one_another():
    stages = parse_stages("2s 10\n1s 0\n2s 20\n")
    moments = times(1, 1, stages=stages)
    per_second = [sum(second <= m < second + 1 for m in moments) for second in range(5)]
    assert per_second == [10, 10, 0, 20, 20]


def test_a_stage_does_not_begin_with_a_request_of_its_own():
    """Ten stages of a tenth of a request each are one request."""
    moments = times(1, 1, stages=parse_stages("100ms 1\n" * 10))
    assert moments == [0.0]


@pytest.mark.parametrize("kind", ["ramp", "poisson-ramp"])
def test_a_ramp_through_zero_rests_there_and_goes_on(kind):
    text = f"10s 0\n10s 100 {kind}\n10s 0 {kind}\n5s 0\n10s 100 {kind}\n"
    moments = times(1, 1, stages=parse_stages(text))
    assert len(moments) == pytest.approx(1500, rel=0.1)
    assert moments == sorted(moments)
    assert moments[0] >= 10
    assert not [moment for moment in moments if 30 < moment < 35]


def test_the_longest_file_of_stages_is_no_work():
    moments = times(1, 1, stages=parse_stages("1s 10 ramp\n1s 0 ramp\n" * 500))
    assert len(moments) == 5000
