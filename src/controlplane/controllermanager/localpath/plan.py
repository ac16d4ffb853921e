"""The provisioner of classes `podwire.io/local-path`: volumes are directories of one node.

What rancher.io/local-path is to a cluster of kind. The node is the one that the scheduler chose
for the claim's first pod; of a class that binds at once a Ready node is taken by the claim's uid,
as an external provisioner spreads volumes over topologies. The node makes the directory when it
is first mounted, and removes it once the API does not know the volume any more. Nobody measures
how much it holds.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from controlplane.volume.claims import (
    PROVISIONED_BY,
    SELECTED_NODE,
    STORAGE_PROVISIONER,
    claim_reference,
    class_of,
    delays_binding,
    phase,
    volume_name,
)
from kubeapi.objects import (
    Object,
    annotations_of,
    is_being_deleted,
    is_condition_true,
    labels_of,
    name_of,
    namespace_of,
    uid_of,
)

PROVISIONER: Final = "podwire.io/local-path"
#: Where the directories are on their node.
ROOT: Final = "/var/lib/local-path-provisioner"
_HOSTNAME: Final = "kubernetes.io/hostname"
_MODES: Final = ("ReadWriteOnce", "ReadWriteOncePod")


@dataclass(frozen=True, slots=True)
class Provision:
    volume: Object


@dataclass(frozen=True, slots=True)
class Refuse:
    """It cannot be made; *reschedule*: another node might do."""

    why: str
    reschedule: bool = False


def plan(
    claim: Object, storage_class: Object | None, nodes: Mapping[str, Object]
) -> Provision | Refuse | None:
    """Return what is to be done about a claim; None: it is nothing of ours."""
    annotations = annotations_of(claim)
    if annotations.get(STORAGE_PROVISIONER) != PROVISIONER or is_being_deleted(claim):
        return None
    if volume_name(claim) or storage_class is None:
        return None
    if storage_class.get("provisioner") != PROVISIONER:
        return None
    if why := _unfit(claim):
        return Refuse(why)
    chosen = annotations.get(SELECTED_NODE)
    if chosen is None:
        if delays_binding(storage_class):
            return None  # The scheduler has not chosen yet.
        chosen = _anywhere(claim, list(nodes.values()))
        if chosen is None:
            return Refuse("no node is Ready")
    node = nodes.get(chosen)
    if node is None:
        return Refuse(f'node "{chosen}" not found', reschedule=True)
    return Provision(_volume(claim, storage_class, node))


def _unfit(claim: Object) -> str:
    spec = claim["spec"]
    if spec.get("selector"):
        return "claim.Spec.Selector is not supported"
    if any(mode not in _MODES for mode in spec.get("accessModes") or ()):
        return f"only {_MODES[0]} and {_MODES[1]} are supported"
    if (spec.get("volumeMode") or "Filesystem") != "Filesystem":
        return "block volumes are not supported"
    return "data sources are not supported" if spec.get("dataSource") else ""


def _anywhere(claim: Object, nodes: Sequence[Object]) -> str | None:
    ready = sorted(
        name_of(node)
        for node in nodes
        if is_condition_true(node, "Ready") and not (node.get("spec") or {}).get("unschedulable")
    )
    return ready[zlib.crc32(uid_of(claim).encode()) % len(ready)] if ready else None


def _volume(claim: Object, storage_class: Object, node: Object) -> Object:
    name = f"pvc-{uid_of(claim)}"
    requests = (claim["spec"].get("resources") or {}).get("requests") or {}
    host = labels_of(node).get(_HOSTNAME) or name_of(node)
    here = [{"key": _HOSTNAME, "operator": "In", "values": [host]}]
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name, "annotations": {PROVISIONED_BY: PROVISIONER}},
        "spec": {
            "accessModes": claim["spec"].get("accessModes"),
            "capacity": {"storage": requests.get("storage")},
            "claimRef": claim_reference(claim),
            "hostPath": {
                "path": f"{ROOT}/{name}_{namespace_of(claim)}_{name_of(claim)}",
                "type": "DirectoryOrCreate",
            },
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": here}]}},
            "persistentVolumeReclaimPolicy": storage_class.get("reclaimPolicy") or "Delete",
            "storageClassName": class_of(claim),
            "volumeMode": "Filesystem",
        },
    }


def is_to_be_deleted(volume: Object) -> bool:
    """Tell whether one of our volumes has served."""
    return (
        annotations_of(volume).get(PROVISIONED_BY) == PROVISIONER
        and phase(volume) == "Released"
        and volume["spec"].get("persistentVolumeReclaimPolicy") == "Delete"
        and not is_being_deleted(volume)
    )
