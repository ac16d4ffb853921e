"""Upstream's horizontal_test.go about conditions, events and several metrics."""

from __future__ import annotations

import dataclasses

import pytest

from componentbase.clock import rfc3339
from controlplane.controllermanager.podautoscaler import plan
from controlplane.controllermanager.podautoscaler.limits import Memory
from controlplane.controllermanager.podautoscaler.measured import NoMetricsError
from controlplane.controllermanager.podautoscaler.metric_specs import Measured
from controlplane.controllermanager.podautoscaler.replica_calculator import Settings

NOW = 1_700_000_000.0
PERCENT = {"type": "Utilization", "averageUtilization": 50}


def cpu(**target) -> dict:
    return {"type": "Resource", "resource": {"name": "cpu", "target": target or PERCENT}}


def memory(octets: str) -> dict:
    target = {"type": "AverageValue", "averageValue": octets}
    return {"type": "Resource", "resource": {"name": "memory", "target": target}}


REQUESTS_PER_S = {
    "type": "Pods",
    "pods": {"metric": {"name": "rps"}, "target": {"type": "AverageValue", "averageValue": "10"}},
}


def autoscaler(*metrics: dict, least: int | None = 2, most: int = 6, **more) -> dict:
    spec = {"maxReplicas": most, "metrics": list(metrics or (cpu(),)), **more}
    if least is not None:
        spec["minReplicas"] = least
    return {"metadata": {"name": "h", "namespace": "ns", "generation": 3}, "spec": spec}


def measured(
    replicas: int, cores: str = "500m", octets: str = "100Mi", error: str = ""
) -> Measured:
    pods, items = [], []
    for number in range(replicas):
        name = f"p{number}"
        pods.append(
            {
                "metadata": {"name": name, "namespace": "ns"},
                "spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": "1"}}}]},
                "status": {
                    "phase": "Running",
                    "startTime": rfc3339(NOW - 900),
                    "conditions": [
                        {
                            "type": "Ready",
                            "status": "True",
                            "lastTransitionTime": rfc3339(NOW - 890),
                        }
                    ],
                },
            }
        )
        usage = {"cpu": cores, "memory": octets}
        items.append(
            {
                "metadata": {"name": name, "namespace": "ns"},
                "timestamp": rfc3339(NOW),
                "window": "15.000s",
                "containers": [{"name": "c", "usage": usage}],
            }
        )
    metrics = NoMetricsError(error) if error else items
    missing = NoMetricsError("unable to fetch metrics from custom metrics API: not found")
    return Measured(
        pods=pods,
        metrics=metrics,
        replicas=replicas,
        settings=Settings(),
        answers={1: missing},
    )


def decided(scaler: dict, found: Measured, seen: Memory | None = None) -> plan.Outcome:
    outcome = plan.got_scale(scaler, NOW)
    plan.decide(scaler, found, seen or Memory(), outcome, NOW)
    return outcome


def conditions(outcome: plan.Outcome) -> dict[str, tuple[str, str]]:
    return {each["type"]: (each["status"], each["reason"]) for each in outcome.conditions}


@pytest.mark.parametrize(
    ("current", "least", "replicas", "reason"),
    [
        (9, 2, 6, "Current number of replicas above Spec.MaxReplicas"),
        (1, 2, 2, "Current number of replicas below Spec.MinReplicas"),
        (0, 0, None, ""),
        (0, None, None, ""),
        (3, 2, None, ""),
    ],
)
def test_bounds_come_before_metrics(current, least, replicas, reason):
    outcome = plan.got_scale(autoscaler(least=least), NOW)
    needs_none = plan.forced(autoscaler(least=least), current, outcome, NOW)
    assert (outcome.replicas, outcome.reason) == (replicas, reason)
    disabled = current == 0 and least != 0
    assert needs_none is (disabled or replicas is not None)
    assert ("ScalingActive" in conditions(outcome)) is disabled


def test_scale_up():
    outcome = decided(autoscaler(), measured(3, "700m"))
    assert outcome.replicas == 5
    assert outcome.reason == "cpu resource utilization (percentage of request) above target"
    assert conditions(outcome) == {
        "AbleToScale": ("True", "ReadyForNewScale"),
        "ScalingActive": ("True", "ValidMetricFound"),
        "ScalingLimited": ("False", "DesiredWithinRange"),
    }
    plan.rescaled(outcome, "", NOW)
    assert outcome.events == [
        (
            "Normal",
            "SuccessfulRescale",
            "New size: 5; reason: cpu resource utilization (percentage of request) above target",
        )
    ]
    status = plan.status(autoscaler(), outcome, 3, done=True, now=NOW)
    assert (status["currentReplicas"], status["desiredReplicas"]) == (3, 5)
    assert status["lastScaleTime"] == rfc3339(NOW)
    assert status["observedGeneration"] == 3
    shown = {"averageUtilization": 70, "averageValue": "700m"}
    assert status["currentMetrics"] == [
        {"type": "Resource", "resource": {"name": "cpu", "current": shown}}
    ]


