"""Upstream's TestValidateHPA…, TestSetDefaultHPA… and TestPrintHPA as rows."""

from __future__ import annotations

import copy

import pytest

KIND = "HorizontalPodAutoscaler"
REFERENCE = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
SPEC = {"scaleTargetRef": REFERENCE, "minReplicas": 1, "maxReplicas": 5}
SHARE = {"type": "Utilization", "averageUtilization": 70}
AVERAGE = {"type": "AverageValue", "averageValue": "100m"}
CPU = {"type": "Resource", "resource": {"name": "cpu", "target": SHARE}}
METRIC = {"name": "qps"}
PODS = {"type": "Pods", "pods": {"metric": METRIC, "target": AVERAGE}}
OBJECT = {
    "type": "Object",
    "object": {
        "describedObject": REFERENCE,
        "metric": METRIC,
        "target": {"type": "Value", "value": "10"},
    },
}
EXTERNAL = {
    "type": "External",
    "external": {"metric": METRIC, "target": {"type": "Value", "value": "10"}},
}
CONTAINER = {
    "type": "ContainerResource",
    "containerResource": {"name": "cpu", "container": "app", "target": SHARE},
}


def test_defaults(made):
    spec = made(KIND, {"spec": {"scaleTargetRef": REFERENCE, "maxReplicas": 3}})["spec"]
    assert spec["minReplicas"] == 1
    target = {"type": "Utilization", "averageUtilization": 80}
    assert spec["metrics"] == [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    assert "behavior" not in spec
    behavior = made(KIND, {"spec": {**SPEC, "behavior": {}}})["spec"]["behavior"]
    assert behavior["scaleUp"]["stabilizationWindowSeconds"] == 0
    assert [policy["type"] for policy in behavior["scaleUp"]["policies"]] == ["Pods", "Percent"]
    assert behavior["scaleDown"] == {
        "selectPolicy": "Max",
        "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}],
    }


def changed(metric, **target):
    [key] = [key for key in metric if key != "type"]
    result = copy.deepcopy(metric)
    result[key]["target"] = target
    return {"metrics": [result]}


def rule(**changes):
    policy = {"type": "Pods", "value": 1, "periodSeconds": 5}
    return {"behavior": {"scaleUp": {"policies": [policy], **changes}}}


def policy(**changes):
    return rule(policies=[{"type": "Pods", "value": 1, "periodSeconds": 5, **changes}])


UP = "spec.behavior.scaleUp"
AT = "spec.metrics[0]"


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"metrics": [CPU, PODS, OBJECT, EXTERNAL, CONTAINER]}, None),
        (rule(), None),
        ({"minReplicas": 0},
         "spec.minReplicas: Invalid value: 0: must be greater than or equal to 1"),
        ({"minReplicas": 7},
         "spec.maxReplicas: Invalid value: 5: must be greater than or equal to `minReplicas`"),
        ({"scaleTargetRef": {**REFERENCE, "kind": ""}},
         "spec.scaleTargetRef.kind: Required value"),
        ({"scaleTargetRef": {**REFERENCE, "name": ".."}},
         'spec.scaleTargetRef.name: Invalid value: "..": may not be \'..\''),
        ({"metrics": [{"type": "Moon"}]},
         f'{AT}.type: Unsupported value: "Moon": supported values: "ContainerResource", '
         '"External", "Object", "Pods", "Resource"'),
        ({"metrics": [{"type": "Pods"}]},
         f"{AT}.pods: Required value: must populate information for the given metric source"),
        ({"metrics": [{**CPU, "pods": PODS["pods"]}]},
         f"{AT}.pods: Forbidden: must populate the given metric source only"),
        ({"metrics": [{"type": "Resource", "resource": {"name": "", "target": SHARE}}]},
         f"{AT}.resource.name: Required value: must specify a resource name"),
        ({"metrics": [{"type": "Pods", "pods": {"metric": {}, "target": AVERAGE}}]},
         f"{AT}.pods.metric.name: Required value: must specify a metric name"),
        (changed(CPU, type="Utilization"),
         f"{AT}.resource.target.averageUtilization: Required value: must set either a target raw "
         "value or a target utilization"),
        (changed(CPU, type="Utilization", averageUtilization=0),
         f"{AT}.resource.target.averageUtilization: Invalid value: 0: must be greater than 0"),
        (changed(CPU, **SHARE, averageValue="1"),
         f"{AT}.resource.target.averageValue: Forbidden: may not set both a target raw value and "
         "a target utilization"),
        (changed(PODS, type="Value", value="1"),
         f"{AT}.pods.target.averageValue: Required value: must specify a positive target "
         "averageValue"),
        (changed(PODS, type="AverageValue", averageValue="-1"),
         f'{AT}.pods.target.averageValue: Invalid value: "-1": must be positive'),
        (changed(OBJECT, type="Value"),
         f"{AT}.object.target.averageValue: Required value: must set either a target value or "
         "averageValue"),
        (changed(EXTERNAL, type="Value", value="1", averageValue="1"),
         f"{AT}.external.target.value: Forbidden: may not set both a target value for metric and a "
         "per-pod target"),
        (changed(EXTERNAL, type="Some", value="1"),
         f'{AT}.external.target.type: Invalid value: "Some": must be either Utilization, Value, or '
         "AverageValue"),
        ({"metrics": [{"type": "ContainerResource",
                       "containerResource": {"name": "cpu", "target": SHARE}}]},
         f"{AT}.containerResource.container: Required value: must specify a container"),
        (rule(stabilizationWindowSeconds=-1),
         f"{UP}.stabilizationWindowSeconds: Invalid value: -1: must be greater than or equal to "
         "zero"),
        (rule(stabilizationWindowSeconds=3601),
         f"{UP}.stabilizationWindowSeconds: Invalid value: 3601: must be less than or equal to "
         "3600"),
        (rule(selectPolicy="Some"),
         f'{UP}.selectPolicy: Unsupported value: "Some": supported values: "Disabled", "Max", '
         '"Min"'),
        (rule(policies=[]),
         f"{UP}.policies: Required value: must specify at least one Policy"),
        (policy(type="Some"),
         f'{UP}.policies[0].type: Unsupported value: "Some": supported values: "Percent", "Pods"'),
        (policy(value=0),
         f"{UP}.policies[0].value: Invalid value: 0: must be greater than zero"),
        (policy(periodSeconds=1801),
         f"{UP}.policies[0].periodSeconds: Invalid value: 1801: must be less than or equal to "
         "1800"),
    ],
)  # fmt: skip
def test_validation(wrong, changes, cause):
    assert wrong(KIND, {"spec": copy.deepcopy({**SPEC, **changes})}) == ([cause] if cause else [])


