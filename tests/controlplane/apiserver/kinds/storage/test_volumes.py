"""Upstream's TestValidatePersistentVolume…, …Claim… and their updates as rows."""

from __future__ import annotations

import copy

import pytest

HOST_PATH = {"hostPath": {"path": "/data"}}
VOLUME = {"capacity": {"storage": "10Gi"}, "accessModes": ["ReadWriteOnce"], **HOST_PATH}
CLAIM = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "10Gi"}}}
CSI = {"driver": "example.com", "volumeHandle": "v1"}
NODES = {
    "required": {"nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "Exists"}]}]}
}
MODES = '"ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"'


def other(**source):
    return {key: value for key, value in VOLUME.items() if key != "hostPath"} | source


@pytest.mark.parametrize(
    ("spec", "cause"),
    [
        (VOLUME, None),
        (other(csi=CSI), None),
        (other(nfs={"server": "s", "path": "/x"}), None),
        (other(local={"path": "/x"}, nodeAffinity=NODES), None),
        ({**VOLUME, "accessModes": []}, "spec.accessModes: Required value"),
        ({**VOLUME, "accessModes": ["Any"]},
         f'spec.accessModes: Unsupported value: "Any": supported values: {MODES}'),
        ({**VOLUME, "accessModes": ["ReadWriteOncePod", "ReadWriteMany"]},
         "spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access modes"),
        ({**VOLUME, "capacity": {"storage": "10Gi", "memory": "1"}},
         'spec.capacity: Unsupported value: {"storage":"10Gi","memory":"1"}: supported values: '
         '"storage"'),
        ({**VOLUME, "capacity": {"storage": "0"}},
         'spec.capacity[storage]: Invalid value: "0": must be greater than zero'),
        ({**VOLUME, "persistentVolumeReclaimPolicy": "Burn"},
         'spec.persistentVolumeReclaimPolicy: Unsupported value: "Burn": supported values: '
         '"Delete", "Recycle", "Retain"'),
        ({**VOLUME, "hostPath": {"path": "/"}, "persistentVolumeReclaimPolicy": "Recycle"},
         "spec.persistentVolumeReclaimPolicy: Forbidden: may not be 'recycle' for a hostPath mount "
         "of '/'"),
        ({**VOLUME, "hostPath": {"path": "/a/../b"}},
         'spec.hostPath.path: Invalid value: "/a/../b": must not contain \'..\''),
        ({**VOLUME, "csi": CSI}, "spec.csi: Forbidden: may not specify more than 1 volume type"),
        (other(), "spec: Required value: must specify a volume type"),
        (other(csi={**CSI, "volumeHandle": ""}), "spec.csi.volumeHandle: Required value"),
        (other(csi={**CSI, "nodePublishSecretRef": {"name": "a"}}),
         "spec.csi.nodePublishSecretRef.namespace: Required value"),
        (other(nfs={"server": "s", "path": "x"}),
         'spec.nfs.path: Invalid value: "x": must be an absolute path'),
        (other(local={"path": "/x"}),
         "spec.nodeAffinity: Required value: Local volume requires node affinity"),
        (other(glusterfs={"path": "x"}), "spec.glusterfs.endpoints: Required value"),
        ({**VOLUME, "nodeAffinity": {}},
         "spec.nodeAffinity.required: Required value: must specify required node constraints"),
        ({**VOLUME, "volumeMode": "Tape"},
         'spec.volumeMode: Unsupported value: "Tape": supported values: "Block", "Filesystem"'),
    ],
)  # fmt: skip
def test_volumes(wrong, spec, cause):
    found = wrong("PersistentVolume", {"spec": copy.deepcopy(spec)})
    assert found == ([cause] if cause else [])


def test_where_a_volume_is_is_for_good(made, update):
    old = made("PersistentVolume", {"spec": other(csi=CSI)})
    new = copy.deepcopy(old)
    new["spec"]["csi"]["controllerExpandSecretRef"] = {"name": "a", "namespace": "b"}
    new["spec"]["capacity"] = {"storage": "20Gi"}
    assert update("PersistentVolume", new, old) == []
    new["spec"]["csi"]["volumeHandle"] = "v2"
    assert update("PersistentVolume", new, old) == [
        "spec.persistentvolumesource: Forbidden: "
        "spec.persistentvolumesource is immutable after creation"
    ]


SIZE = "spec.resources[storage]"


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({}, None),
        ({"selector": {"matchLabels": {"a": "b"}}, "storageClassName": ""}, None),
        ({"dataSource": {"kind": "PersistentVolumeClaim", "name": "a"}}, None),
        ({"accessModes": []},
         "spec.accessModes: Required value: at least 1 access mode is required"),
        ({"resources": {}}, f"{SIZE}: Required value"),
        ({"resources": {"requests": {"storage": "0"}}},
         f'{SIZE}: Invalid value: "0": must be greater than zero'),
        ({"volumeMode": "Tape"},
         'spec.volumeMode: Unsupported value: "Tape": supported values: "Block", "Filesystem"'),
        ({"selector": {"matchExpressions": [{"key": "a", "operator": "Near"}]}},
         'spec.selector.matchExpressions[0].operator: Invalid value: "Near": not a valid selector '
         "operator"),
        ({"dataSourceRef": {"kind": "PersistentVolumeClaim", "name": "a", "namespace": "b"},
          "dataSource": {"kind": "PersistentVolumeClaim", "name": "a"}},
         'spec: Invalid value: "spec.dataSource": may not be specified when '
         "dataSourceRef.namespace is specified"),
        ({"dataSourceRef": {"kind": "PersistentVolumeClaim", "name": "a"},
          "dataSource": {"kind": "PersistentVolumeClaim", "name": "b"}},
         'spec: Invalid value: "spec.dataSource": must match dataSourceRef'),
    ],
)  # fmt: skip
def test_claims(wrong, changes, cause):
    found = wrong("PersistentVolumeClaim", {"spec": copy.deepcopy({**CLAIM, **changes})})
    assert found == ([cause] if cause else [])


