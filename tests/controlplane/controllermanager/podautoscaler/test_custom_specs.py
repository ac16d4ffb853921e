"""Upstream's replica_calculator_test.go about custom and external metrics, its cases by name."""

from __future__ import annotations

import pytest

from componentbase.clock import rfc3339
from controlplane.controllermanager.podautoscaler import custom_specs
from controlplane.controllermanager.podautoscaler.custom_specs import Query, Scaled, query_of
from controlplane.controllermanager.podautoscaler.measured import NoMetricsError
from controlplane.controllermanager.podautoscaler.metric_specs import Measured, MetricError, ask
from controlplane.controllermanager.podautoscaler.replica_calculator import Settings
from kubeapi.resources import DEPLOYMENTS, NAMESPACES, NODES

NOW = 1_700_000_000.0
DEPLOYMENT = {"kind": "Deployment", "apiVersion": "apps/v1", "name": "some-deployment"}
LABELLED = {"matchLabels": {"label": "value"}}


def pod(number: int, *, ready: bool = True) -> dict:
    condition = {
        "type": "Ready",
        "status": "True" if ready else "False",
        "lastTransitionTime": rfc3339(NOW - 30),
    }
    return {
        "metadata": {"name": f"p{number}", "namespace": "ns"},
        "spec": {"containers": [{"name": "c"}]},
        "status": {
            "phase": "Running",
            "startTime": rfc3339(NOW - 60),
            "conditions": [condition],
        },
    }


def scaled(current: int, *ready: bool) -> Scaled:
    pods = [pod(number, ready=each) for number, each in enumerate(ready or (True,) * current)]
    return Scaled(pods=pods, wanted=current, there=current, settings=Settings())


def item(thousandths: int, name: str = "p0") -> dict:
    return {
        "describedObject": {"kind": "Pod", "name": name},
        "timestamp": rfc3339(NOW),
        "value": f"{thousandths}m",
    }


PODS = {
    "ScaleUpCM": (scaled(3), [20000, 10000, 30000], 15000, 4, 20000),
    "ScaleUpCMUnreadyHotCpuNoLessScale": (
        scaled(3, True, True, False), [50000, 10000, 30000], 15000, 6, 30000,
    ),
    "ScaleUpCMUnreadyHotCpuScaleWouldScaleDown": (
        scaled(3, False, True, False), [50000, 15000, 30000], 15000, 7, 31666,
    ),
    "ScaleUpCMExternal": (scaled(1), [8600], 4400, 2, 8600),
    "ScaleDownCM": (scaled(5), [12000] * 5, 20000, 3, 12000),
    "ToleranceCM": (scaled(3), [20000, 21000, 21000], 20000, 3, 20666),
}  # fmt: skip


@pytest.mark.parametrize("name", PODS)
def test_averages_over_pods(name):
    target, levels, average, replicas, used = PODS[name]
    source = {
        "metric": {"name": "qps"},
        "target": {"type": "AverageValue", "averageValue": f"{average}m"},
    }
    items = [item(level, f"p{number}") for number, level in enumerate(levels)]
    found = custom_specs.of_pods(source, items, target, NOW)
    assert (found.replicas, found.name) == (replicas, "pods metric qps")
    assert thousandths(found.shown["current"]["averageValue"]) == used


def thousandths(text: str) -> int:
    return int(text.removesuffix("m")) if text.endswith("m") else 1000 * int(text)


#: Who is scaled, the metric's value, the target, what follows and what is shown of it.
TOTALS = {
    "ScaleUpCMObject": (scaled(3), 20000, {"value": 15000}, 4, 20000),
    "ScaleUpCMPerPodObject": (scaled(3), 20000, {"averageValue": 5000}, 4, 6667),
    "ScaleUpCMObjectIgnoresUnreadyPods": (
        scaled(3, False, True, False), 50000, {"value": 10000}, 5, 50000,
    ),
    "ScaleUpCMExternalIgnoresUnreadyPods": (
        scaled(3, False, True, False), 8600, {"value": 4400}, 2, 8600,
    ),
    "ScaleUpPerPodCMExternal": (scaled(3), 8600, {"averageValue": 2150}, 4, 2867),
    "ScaleDownPerPodCMObject": (scaled(5), 6000, {"averageValue": 2000}, 3, 1200),
    "ScaleDownCMObject": (scaled(5), 12000, {"value": 20000}, 3, 12000),
    "ScaleDownCMExternal": (scaled(5), 8600, {"value": 14334}, 3, 8600),
    "ScaleDownPerPodCMExternal": (scaled(5), 8600, {"averageValue": 2867}, 3, 1720),
    "ToleranceCMObject": (scaled(3), 20666, {"value": 20000}, 3, 20666),
    "TolerancePerPodCMObject": (scaled(4), 20166, {"averageValue": 5000}, 4, 5042),
    "ToleranceCMExternal": (scaled(3), 8600, {"value": 8888}, 3, 8600),
    "TolerancePerPodCMExternal": (scaled(3), 8600, {"averageValue": 2900}, 3, 2867),
    "from zero": (scaled(0), 8600, {"value": 4400}, 2, 8600),
    "from zero, per pod": (scaled(0), 8600, {"averageValue": 4400}, 2, 8600),
}  # fmt: skip


