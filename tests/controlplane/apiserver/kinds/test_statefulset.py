"""Upstream's TestValidateStatefulSet, …Update, …Status and the defaults' tests as rows."""

from __future__ import annotations

import copy

import pytest

CONTAINER = {"name": "web", "image": "nginx:1.27"}
TEMPLATE = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [CONTAINER]}}
SPEC = {"selector": {"matchLabels": {"app": "web"}}, "template": TEMPLATE, "serviceName": "web"}
CLAIM = {
    "metadata": {"name": "data"},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
}
RETENTION = "persistentVolumeClaimRetentionPolicy"


def test_defaults(made):
    spec = made("StatefulSet", {"spec": {**SPEC, "volumeClaimTemplates": [CLAIM]}})["spec"]
    assert (spec["replicas"], spec["revisionHistoryLimit"]) == (1, 10)
    assert spec["podManagementPolicy"] == "OrderedReady"
    assert spec["updateStrategy"] == {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}
    assert spec[RETENTION] == {"whenDeleted": "Retain", "whenScaled": "Retain"}
    [claim] = spec["volumeClaimTemplates"]
    assert (claim["apiVersion"], claim["kind"]) == ("v1", "PersistentVolumeClaim")
    assert (claim["spec"]["volumeMode"], claim["status"]) == ("Filesystem", {"phase": "Pending"})


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({}, None),
        ({"podManagementPolicy": "Parallel", "updateStrategy": {"type": "OnDelete"}}, None),
        ({"ordinals": {"start": 2}, RETENTION: {"whenDeleted": "Delete"}}, None),
        ({"podManagementPolicy": "Later"},
         'spec.podManagementPolicy: Invalid value: "Later": must be \'OrderedReady\' or '
         "'Parallel'"),
        ({"updateStrategy": {"type": "Blue"}},
         'spec.updateStrategy: Invalid value: {"type":"Blue"}: must be \'RollingUpdate\' or '
         "'OnDelete'"),
        ({"updateStrategy": {"type": "OnDelete", "rollingUpdate": {"partition": 1}}},
         'spec.updateStrategy.rollingUpdate: Invalid value: {"partition":1}: only allowed for '
         "updateStrategy 'RollingUpdate'"),
        ({"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": -1}}},
         "spec.updateStrategy.rollingUpdate.partition: Invalid value: -1: must be greater than or "
         "equal to 0"),
        ({"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "0%"}}},
         ""),  # It is alpha: dropped before anybody judges it.
        ({RETENTION: {"whenScaled": "Keep"}},
         f'spec.{RETENTION}.whenScaled: Unsupported value: "Keep": supported values: "Retain", '
         '"Delete"'),
        ({"replicas": -1}, "spec.replicas: Invalid value: -1: must be greater than or equal to 0"),
        ({"ordinals": {"start": -2}},
         "spec.ordinals.start: Invalid value: -2: must be greater than or equal to 0"),
        ({"selector": {"matchLabels": {"app": "db"}}},
         'spec.template.metadata.labels: Invalid value: map[string]string{"app":"web"}: `selector` '
         "does not match template `labels`"),
        ({"template": {**TEMPLATE, "spec": {"containers": [CONTAINER],
                                            "restartPolicy": "OnFailure"}}},
         'spec.template.spec.restartPolicy: Unsupported value: "OnFailure": supported values: '
         '"Always"'),
    ],
)  # fmt: skip
def test_validation(wrong, change, cause):
    assert wrong("StatefulSet", {"spec": {**SPEC, **change}}) == ([cause] if cause else [])


def test_its_name_is_a_host_s(wrong):
    [message] = wrong("StatefulSet", {"spec": SPEC}, "web.db")
    assert message == 'metadata.name: Invalid value: "web.db": must not contain dots'


def test_what_may_change(made, update):
    old = made("StatefulSet", {"spec": {**SPEC, "volumeClaimTemplates": [CLAIM]}})
    new = copy.deepcopy(old)
    new["spec"].update(replicas=5, minReadySeconds=3, ordinals={"start": 1})
    new["spec"]["template"]["spec"]["containers"][0]["image"] = "nginx:2"
    assert update("StatefulSet", new, old) == []
    assert new["metadata"]["generation"] == 2
    for key, value in (("serviceName", "db"), ("volumeClaimTemplates", [])):
        new = copy.deepcopy(old)
        new["spec"][key] = value
        assert update("StatefulSet", new, old) == [
            "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', "
            "'ordinals', 'template', 'updateStrategy', 'persistentVolumeClaimRetentionPolicy' and "
            "'minReadySeconds' are forbidden"
        ]


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        ({"replicas": 3, "readyReplicas": 2, "availableReplicas": 1}, None),
        ({"replicas": 1, "readyReplicas": 2},
         "status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas"),
        ({"replicas": 3, "readyReplicas": 1, "availableReplicas": 2},
         "status.availableReplicas: Invalid value: 2: cannot be greater than "
         "status.readyReplicas"),
        ({"replicas": -1}, "status.replicas: Invalid value: -1: must be greater than or equal to"),
    ],
)  # fmt: skip
def test_status(made, update, status, cause):
    old = made("StatefulSet", {"spec": SPEC})
    found = update("StatefulSet", {**copy.deepcopy(old), "status": status}, old, status=True)
    assert not found if cause is None else found[0].startswith(cause)


def test_row_and_scale(kind_of, made):
    stateful_set = made("StatefulSet", {"spec": {**SPEC, "replicas": 3}})
    assert stateful_set["status"] == {"replicas": 0, "availableReplicas": 0}
    row = kind_of("StatefulSet")
    assert row.cells(stateful_set, 1767323045) == ("web", "0/3", "0s", "web", "nginx:1.27")
    assert row.scale_selector(stateful_set) == "app=web"
