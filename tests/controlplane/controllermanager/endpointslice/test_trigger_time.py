"""Which change a new slice shows, and since when (upstream: trigger_time_tracker_test.go)."""

from __future__ import annotations

import pytest

from componentbase.clock import parse_rfc3339, rfc3339
from controlplane.controllermanager.endpointslice.trigger_time import (
    ANNOTATION,
    TriggerTimeTracker,
    annotated,
)

T0 = 1_800_000_000.0
KEY = "default/web"


def service(created: float = T0, uid: str = "s") -> dict:
    return {"metadata": {"name": "web", "uid": uid, "creationTimestamp": rfc3339(created)}}


def pod(name: str, since: float) -> dict:
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": rfc3339(since)}
    return {"metadata": {"name": name}, "status": {"conditions": [ready]}}


@pytest.fixture
def tracker() -> TriggerTimeTracker:
    """One that has seen the Service with two pods."""
    made = TriggerTimeTracker()
    made.compute(KEY, service(), [pod("a", T0 + 1), pod("b", T0 + 2)], T0 + 3)
    return made


def test_a_new_service_is_triggered_by_its_creation() -> None:
    pods = [pod("a", T0 - 50)]
    assert TriggerTimeTracker().compute(KEY, service(), pods, T0 + 0.25) == T0 + 0.25


def test_the_earliest_of_the_changed_transitions_counts(tracker: TriggerTimeTracker) -> None:
    pods = [pod("a", T0 + 10), pod("b", T0 + 12)]
    assert tracker.compute(KEY, service(), pods, T0 + 12.5) == T0 + 11  # a's second was over
    assert tracker.compute(KEY, service(), pods, T0 + 13) is None


def test_the_moment_it_was_seen_gives_the_digits(tracker: TriggerTimeTracker) -> None:
    tracker.change_seen(KEY, T0 + 20.125)
    tracker.change_seen(KEY, T0 + 20.5)
    assert tracker.compute(KEY, service(), [pod("a", T0 + 20)], T0 + 20.75) == T0 + 20.125


def test_a_clock_behind_the_writers_gives_the_written_second(tracker: TriggerTimeTracker) -> None:
    assert tracker.compute(KEY, service(), [pod("a", T0 + 20)], T0 + 5) == T0 + 20


def test_digits_that_were_written_are_kept(tracker: TriggerTimeTracker) -> None:
    changed = pod("a", T0)
    changed["status"]["conditions"][0]["lastTransitionTime"] = "2027-01-15T08:00:30.250000Z"
    found = tracker.compute(KEY, service(), [changed], T0 + 60)
    assert found == parse_rfc3339("2027-01-15T08:00:30.25Z")


def test_a_pod_that_goes_or_whose_status_says_no_time_triggers_nothing(
    tracker: TriggerTimeTracker,
) -> None:
    assert tracker.compute(KEY, service(), [pod("a", T0 + 1)], T0 + 9) is None
    assert tracker.compute(KEY, service(), [{"metadata": {"name": "c"}}], T0 + 9) is None
    assert tracker.compute(KEY, service(), [], T0 + 9) is None


def test_a_service_made_anew_begins_anew(tracker: TriggerTimeTracker) -> None:
    again = service(T0 + 30, uid="other")
    assert tracker.compute(KEY, again, [pod("a", T0 + 1)], T0 + 30.5) == T0 + 30.5
    tracker.forget(KEY)
    assert tracker.compute(KEY, again, [], T0 + 31.5) == T0 + 31


def test_the_annotation_comes_and_goes_and_leaves_others_alone() -> None:
    one = {"metadata": {"name": "web-1", "annotations": {"mine": "kept"}}, "endpoints": []}
    with_time = annotated(one, T0 + 0.123456)
    assert with_time["metadata"]["annotations"] == {
        "mine": "kept",
        ANNOTATION: "2027-01-15T08:00:00.123456Z",
    }
    assert annotated(with_time, None) == one
    assert "annotations" not in annotated({"metadata": {"name": "x"}}, None)["metadata"]