@pytest.mark.parametrize("name", TOTALS)
def test_one_number_for_all(name):
    target, value, wanted, replicas, used = TOTALS[name]
    ((field, number),) = wanted.items()
    how = {"type": "Value" if field == "value" else "AverageValue", field: f"{number}m"}
    source = {"metric": {"name": "qps", "selector": LABELLED}, "target": how}
    for found in (
        custom_specs.of_external(source, [item(value - 600), item(600)], target, NOW),
        custom_specs.of_object(
            {**source, "describedObject": DEPLOYMENT}, [item(value)], target, NOW
        ),
    ):
        assert found.replicas == replicas
        assert thousandths(found.shown["current"][field]) == used
        assert found.shown["metric"] == {"name": "qps", "selector": LABELLED}


def test_names_are_upstreams():
    source = {"metric": {"name": "qps"}, "target": {"type": "Value", "value": "1"}}
    found = custom_specs.of_object(
        {**source, "describedObject": DEPLOYMENT}, [item(1)], scaled(1), 0
    )
    assert found.name == "Deployment metric qps"
    assert found.shown["describedObject"] == DEPLOYMENT
    assert custom_specs.of_external(source, [item(1)], scaled(1), 0).name == (
        "external metric qps(nil)"
    )
    rule = {"key": "tier", "operator": "In", "values": ["a", "b"]}
    assert custom_specs.selector_text({**LABELLED, "matchExpressions": [rule]}) == (
        "&LabelSelector{MatchLabels:map[string]string{label: value,},MatchExpressions:"
        "[]LabelSelectorRequirement{LabelSelectorRequirement{Key:tier,Operator:In,"
        "Values:[a b],},},}"
    )


def resource_of(reference: dict):
    return {"Deployment": DEPLOYMENTS, "Namespace": NAMESPACES, "Node": NODES}[reference["kind"]]


CUSTOM, EXTERNAL = "/apis/custom.metrics.k8s.io/v1beta2", "/apis/external.metrics.k8s.io/v1beta1"


@pytest.mark.parametrize(
    ("spec", "asked"),
    [
        (
            {"type": "Pods", "pods": {"metric": {"name": "qps", "selector": LABELLED}}},
            Query(
                f"{CUSTOM}/namespaces/ns/pods/*/qps",
                {"labelSelector": "app=web", "metricLabelSelector": "label=value"},
            ),
        ),
        (
            {
                "type": "Object",
                "object": {"metric": {"name": "a b"}, "describedObject": DEPLOYMENT},
            },
            Query(f"{CUSTOM}/namespaces/ns/deployments.apps/some-deployment/a%20b", {}),
        ),
        (
            {
                "type": "Object",
                "object": {
                    "metric": {"name": "qps"},
                    "describedObject": {"kind": "Namespace", "name": "other"},
                },
            },
            Query(f"{CUSTOM}/namespaces/other/metrics/qps", {}),
        ),
        (
            {
                "type": "Object",
                "object": {
                    "metric": {"name": "qps"},
                    "describedObject": {"kind": "Node", "name": "n"},
                },
            },
            Query(f"{CUSTOM}/nodes/n/qps", {}),
        ),
        (
            {"type": "External", "external": {"metric": {"name": "qps", "selector": LABELLED}}},
            Query(f"{EXTERNAL}/namespaces/ns/qps", {"labelSelector": "label=value"}, "external"),
        ),
        ({"type": "Resource", "resource": {"name": "cpu"}}, None),
    ],
)
def test_what_is_asked(spec, asked):
    assert query_of(spec, "ns", "app=web", resource_of) == asked


FETCH = NoMetricsError("unable to fetch metrics from custom metrics API: gone")
VALUE, AVERAGE = {"type": "Value", "value": "1"}, {"type": "AverageValue", "averageValue": "1"}


@pytest.mark.parametrize(
    ("kind", "target", "answer", "whole"),
    [
        (
            "Pods",
            AVERAGE,
            FETCH,
            f"failed to get pods metric value: unable to get metric qps: {FETCH}",
        ),
        (
            "Pods",
            AVERAGE,
            [],
            "failed to get pods metric value: unable to get metric qps: no metrics returned from"
            " custom metrics API",
        ),
        (
            "Object",
            VALUE,
            FETCH,
            "failed to get object metric value: unable to get metric qps: Deployment on ns"
            f" some-deployment/{FETCH}",
        ),
        (
            "Object",
            {"type": "Value"},
            [item(1)],
            "failed to get object metric value: invalid object metric source: neither a value"
            " target nor an average value target was set",
        ),
        (
            "External",
            VALUE,
            [],
            "failed to get qps external metric value: failed to get external metric qps: unable to"
            " get external metric ns/qps/nil: no metrics returned from external metrics API",
        ),
        (
            "External",
            AVERAGE,
            [],
            "failed to get qps external metric value: failed to get qps external metric: unable to"
            " get external metric ns/qps/nil: no metrics returned from external metrics API",
        ),
        (
            "External",
            {"type": "Value"},
            [item(1)],
            "failed to get qps external metric value: invalid external metric source: neither a"
            " value target nor an average value target was set",
        ),
    ],
)
def test_what_cannot_be_read_is_told_in_upstreams_words(kind, target, answer, whole):
    source = {"metric": {"name": "qps"}, "target": target, "describedObject": DEPLOYMENT}
    measured = Measured(
        pods=[pod(0)], metrics=[], replicas=1, settings=Settings(), answers={0: answer},
        namespace="ns",
    )  # fmt: skip
    with pytest.raises(MetricError) as error:
        ask(0, {"type": kind, kind.lower(): source}, measured, NOW)
    assert str(error.value) == whole
    assert error.value.reason == f"FailedGet{kind}Metric"
