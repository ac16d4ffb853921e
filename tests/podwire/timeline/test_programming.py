"""Network programming latency, from the trigger and from the slice's write."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from story import endpoints, failover, programmed

from podwire.timeline.programming import Latencies, programming


def test_each_node_has_both_latencies_of_each_change() -> None:
    rows = {row.node: row for row in programming(failover())}
    assert list(rows) == ["node-1", "node-2", "node-3"]
    assert list(rows["node-1"].from_trigger.seconds) == [0.02, 0.02, 0.03]
    assert list(rows["node-1"].from_write.seconds) == pytest.approx([0.01, 0.01, 0.01])
    assert rows["node-2"].from_trigger.as_json() == {
        "n": 1, "p50_s": 0.02, "p99_s": 0.02, "max_s": 0.02,
    }  # fmt: skip


def test_a_change_without_trigger_is_measured_from_its_write() -> None:
    (row,) = programming([endpoints(1.0, "5", [], []), programmed(1.5, "node-1", "5")])
    assert row.from_trigger.as_json() == {"n": 0, "p50_s": None, "p99_s": None, "max_s": None}
    assert row.from_write.as_json()["max_s"] == 0.5


def test_a_proxy_faster_than_the_note_of_the_write_took_no_time() -> None:
    (row,) = programming([programmed(0.99, "node-1", "5"), endpoints(1.0, "5", [], [])])
    assert list(row.from_write.seconds) == [0.0]


@given(st.lists(st.floats(0, 100), min_size=1), st.floats(0.01, 1.0))
def test_a_quantile_is_a_measured_value_with_that_share_at_or_below(
    seconds: list[float], share: float
) -> None:
    ordered = sorted(seconds)
    found = Latencies(ordered).quantile(share)
    assert found in ordered
    assert sum(one <= found for one in ordered) >= share * len(ordered) - 1e-9
    assert sum(one < found for one in ordered) < share * len(ordered) + 1e-9