def test_names_of_drivers_and_classes(wrong):
    [message] = wrong("PersistentVolume", {"spec": other(csi={**CSI, "driver": "a b"})})
    assert message.startswith('spec.csi.driver: Invalid value: "a b": a lowercase RFC 1123')
    [message] = wrong("PersistentVolumeClaim", {"spec": {**CLAIM, "storageClassName": "-a"}})
    assert message.startswith('spec.storageClassName: Invalid value: "-a": a lowercase RFC 1123')


def test_the_two_names_of_a_source_are_kept_in_step(made):
    source = {"kind": "PersistentVolumeClaim", "name": "a"}
    spec = made("PersistentVolumeClaim", {"spec": {**CLAIM, "dataSource": source}})["spec"]
    assert spec["dataSourceRef"] == source
    spec = made("PersistentVolumeClaim", {"spec": {**CLAIM, "dataSourceRef": source}})["spec"]
    assert spec["dataSource"] == source


FIXED = (
    "spec: Forbidden: spec is immutable after creation except resources.requests and "
    "volumeAttributesClassName for bound claims"
)


@pytest.mark.parametrize(
    ("phase", "changes", "causes"),
    [
        ("Pending", {"volumeName": "pv1"}, []),
        ("Pending", {"storageClassName": "fast"}, []),
        ("Pending", {"resources": {"requests": {"storage": "20Gi"}}}, [FIXED]),
        ("Bound", {"resources": {"requests": {"storage": "20Gi"}}}, []),
        ("Bound", {"accessModes": ["ReadWriteMany"]}, [FIXED]),
        ("Bound", {"resources": {"requests": {"storage": "5Gi"}}},
         ["spec.resources.requests.storage: Forbidden: field can not be less than "
          "status.capacity"]),
    ],
)  # fmt: skip
def test_what_may_change_of_a_claim(made, update, phase, changes, causes):
    old = made("PersistentVolumeClaim", {"spec": CLAIM})
    old["status"] = {"phase": phase, "capacity": {"storage": "10Gi"}}
    new = copy.deepcopy(old)
    new["spec"].update(changes)
    assert update("PersistentVolumeClaim", new, old) == causes


def test_rows(kind_of, made):
    volume = made("PersistentVolume", {"spec": {
        **VOLUME, "accessModes": ["ReadWriteMany", "ReadWriteOnce"], "storageClassName": "fast",
        "claimRef": {"namespace": "default", "name": "data"},
    }})  # fmt: skip
    assert volume["status"]["lastPhaseTransitionTime"] == "2026-01-02T03:04:05Z"
    assert kind_of("PersistentVolume").cells(volume, 1767323045) == (
        *("web", "10Gi", "RWO,RWX", "Retain", "Pending", "default/data", "fast", "<unset>", ""),
        *("0s", "Filesystem"),
    )
    claim = made("PersistentVolumeClaim", {"spec": CLAIM})
    row = kind_of("PersistentVolumeClaim").cells
    assert row(claim, 1767323045) == (
        *("web", "Pending", "", "", "", "", "<unset>", "0s", "Filesystem"),
    )
    claim["spec"]["volumeName"] = "pv1"
    claim["status"] = {
        "phase": "Bound",
        "capacity": {"storage": "10Gi"},
        "accessModes": ["ReadWriteOnce"],
    }
    assert row(claim, 1767323045)[1:5] == ("Bound", "pv1", "10Gi", "RWO")
    claim["metadata"]["deletionTimestamp"] = "2026-01-02T03:04:05Z"
    assert row(claim, 1767323045)[1] == "Terminating"