def current(key, **values):
    return {"type": "", key: {"current": values}}


@pytest.mark.parametrize(
    ("metrics", "measured", "shown"),
    [
        ([CPU], [], "cpu: <unknown>/70%"),
        ([CPU], [current("resource", averageUtilization=50)], "cpu: 50%/70%"),
        ([CONTAINER], [current("containerResource", averageUtilization=50)], "cpu: 50%/70%"),
        ([PODS], [current("pods", averageValue="50m")], "50m/100m"),
        ([OBJECT], [current("object", value="5")], "5/10"),
        ([EXTERNAL], [], "<unknown>/10"),
        ([CPU, PODS, OBJECT, EXTERNAL], [],
         "cpu: <unknown>/70%, <unknown>/100m + 2 more..."),
    ],
)  # fmt: skip
def test_targets(kind_of, made, metrics, measured, shown):
    autoscaler = made(KIND, {"spec": {**SPEC, "metrics": metrics}})
    autoscaler["status"] = {"currentReplicas": 4, "currentMetrics": measured}
    assert kind_of(KIND).cells(autoscaler, 1767323045) == (
        *("web", "Deployment/web", shown, "1", 5, 4, "0s"),
    )


def test_an_average_of_an_object_is_said_to_be_one(kind_of, made):
    metric = copy.deepcopy(EXTERNAL)
    metric["external"]["target"] = AVERAGE
    autoscaler = made(KIND, {"spec": {**SPEC, "metrics": [metric]}})
    assert kind_of(KIND).cells(autoscaler, 0)[2] == "<unknown>/100m (avg)"
