"""What claims, volumes and classes say of one another (upstream: pkg/volume/util, pv_helpers).

The annotations are upstream's; who writes which stands in docs/internals/contracts.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Final

from controlplane.scheduler.node_affinity import Term
from kubeapi.objects import Object, annotations_of, name_of, namespace_of, uid_of
from kubeapi.quantity import parse_quantity

BIND_COMPLETED: Final = "pv.kubernetes.io/bind-completed"
BOUND_BY_CONTROLLER: Final = "pv.kubernetes.io/bound-by-controller"
PROVISIONED_BY: Final = "pv.kubernetes.io/provisioned-by"
SELECTED_NODE: Final = "volume.kubernetes.io/selected-node"
STORAGE_PROVISIONER: Final = "volume.kubernetes.io/storage-provisioner"
#: Another name that provisioners of old still look at.
STORAGE_PROVISIONER_BETA: Final = "volume.beta.kubernetes.io/storage-provisioner"
#: The provisioner of classes whose volumes are made by hand.
NO_PROVISIONER: Final = "kubernetes.io/no-provisioner"
_CLASS_BETA: Final = "volume.beta.kubernetes.io/storage-class"
_YES: Final = "yes"


def class_of(obj: Object) -> str:
    """Return the storage class of a claim or volume; "" for none."""
    beta = annotations_of(obj).get(_CLASS_BETA)
    return beta if beta is not None else str(obj["spec"].get("storageClassName") or "")


def names_no_class(claim: Object) -> bool:
    """Tell whether *claim* leaves its class open; one that names "" wants none."""
    return (
        _CLASS_BETA not in annotations_of(claim) and claim["spec"].get("storageClassName") is None
    )


def size_of(claim: Object) -> Fraction:
    """Return how much *claim* asks for."""
    requests = (claim["spec"].get("resources") or {}).get("requests") or {}
    return parse_quantity(requests.get("storage") or 0)


def capacity_of(volume: Object) -> Fraction:
    return parse_quantity((volume["spec"].get("capacity") or {}).get("storage") or 0)


def volume_name(claim: Object) -> str:
    return str(claim["spec"].get("volumeName") or "")


def phase(obj: Object) -> str:
    return str((obj.get("status") or {}).get("phase") or "Pending")


def is_fully_bound(claim: Object) -> bool:
    """Tell whether the binder has finished with *claim*."""
    return bool(volume_name(claim)) and BIND_COMPLETED in annotations_of(claim)


def is_bound_to(volume: Object, claim: Object) -> bool:
    """Tell whether *volume* names *claim*, or one of its name that is to come."""
    reference = volume["spec"].get("claimRef")
    if not reference:
        return False
    same_name = reference.get("name") == name_of(claim) and (
        reference.get("namespace") or ""
    ) == namespace_of(claim)
    return same_name and reference.get("uid", "") in ("", uid_of(claim))


def delays_binding(storage_class: Object | None) -> bool:
    """Tell whether claims of a class wait for a pod's node."""
    return (storage_class or {}).get("volumeBindingMode") == "WaitForFirstConsumer"


def allows_node(volume: Object, name: str, labels: Mapping[str, str]) -> bool:
    """Tell whether *volume* can be reached from a node."""
    required = (volume["spec"].get("nodeAffinity") or {}).get("required")
    if not required:
        return True
    terms = required.get("nodeSelectorTerms") or ()
    return any(Term.from_object(term).matches(name, labels) for term in terms)


def with_annotations(obj: Object, annotations: Mapping[str, str]) -> Object:
    """Return *obj* with more annotations."""
    merged = {**annotations_of(obj), **annotations}
    return {**obj, "metadata": {**obj["metadata"], "annotations": merged}}


def without_annotation(obj: Object, name: str) -> Object:
    kept = {key: value for key, value in annotations_of(obj).items() if key != name}
    return {**obj, "metadata": {**obj["metadata"], "annotations": kept}}


def claim_reference(claim: Object) -> Object:
    """Return what a volume says of the claim that it is bound to."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "namespace": namespace_of(claim),
        "name": name_of(claim),
        "uid": uid_of(claim),
        "resourceVersion": claim["metadata"].get("resourceVersion", ""),
    }


def given_to(volume: Object, claim: Object) -> Object:
    """Return *volume* bound to *claim*; what the controllers chose is marked as theirs."""
    by_user = bool(volume["spec"].get("claimRef"))
    bound = {**volume, "spec": {**volume["spec"], "claimRef": claim_reference(claim)}}
    return bound if by_user else with_annotations(bound, {BOUND_BY_CONTROLLER: _YES})


def taken(claim: Object, volume: Object) -> Object:
    """Return *claim* bound to *volume*."""
    marks = {BIND_COMPLETED: _YES}
    if not volume_name(claim):
        marks[BOUND_BY_CONTROLLER] = _YES
    spec = {**claim["spec"], "volumeName": name_of(volume)}
    return with_annotations({**claim, "spec": spec}, marks)
