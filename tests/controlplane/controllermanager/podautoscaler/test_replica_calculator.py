"""Upstream's replica_calculator_test.go, its cases by name."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from componentbase.clock import rfc3339
from controlplane.controllermanager.podautoscaler.measured import NoMetricsError, PodMetric
from controlplane.controllermanager.podautoscaler.replica_calculator import (
    Question,
    Settings,
    raw_replicas,
    resource_replicas,
)

NOW, MINUTE = 1_700_000_000.0, 60.0
SETTINGS = Settings(cpu_initialization_s=120.0, initial_readiness_delay_s=10.0)


@dataclass(frozen=True)
class Pods:
    """Upstream's podReadiness, podStartTime, podPhase and podDeletionTimestamp, in one."""

    ready: bool = True
    began_s: float = 10 * MINUTE  # ago
    changed_s: float = 10 * MINUTE
    phase: str = "Running"
    deleted: bool = False
    request: str | None = "1"


def pod(name: str, facts: Pods) -> dict:
    metadata = {"name": name, "namespace": "ns"}
    if facts.deleted:
        metadata["deletionTimestamp"] = rfc3339(NOW)
    requests = {} if facts.request is None else {"requests": {"cpu": facts.request}}
    ready = {
        "type": "Ready",
        "status": "True" if facts.ready else "False",
        "lastTransitionTime": rfc3339(NOW - facts.changed_s),
    }
    return {
        "metadata": metadata,
        "spec": {"containers": [{"name": "c", "resources": requests}]},
        "status": {
            "phase": facts.phase,
            "startTime": rfc3339(NOW - facts.began_s),
            "conditions": [ready],
        },
    }


R, STARTING = Pods(), Pods(ready=False, began_s=MINUTE, changed_s=MINUTE)
HOT = Pods(ready=True, began_s=MINUTE, changed_s=5.0)  # Ready too short for a whole window.
PENDING = Pods(phase="Pending", ready=False)
FAILED, DELETED = Pods(phase="Failed", ready=False), Pods(deleted=True)


def question(current: int, levels: list, facts: list[Pods], container: str = "") -> Question:
    """Ask about pods; a level None is one without metrics."""
    pods = [pod(f"p{number}", each) for number, each in enumerate(facts)]
    metrics = {
        f"p{number}": PodMetric(level, NOW, 60.0)
        for number, level in enumerate(levels)
        if level is not None
    }
    return Question(
        pods=pods,
        metrics=metrics,
        resource="cpu",
        current=current,
        settings=SETTINGS,
        container=container,
    )


UTILIZATION = {
    "ScaleUp": (3, [300, 500, 700], [R] * 3, 30, 5),
    "ContainerScaleUp": (3, [300, 500, 700], [R] * 3, 30, 5),
    "ScaleUpUnreadyLessScale": (3, [300, 500, 700], [STARTING, R, R], 30, 4),
    "ScaleUpHotCpuLessScale": (3, [300, 500, 700], [HOT, R, R], 30, 4),
    "ScaleUpUnreadyNoScale": (3, [400, 500, 700], [R, STARTING, STARTING], 30, 3),
    "ScaleHotCpuNoScale": (3, [400, 500, 700], [R, HOT, HOT], 30, 3),
    "ScaleUpIgnoresFailedPods": (2, [500, 700, None, None], [R, R, FAILED, FAILED], 30, 4),
    "ScaleUpIgnoresDeletionPods": (2, [500, 700, None, None], [R, R, DELETED, DELETED], 30, 4),
    "ScaleDown": (5, [100, 300, 500, 250, 250], [R] * 5, 50, 3),
    "ContainerScaleDown": (5, [1000, 300, 500, 250, 250], [R] * 5, 100, 3),
    "ScaleDownIncludeUnreadyPods": (
        5, [100, 300, 500, 250, 250], [R, R, R, STARTING, STARTING], 50, 2,
    ),
    "ScaleDownIgnoreHotCpuPods": (5, [100, 300, 500, 250, 250], [R, R, R, HOT, HOT], 50, 2),
    "ScaleDownIgnoresFailedPods": (
        5, [100, 300, 500, 250, 250, None, None], [*[R] * 5, FAILED, FAILED], 50, 3,
    ),
    "ScaleDownIgnoresDeletionPods": (
        5, [100, 300, 500, 250, 250, None, None], [*[R] * 5, DELETED, DELETED], 50, 3,
    ),
    "Tolerance": (3, [1010, 1030, 1020], [R] * 3, 100, 3),
    "MissingMetricsNoChangeEq": (2, [1000, None], [R] * 2, 100, 2),
    "MissingMetricsNoChangeGt": (2, [1900, None], [R] * 2, 100, 2),
    "MissingMetricsNoChangeLt": (2, [600, None], [R] * 2, 100, 2),
    "MissingMetricsUnreadyNoChange": (3, [450, None, None], [R, R, STARTING], 50, 3),
    "MissingMetricsHotCpuNoChange": (3, [450, None, None], [R, R, HOT], 50, 3),
    "MissingMetricsUnreadyScaleUp": (3, [2000, None, None], [R, R, Pods(phase="Pending")], 50, 4),
    "MissingMetricsScaleDownTargetOver100": (2, [200, None], [R] * 2, 200, 2),
    "PendingPodsScaleUp": (3, [900, None], [R, PENDING], 50, 3),
}  # fmt: skip


