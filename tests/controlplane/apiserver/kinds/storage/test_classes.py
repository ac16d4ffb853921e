"""Upstream's storage/validation tests as rows: classes, attachments, what drivers say."""

from __future__ import annotations

import copy

import pytest

CLASS = {"provisioner": "example.com/x"}
ATTACHMENT = {
    "spec": {
        "attacher": "example.com",
        "nodeName": "n1",
        "source": {"persistentVolumeName": "pv1"},
    }
}
ONE_OF = "must specify exactly one of inlineVolumeSpec and persistentVolumeName"


def attachment(**changes):
    return {"spec": {**ATTACHMENT["spec"], **changes}}


def drivers(**changes):
    return {"spec": {"drivers": [{"name": "example.com", "nodeID": "n1", **changes}]}}


def requests(*rows):
    return {"spec": {"tokenRequests": list(rows)}}


def topology(*expressions):
    return {**CLASS, "allowedTopologies": [{"matchLabelExpressions": list(expressions)}]}


@pytest.mark.parametrize(
    ("kind", "body", "cause"),
    [
        ("StorageClass", CLASS, None),
        ("StorageClass", {**CLASS, "volumeBindingMode": "WaitForFirstConsumer",
                          "reclaimPolicy": "Retain", "parameters": {"a": "b"}}, None),
        ("StorageClass", {}, "provisioner: Required value"),
        ("StorageClass", {**CLASS, "reclaimPolicy": "Recycle"},
         'reclaimPolicy: Unsupported value: "Recycle": supported values: "Delete", "Retain"'),
        ("StorageClass", {**CLASS, "volumeBindingMode": "Later"},
         'volumeBindingMode: Unsupported value: "Later": supported values: "Immediate", '
         '"WaitForFirstConsumer"'),
        ("StorageClass", {**CLASS, "parameters": {"": "a"}},
         'parameters: Invalid value: "": field can not be empty.'),
        ("StorageClass", {**CLASS, "parameters": {f"k{n}": "" for n in range(513)}},
         "parameters: Too long: may not be more than 512 bytes"),
        ("StorageClass", topology({"key": "a", "values": []}),
         "allowedTopologies[0].matchLabelExpressions[0].values: Required value"),
        ("StorageClass", topology({"key": "a", "values": ["b", "b"]}),
         'allowedTopologies[0].matchLabelExpressions[0].values[1]: Duplicate value: "b"'),
        ("StorageClass", topology({"key": "a", "values": ["b"]}, {"key": "a", "values": ["c"]}),
         'allowedTopologies[0].matchLabelExpressions[1].key: Duplicate value: "a"'),
        ("VolumeAttachment", ATTACHMENT, None),
        ("VolumeAttachment", attachment(source={}), f"spec.source: Required value: {ONE_OF}"),
        ("VolumeAttachment", attachment(source={"persistentVolumeName": "a",
                                                "inlineVolumeSpec": {}}),
         f"spec.source: Forbidden: {ONE_OF}"),
        ("VolumeAttachment", attachment(source={"persistentVolumeName": ""}),
         "spec.source.persistentVolumeName: Required value: must specify non empty "
         "persistentVolumeName"),
        ("CSIDriver", {}, None),
        ("CSIDriver", {"spec": {"fsGroupPolicy": "Some"}},
         'spec.fsGroupPolicy: Unsupported value: "Some": supported values: "File", "None", '
         '"ReadWriteOnceWithFSType"'),
        ("CSIDriver", {"spec": {"volumeLifecycleModes": ["Brief"]}},
         'spec.volumeLifecycleModes: Unsupported value: "Brief": supported values: "Persistent", '
         '"Ephemeral"'),
        ("CSIDriver", requests({"audience": "a"}, {"audience": "a"}),
         'spec.tokenRequests[1].audience: Duplicate value: "a"'),
        ("CSIDriver", requests({"audience": "a", "expirationSeconds": 10}),
         "spec.tokenRequests[0].expirationSeconds: Invalid value: 10: may not specify a duration "
         "less than 10 minutes"),
        ("CSINode", drivers(topologyKeys=["a/b"], allocatable={"count": 3}), None),
        ("CSINode", drivers(nodeID=""), "spec.drivers[0].nodeID: Required value"),
        ("CSINode", drivers(nodeID="n" * 257),
         f'spec.drivers[0].nodeID: Invalid value: "{"n" * 257}": must be 256 characters or less'),
        ("CSINode", drivers(allocatable={"count": -1}),
         "spec.drivers[0].allocatable.count: Invalid value: -1: must be greater than or equal to "
         "0"),
        ("CSINode", drivers(topologyKeys=["a", "a"]),
         'spec.drivers[0]: Duplicate value: "a"'),
        ("CSIStorageCapacity", {"storageClassName": "a", "capacity": "1Gi"}, None),
        ("CSIStorageCapacity", {"storageClassName": "a", "capacity": "-1"},
         'capacity: Invalid value: "-1": must be greater than or equal to 0'),
    ],
)  # fmt: skip
def test_validation(wrong, kind, body, cause):
    assert wrong(kind, copy.deepcopy(body)) == ([cause] if cause else [])


