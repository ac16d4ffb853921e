"""The two versions of an autoscaler say the same (upstream: TestMetricSpecConversion, …)."""

from __future__ import annotations

import copy
import json

import pytest

from controlplane.apiserver.kinds.autoscaling.v1 import (
    BEHAVIOR,
    CONDITIONS,
    CURRENT_METRICS,
    METRICS,
    from_v2,
    to_v2,
)

REFERENCE = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
HEAD = {"kind": "HorizontalPodAutoscaler", "metadata": {"name": "web"}}
SPEC = {"scaleTargetRef": REFERENCE, "minReplicas": 1, "maxReplicas": 5}
CPU = {
    "type": "Resource",
    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}},
}
SELECTOR = {"matchLabels": {"a": "b"}}
METRIC = {"name": "qps", "selector": SELECTOR}
OTHERS = [
    {
        "type": "Pods",
        "pods": {
            "metric": METRIC,
            "target": {"type": "AverageValue", "averageValue": "100m"},
        },
    },
    {
        "type": "Object",
        "object": {
            "describedObject": REFERENCE,
            "metric": METRIC,
            "target": {"type": "Value", "value": "10"},
        },
    },
    {
        "type": "External",
        "external": {"metric": METRIC, "target": {"type": "AverageValue", "averageValue": "3"}},
    },
    {
        "type": "ContainerResource",
        "containerResource": {
            "name": "memory",
            "container": "app",
            "target": {"type": "Utilization", "averageUtilization": 50},
        },
    },
]


def newer(**spec):
    return {"apiVersion": "autoscaling/v2", **HEAD, "spec": {**SPEC, **spec}}


def test_one_share_of_processors_is_all_that_v1_says_itself():
    older = from_v2(newer(metrics=[CPU]))
    assert older["apiVersion"] == "autoscaling/v1"
    assert older["spec"] == {**SPEC, "targetCPUUtilizationPercentage": 60}
    assert older["metadata"] == HEAD["metadata"]
    assert to_v2(older) == newer(metrics=[CPU])


def test_the_rest_stands_in_annotations():
    obj = newer(metrics=[*OTHERS, CPU], behavior={"scaleDown": {"selectPolicy": "Disabled"}})
    condition = {"type": "AbleToScale", "status": "True"}
    current = {"type": "Pods", "pods": {"metric": METRIC, "current": {"averageValue": "5"}}}
    obj["status"] = {
        "currentReplicas": 2,
        "conditions": [condition],
        "currentMetrics": [
            current,
            {"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 9}}},
        ],
    }
    older = from_v2(copy.deepcopy(obj))
    annotations = {
        name: json.loads(text) for name, text in older["metadata"]["annotations"].items()
    }
    assert older["spec"]["targetCPUUtilizationPercentage"] == 60
    assert older["status"] == {"currentReplicas": 2, "currentCPUUtilizationPercentage": 9}
    assert annotations[METRICS][0] == {
        "type": "Pods",
        "pods": {"metricName": "qps", "selector": SELECTOR, "targetAverageValue": "100m"},
    }
    assert annotations[METRICS][1]["object"]["target"] == REFERENCE
    assert annotations[METRICS][2]["external"]["metricSelector"] == SELECTOR
    assert annotations[CURRENT_METRICS][0]["pods"]["currentAverageValue"] == "5"
    assert annotations[CONDITIONS] == [condition]
    assert annotations[BEHAVIOR] == obj["spec"]["behavior"]
    assert to_v2(older) == obj


@pytest.mark.parametrize("text", ["", "{", "7", '["x", 1]', '[{"type": "Pods"}]', "null"])
def test_annotations_that_nobody_can_read_harm_nobody(text):
    older = {
        "apiVersion": "autoscaling/v1",
        **HEAD,
        "metadata": {"name": "web", "annotations": {METRICS: text, BEHAVIOR: text, "a": "b"}},
        "spec": {**SPEC, "targetCPUUtilizationPercentage": 60},
    }
    found = to_v2(older)
    assert found["metadata"]["annotations"] == {"a": "b"}
    assert found["spec"]["metrics"][-1] == CPU
    assert from_v2(found)["spec"]["targetCPUUtilizationPercentage"] == 60
