"""How delays vary: means, spreads and tails of each distribution."""

from __future__ import annotations

import statistics

import pytest

from netdev.distribution import DISTRIBUTIONS, SPREAD_MAX, TABLE_SIZE, table


def test_every_distribution_has_its_table():
    assert [name for name in DISTRIBUTIONS if table(name) is None] == ["uniform"]


@pytest.mark.parametrize(
    ("name", "spread"), [("normal", 1.0), ("pareto", 0.82), ("paretonormal", 0.85)]
)
def test_a_table_rises_around_zero_and_has_an_end(name, spread):
    values = table(name)
    assert len(values) == TABLE_SIZE
    assert list(values) == sorted(values)
    assert statistics.mean(values) == pytest.approx(0, abs=0.06)  # The tail is cut off.
    assert max(map(abs, values)) <= SPREAD_MAX
    assert statistics.pstdev(values) == pytest.approx(spread, abs=0.01)


def test_normal_delays_lie_within_one_jitter_as_often_as_normal_ones_do():
    values = table("normal")
    assert sum(abs(value) < 1 for value in values) / TABLE_SIZE == pytest.approx(0.683, abs=0.002)


@pytest.mark.parametrize(
    ("probability", "value"), [(0.0, -2 / 3), (0.5, -0.32), (0.875, 2 / 3), (0.99, 4.0)]
)
def test_pareto_has_the_shape_that_iproute2_gives_it(probability, value):
    at = int(probability * TABLE_SIZE)
    assert table("pareto")[at] == pytest.approx(value, abs=0.01)