@pytest.mark.parametrize(
    ("kind", "body", "changes", "cause"),
    [
        ("StorageClass", CLASS, {"allowVolumeExpansion": True}, None),
        ("StorageClass", CLASS, {"parameters": {"a": "b"}},
         "parameters: Forbidden: updates to parameters are forbidden."),
        ("StorageClass", CLASS, {"provisioner": "other"},
         "provisioner: Forbidden: updates to provisioner are forbidden."),
        ("StorageClass", CLASS, {"reclaimPolicy": "Retain"},
         "reclaimPolicy: Forbidden: updates to reclaimPolicy are forbidden."),
        ("StorageClass", CLASS, {"volumeBindingMode": "WaitForFirstConsumer"},
         'volumeBindingMode: Invalid value: "WaitForFirstConsumer": field is immutable'),
        ("VolumeAttachment", ATTACHMENT, attachment(nodeName="n2"), None),
        ("CSIDriver", {}, {"spec": {"requiresRepublish": True}}, None),
        ("CSIDriver", {}, {"spec": {"attachRequired": False}},
         "spec.attachedRequired: Invalid value: false: field is immutable"),
        ("CSIStorageCapacity", {"storageClassName": "a"}, {"storageClassName": "b"},
         'storageClassName: Invalid value: "b": field is immutable'),
    ],
)  # fmt: skip
def test_what_may_change(made, update, kind, body, changes, cause):
    old = made(kind, copy.deepcopy(body))
    found = update(kind, {**copy.deepcopy(old), **copy.deepcopy(changes)}, old)
    if kind == "VolumeAttachment":
        [message] = found
        assert message.startswith("spec: Invalid value: {")
    else:
        assert found == ([cause] if cause else [])


def test_a_driver_of_a_node_is_for_good(made, update):
    old = made("CSINode", drivers())
    new = made("CSINode", drivers(nodeID="n2"))
    [message] = update("CSINode", new, old)
    assert message.startswith("spec.drivers: Invalid value: {")
    assert update("CSINode", made("CSINode", {"spec": {"drivers": []}}), old) == []


def test_rows(kind_of, made):
    annotations = {"storageclass.kubernetes.io/is-default-class": "true"}
    rows = {
        "StorageClass": (
            {**CLASS, "metadata": {"annotations": annotations}},
            ("web (default)", "example.com/x", "Delete", "Immediate", False, "0s"),
        ),
        "VolumeAttachment": (ATTACHMENT, ("web", "example.com", "pv1", "n1", False, "0s")),
        "CSIDriver": (
            requests({"audience": "a"}, {"audience": "b"}),
            ("web", True, False, False, "a,b", False, "Persistent", "0s"),
        ),
        "CSINode": (drivers(), ("web", 1, "0s")),
        "CSIStorageCapacity": ({"storageClassName": "a", "capacity": "1Gi"}, ("web", "a", "1Gi")),
    }
    for kind, (body, cells) in rows.items():
        assert tuple(kind_of(kind).cells(made(kind, body), 1767323045)) == cells