@pytest.mark.parametrize("name", UTILIZATION)
def test_utilization(name):
    current, levels, facts, target, expected = UTILIZATION[name]
    container = "c" if name.startswith("Container") else ""
    asked = question(current, levels, facts, container)
    assert resource_replicas(asked, target, NOW).replicas == expected


def test_utilization_is_told():
    found = resource_replicas(question(3, [300, 500, 700], [R] * 3), 30, NOW)
    assert (found.usage.utilization, found.usage.average) == (50, 500)


RAW = {
    "ScaleUpCM": (3, [20000, 10000, 30000], [R] * 3, 15000, 4),
    "ScaleUpCMUnreadyHotCpuNoLessScale": (3, [50000, 10000, 30000], [R, R, R], 15000, 6),
    "ScaleDownCM": (5, [12000] * 5, [R] * 5, 20000, 3),
    "ToleranceCM": (3, [20000, 21000, 21000], [R] * 3, 20000, 3),
    "MissingMetricsScaleDownCM": (4, [10000, None], [R] * 2, 20000, 2),
}


@pytest.mark.parametrize("name", RAW)
def test_average_values(name):
    current, levels, facts, target, expected = RAW[name]
    assert raw_replicas(question(current, levels, facts), target, NOW).replicas == expected


@pytest.mark.parametrize(
    ("levels", "facts", "why"),
    [
        ([], [], "No pods returned by selector"),
        ([None, None], [R, R], "did not receive metrics for targeted pods"),
        ([100], [STARTING], "did not receive metrics for targeted pods"),
        ([100], [Pods(request=None)], "missing request for cpu in container c of Pod p0"),
        ([100], [Pods(request="0")], "no metrics returned matched known pods"),
    ],
)
def test_what_cannot_be_counted_is_an_error(levels, facts, why):
    with pytest.raises(NoMetricsError, match=why):
        resource_replicas(question(1, levels, facts), 50, NOW)


def test_memory_of_pods_that_start_counts():
    asked = question(2, [100, 100], [STARTING, STARTING])
    changed = Question(
        pods=asked.pods, metrics=asked.metrics, resource="memory", current=2, settings=SETTINGS
    )
    assert raw_replicas(changed, 50, NOW).replicas == 4


LEVELS = st.lists(st.none() | st.integers(1, 5000), min_size=1, max_size=8)


@given(LEVELS, st.data(), st.integers(1, 300))
def test_who_cannot_be_judged_never_turns_a_decision_around(levels, data, target):
    kinds = st.sampled_from([R, STARTING, HOT, PENDING, FAILED, DELETED])
    facts = data.draw(st.lists(kinds, min_size=len(levels), max_size=len(levels)))
    current = len(levels)
    asked = question(current, levels, facts)
    try:
        found = resource_replicas(asked, target, NOW)
    except NoMetricsError:
        return
    if facts == [R] * current and None not in levels:
        percent = found.usage.utilization
        assert found.replicas in (current, -(-percent * current // target))
    elif found.replicas > current:
        assert found.usage.ratio > 1.0
