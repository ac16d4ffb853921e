"""PersistentVolumes: storage that outlives pods, as objects (core/v1).

Upstream: ValidatePersistentVolume. Unlike there, messages about what is for good end without a
listing of the difference.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from controlplane.apiserver.kinds import cells, metadata, quantities, strategy
from controlplane.apiserver.kinds.kind import Cell, Column, Kind
from controlplane.apiserver.kinds.pod.scheduling import validate_node_terms
from controlplane.apiserver.kinds.storage import volumes
from controlplane.apiserver.kinds.storage.sources import sources_of, validate_sources
from kubeapi import field, validation
from kubeapi.objects import Object, is_being_deleted, name_of
from kubeapi.resources import PERSISTENTVOLUMES
from kubeapi.status import Cause

_RECYCLE: Final = "Recycle"
_RECLAIM_POLICIES: Final = ("Delete", _RECYCLE, "Retain")
_SIZE: Final = "storage"


def default(volume: Object) -> None:
    """Keep what was stored; a file system; wait to be bound."""
    spec = volume["spec"] = volume.get("spec") or {}
    policy = spec.get("persistentVolumeReclaimPolicy")
    spec["persistentVolumeReclaimPolicy"] = policy or "Retain"
    spec["volumeMode"] = spec.get("volumeMode") or volumes.FILESYSTEM
    if (host_path := spec.get("hostPath")) is not None:
        host_path.setdefault("type", "")
    if spec.get("capacity"):
        spec["capacity"] = quantities.canonicalized(spec["capacity"])
    status = volume["status"] = volume.get("status") or {}
    status["phase"] = status.get("phase") or "Pending"


def prepare_create(volume: Object) -> None:
    made = volume["metadata"].get("creationTimestamp")
    since = {"lastPhaseTransitionTime": made} if made else {}
    volume["status"] = {"phase": "Pending", **since}


def validate(volume: Object) -> list[Cause]:
    spec = volume["spec"]
    return [
        *metadata.validate(volume, validation.dns1123_subdomain),
        *_validate_access(spec),
        *_validate_capacity(spec.get("capacity") or {}),
        *_validate_affinity(spec.get("nodeAffinity")),
        *validate_sources(spec, "spec"),
        *_validate_policy(spec),
        *volumes.validate_class_and_mode(spec, "spec"),
    ]


def _validate_access(spec: Object) -> Iterator[Cause]:
    modes = spec.get("accessModes") or []
    if not modes:
        yield field.required("spec.accessModes")
    yield from volumes.validate_access_modes(modes, "spec.accessModes")


def _validate_capacity(capacity: Object) -> Iterator[Cause]:
    path = "spec.capacity"
    if not capacity:
        yield field.required(path)
    if list(capacity) != [_SIZE]:
        yield field.not_supported(path, capacity, (_SIZE,))
    for name, size in capacity.items():
        yield from volumes.validate_size(size, f"{path}[{name}]")


def _validate_affinity(affinity: Object | None) -> Iterator[Cause]:
    if affinity is None:
        return
    path = "spec.nodeAffinity.required"
    if affinity.get("required") is None:
        yield field.required(path, "must specify required node constraints")
    else:
        yield from validate_node_terms(affinity["required"], path)


def _validate_policy(spec: Object) -> Iterator[Cause]:
    path, policy = "spec.persistentVolumeReclaimPolicy", spec["persistentVolumeReclaimPolicy"]
    if policy not in _RECLAIM_POLICIES:
        yield field.not_supported(path, policy, _RECLAIM_POLICIES)
    place = (spec.get("hostPath") or {}).get("path") or ""
    if policy == _RECYCLE and place and not place.strip("/"):
        yield field.forbidden(path, "may not be 'recycle' for a hostPath mount of '/'")


def validate_update(new: Object, old: Object) -> list[Cause]:
    after, before = new["spec"], old["spec"]
    causes = metadata.validate_update(new, old)
    if _fixed(sources_of(after), before) != sources_of(before):
        detail = "spec.persistentvolumesource is immutable after creation"
        causes.append(field.forbidden("spec.persistentvolumesource", detail))
    causes += metadata.immutable(after, before, "volumeMode", "volumeMode")
    if before.get("nodeAffinity") is not None:
        causes += metadata.immutable(after, before, "nodeAffinity", "nodeAffinity")
    return causes


def _fixed(after: Object, before: Object) -> Object:
    """Return the sources without the one thing of them that may be added later."""
    secret, csi = "controllerExpandSecretRef", after.get("csi")
    if csi is None or (before.get("csi") or {}).get(secret) is not None:
        return after
    return {**after, "csi": {key: value for key, value in csi.items() if key != secret}}


def phase(obj: Object) -> str:
    """Return the Status cell of a volume or claim."""
    return "Terminating" if is_being_deleted(obj) else (obj.get("status") or {}).get("phase") or ""


def row(volume: Object, now: float) -> Sequence[Cell]:
    spec, claim = volume["spec"], volume["spec"].get("claimRef")
    return (
        name_of(volume),
        str((spec.get("capacity") or {}).get(_SIZE) or 0),
        volumes.shown_modes(spec.get("accessModes")),
        spec.get("persistentVolumeReclaimPolicy") or "",
        phase(volume),
        f"{claim.get('namespace') or ''}/{claim.get('name') or ''}" if claim else "",
        volumes.shown_class(volume),
        spec.get("volumeAttributesClassName") or volumes.UNSET,
        (volume.get("status") or {}).get("reason") or "",
        cells.age(volume, now),
        spec.get("volumeMode") or volumes.UNSET,
    )


PERSISTENTVOLUME: Final = Kind(
    resource=PERSISTENTVOLUMES,
    returns_deleted=True,
    singular="persistentvolume",
    short_names=("pv",),
    subresources=("status",),
    default=default,
    prepare_create=prepare_create,
    prepare_update=strategy.keep_status,
    prepare_status_update=strategy.keep_spec,
    validate=validate,
    validate_update=validate_update,
    fields=lambda volume: {"name": name_of(volume)},
    columns=(
        cells.NAME,
        Column("Capacity", description="How much it holds."),
        Column("Access Modes", description="How it can be mounted."),
        Column("Reclaim Policy", description="What becomes of it when its claim goes."),
        Column("Status", description="Whether it is bound."),
        Column("Claim", description="The claim that it is bound to."),
        Column("StorageClass", description="The class that it is of."),
        Column("VolumeAttributesClass", description="The class of its attributes."),
        Column("Reason", description="Why it is in its status."),
        cells.AGE,
        Column("VolumeMode", priority=1, description="A file system, or a block device."),
    ),
    cells=row,
)
