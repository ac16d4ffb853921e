"""Upstream's TestValidateDaemonSet, TestDefaultDaemonSet… and TestDaemonSetStrategy as rows."""

from __future__ import annotations

import copy

import pytest

CONTAINER = {"name": "web", "image": "nginx:1.27"}
TEMPLATE = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [CONTAINER]}}
SPEC = {"selector": {"matchLabels": {"app": "web"}}, "template": TEMPLATE}
COUNTED = "deprecated.daemonset.template.generation"
ROLLING = "spec.updateStrategy.rollingUpdate"


def rolling(**shares):
    return {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": shares}}


def test_defaults_and_the_first_status(made):
    daemon_set = made("DaemonSet", {"spec": SPEC, "status": {"numberReady": 9}})
    assert daemon_set["spec"]["updateStrategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0},
    }
    assert daemon_set["spec"]["revisionHistoryLimit"] == 10
    assert set(daemon_set["status"].values()) == {0}
    assert daemon_set["metadata"]["annotations"] == {COUNTED: "1"}


def test_an_update_counts_generations_of_the_template(made, update):
    old = made("DaemonSet", {"spec": SPEC})
    same = {**copy.deepcopy(old), "metadata": {**old["metadata"], "annotations": {"a": "b"}}}
    assert update("DaemonSet", same, old) == []
    assert same["metadata"]["annotations"] == {"a": "b", COUNTED: "1"}
    other = copy.deepcopy(old)
    other["spec"]["template"]["spec"]["containers"][0]["image"] = "nginx:2"
    assert update("DaemonSet", other, old) == []
    assert other["metadata"]["annotations"][COUNTED] == "2"
    assert other["metadata"]["generation"] == 2


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({}, None),
        ({"updateStrategy": {"type": "OnDelete"}}, None),
        (rolling(maxUnavailable=0, maxSurge="10%"), None),
        ({"selector": {}},
         "spec.selector: Invalid value: v1.LabelSelector{MatchLabels:map[string]string(nil), Match"
         "Expressions:[]v1.LabelSelectorRequirement(nil)}: empty selector is invalid for "
         "daemonset"),
        ({"selector": {"matchLabels": {"app": "db"}}},
         'spec.template.metadata.labels: Invalid value: map[string]string{"app":"web"}: `selector` '
         "does not match template `labels`"),
        ({"minReadySeconds": -1},
         "spec.minReadySeconds: Invalid value: -1: must be greater than or equal to 0"),
        ({"revisionHistoryLimit": -1},
         "spec.revisionHistoryLimit: Invalid value: -1: must be greater than or equal to 0"),
        ({"updateStrategy": {"type": "Blue"}},
         'spec.updateStrategy.type: Unsupported value: "Blue": supported values: "RollingUpdate", '
         '"OnDelete"'),
        (rolling(maxUnavailable=0),
         f"{ROLLING}.maxUnavailable: Required value: cannot be 0 when maxSurge is 0"),
        (rolling(maxUnavailable=1, maxSurge=1),
         f"{ROLLING}.maxSurge: Invalid value: 1: may not be set when maxUnavailable is non-zero"),
        (rolling(maxUnavailable="110%"),
         f'{ROLLING}.maxUnavailable: Invalid value: "110%": must not be greater than 100%'),
        ({"template": {**TEMPLATE, "spec": {"containers": [CONTAINER], "restartPolicy": "Never"}}},
         'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: '
         '"Always"'),
        ({"template": {**TEMPLATE,
                       "spec": {"containers": [CONTAINER], "activeDeadlineSeconds": 5}}},
         "spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in DaemonSet "
         "is not Supported"),
    ],
)  # fmt: skip
def test_validation(wrong, change, cause):
    assert wrong("DaemonSet", {"spec": {**SPEC, **change}}) == ([cause] if cause else [])


def test_the_selector_is_for_good(made, update):
    old = made("DaemonSet", {"spec": SPEC})
    new = copy.deepcopy(old)
    new["spec"]["selector"]["matchLabels"] = new["spec"]["template"]["metadata"]["labels"] = {
        "app": "db"
    }
    [message] = update("DaemonSet", new, old)
    assert message.startswith("spec.selector: Invalid value: v1.LabelSelector{")
    assert message.endswith(": field is immutable")


def test_row(kind_of, made):
    daemon_set = made("DaemonSet", {"spec": SPEC})
    daemon_set["spec"]["template"]["spec"]["nodeSelector"] = {"disk": "ssd"}
    daemon_set["status"] = {
        "desiredNumberScheduled": 3,
        "currentNumberScheduled": 2,
        "numberReady": 1,
        "updatedNumberScheduled": 2,
        "numberAvailable": 1,
    }
    assert kind_of("DaemonSet").cells(daemon_set, 1767323045) == (
        *("web", 3, 2, 1, 2, 1, "disk=ssd", "0s", "web", "nginx:1.27", "app=web"),
    )