def test_scale_down():
    outcome = decided(autoscaler(), measured(5, "100m"))
    assert (outcome.replicas, outcome.reason) == (2, "All metrics below target")
    assert conditions(outcome)["ScalingLimited"] == ("True", "TooFewReplicas")


def test_the_largest_of_several_metrics_counts():
    outcome = decided(autoscaler(cpu(), memory("50Mi")), measured(2, "600m", "120Mi"))
    assert (outcome.replicas, outcome.reason) == (4, "memory resource above target")
    assert conditions(outcome)["ScalingLimited"] == ("True", "ScaleUpLimit")


def test_a_refused_size_is_told():
    outcome = decided(autoscaler(), measured(3, "700m"))
    plan.rescaled(outcome, "no", NOW)
    assert outcome.events[-1][:2] == ("Warning", "FailedRescale")
    assert conditions(outcome)["AbleToScale"] == ("False", "FailedUpdateScale")
    status = plan.status(autoscaler(), outcome, 3, done=False, now=NOW)
    assert status["desiredReplicas"] == 3
    assert "lastScaleTime" not in status


def test_missing_metrics_change_nothing():
    outcome = decided(autoscaler(), measured(3, error="no metrics returned"))
    assert outcome.replicas is None
    assert conditions(outcome)["ScalingActive"] == ("False", "FailedGetResourceMetric")
    why = "unable to get metrics for resource cpu: no metrics returned"
    assert outcome.events == [
        ("Warning", "FailedGetResourceMetric", f"failed to get cpu utilization: {why}"),
        (
            "Warning",
            "FailedComputeMetricsReplicas",
            "invalid metrics (1 invalid out of 1), first error is: failed to get cpu resource"
            f" metric value: failed to get cpu utilization: {why}",
        ),
    ]


@pytest.mark.parametrize(("cores", "replicas"), [("900m", 6), ("100m", None)])
def test_with_one_metric_missing_there_may_be_more_and_not_fewer(cores, replicas):
    outcome = decided(autoscaler(cpu(), REQUESTS_PER_S), measured(4, cores))
    assert outcome.replicas == replicas
    assert ("Warning", "FailedGetPodsMetric") in [event[:2] for event in outcome.events]
    assert outcome.events[0][2] == (
        "unable to get metric rps: unable to fetch metrics from custom metrics API: not found"
    )


def test_requests_count_beside_cpu():
    items = [
        {
            "describedObject": {"kind": "Pod", "name": f"p{number}"},
            "timestamp": rfc3339(NOW),
            "windowSeconds": 15,
            "value": "25",
        }
        for number in range(2)
    ]
    found = dataclasses.replace(measured(2, "500m"), answers={1: items})
    outcome = decided(autoscaler(cpu(), REQUESTS_PER_S), found)
    assert (outcome.replicas, outcome.reason) == (4, "pods metric rps above target")
    assert outcome.metrics[1] == {
        "type": "Pods",
        "pods": {"metric": {"name": "rps"}, "current": {"averageValue": "25"}},
    }


def test_no_scale():
    outcome = plan.without_scale(autoscaler(), 'deployments.apps "x" not found', NOW)
    assert conditions(outcome) == {"AbleToScale": ("False", "FailedGetScale")}
    assert outcome.events == [("Warning", "FailedGetScale", 'deployments.apps "x" not found')]
    status = plan.status(autoscaler(), outcome, None, done=False, now=NOW)
    assert "currentReplicas" not in status


@pytest.mark.parametrize(
    ("reason", "condition"),
    [("SelectorRequired", "InvalidSelector"), ("AmbiguousSelector", "AmbiguousSelector")],
)
def test_no_selector(reason, condition):
    outcome = plan.got_scale(autoscaler(), NOW)
    plan.without_selector(outcome, reason, "message", "error", NOW)
    assert conditions(outcome)["ScalingActive"] == ("False", condition)
    assert [event[1] for event in outcome.events] == [reason, "FailedComputeMetricsReplicas"]


def test_a_container_alone():
    target = {"type": "Utilization", "averageUtilization": 50}
    source = {"name": "cpu", "container": "c", "target": target}
    scaler = autoscaler({"type": "ContainerResource", "containerResource": source})
    outcome = decided(scaler, measured(3, "700m"))
    assert outcome.replicas == 5
    assert outcome.metrics[0]["containerResource"]["container"] == "c"
    source["container"] = "other"
    outcome = decided(scaler, measured(3, "700m"))
    assert conditions(outcome)["ScalingActive"][1] == "FailedGetContainerResourceMetric"
    assert "container other not present in metrics for pod ns/p0" in outcome.events[0][2]


def test_a_condition_keeps_the_time_of_its_last_change():
    scaler = autoscaler()
    first = decided(scaler, measured(3))
    scaler["status"] = {"conditions": first.conditions}
    again = plan.got_scale(scaler, NOW + 60)
    plan.decide(scaler, measured(3), Memory(), again, NOW + 60)
    assert {each["lastTransitionTime"] for each in again.conditions} == {rfc3339(NOW)}
