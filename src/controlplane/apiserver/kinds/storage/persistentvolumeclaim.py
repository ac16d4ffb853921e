"""PersistentVolumeClaims: who wants how much storage, as objects (core/v1).

Upstream: ValidatePersistentVolumeClaim. Unlike there, the message about what is for good ends
without a listing of the difference.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from controlplane.apiserver.kinds import cells, metadata, quantities, strategy
from controlplane.apiserver.kinds.kind import Cell, Column, Kind
from controlplane.apiserver.kinds.pod.scheduling import validate_label_selector
from controlplane.apiserver.kinds.storage import volumes
from controlplane.apiserver.kinds.storage.persistentvolume import phase
from kubeapi import field, validation
from kubeapi.objects import Object, name_of
from kubeapi.quantity import parse_quantity
from kubeapi.resources import PERSISTENTVOLUMECLAIMS
from kubeapi.status import Cause

_SIZE: Final = "storage"
_FIXED: Final = (
    "spec is immutable after creation except resources.requests and volumeAttributesClassName for "
    "bound claims"
)
_OF_CORE: Final = "must be 'PersistentVolumeClaim' when referencing the default apiGroup"


def default(claim: Object) -> None:
    """A file system; wait to be bound. The older name of a source is kept in step."""
    spec = claim["spec"] = claim.get("spec") or {}
    spec["volumeMode"] = spec.get("volumeMode") or volumes.FILESYSTEM
    resources = spec.get("resources") or {}
    for key in ("limits", "requests"):
        if resources.get(key):
            resources[key] = quantities.canonicalized(resources[key])
    source, reference = spec.get("dataSource"), spec.get("dataSourceRef")
    if source is not None and reference is None:
        spec["dataSourceRef"] = dict(source)
    elif source is None and reference is not None and not reference.get("namespace"):
        spec["dataSource"] = dict(reference)
    status = claim["status"] = claim.get("status") or {}
    status["phase"] = status.get("phase") or "Pending"


def prepare_create(claim: Object) -> None:
    claim["status"] = {"phase": "Pending"}


def validate(claim: Object) -> list[Cause]:
    return [
        *metadata.validate(claim, validation.dns1123_subdomain),
        *validate_spec(claim["spec"], "spec"),
    ]


def validate_spec(spec: Object, path: str) -> Iterator[Cause]:
    """Judge the spec of a claim, also of a template of claims."""
    modes = spec.get("accessModes") or []
    if not modes:
        yield field.required(f"{path}.accessModes", "at least 1 access mode is required")
    yield from validate_label_selector(spec.get("selector"), f"{path}.selector")
    yield from volumes.validate_access_modes(modes, f"{path}.accessModes")
    size = _size(spec)
    at = f"{path}.resources[{_SIZE}]"
    if size is None:
        yield field.required(at)
    else:
        yield from volumes.validate_size(size, at)
    yield from volumes.validate_class_and_mode(spec, path)
    source, reference = spec.get("dataSource"), spec.get("dataSourceRef")
    for key, given in (("dataSource", source), ("dataSourceRef", reference)):
        if given is not None:
            yield from _validate_source(given, f"{path}.{key}")
    if source is not None and reference is not None:
        yield from _compare_sources(source, reference, path)


def _size(spec: Object) -> str | int | None:
    found: str | int | None = ((spec.get("resources") or {}).get("requests") or {}).get(_SIZE)
    return found


def _validate_source(source: Object, path: str) -> Iterator[Cause]:
    kind, group = source.get("kind") or "", source.get("apiGroup") or ""
    for key in ("name", "kind"):
        if not source.get(key):
            yield field.required(f"{path}.{key}")
    if not group and kind != "PersistentVolumeClaim":
        yield field.invalid(path, kind, _OF_CORE)
    if group:
        yield from validation.validate_name(group, f"{path}.apiGroup", validation.dns1123_subdomain)
    if namespace := source.get("namespace"):
        at = f"{path}.namespace"
        yield from validation.validate_name(namespace, at, validation.dns1123_label)


def _compare_sources(source: Object, reference: Object, path: str) -> Iterator[Cause]:
    if reference.get("namespace"):
        detail = "may not be specified when dataSourceRef.namespace is specified"
        yield field.invalid(path, f"{path}.dataSource", detail)
    elif any(source.get(key) != reference.get(key) for key in ("apiGroup", "kind", "name")):
        yield field.invalid(path, f"{path}.dataSource", "must match dataSourceRef")


def validate_update(new: Object, old: Object) -> list[Cause]:
    after, before = new["spec"], old["spec"]
    causes = [*metadata.validate_update(new, old)]
    bound = (new.get("status") or {}).get("phase") == "Bound"
    if _kept(after, before, bound=bound) != _kept(before, before, bound=bound):
        causes.append(field.forbidden("spec", _FIXED))
    causes += _shrinks(after, before, old.get("status") or {})
    return [*causes, *metadata.immutable(after, before, "volumeMode", "volumeMode")]


def _kept(spec: Object, before: Object, *, bound: bool) -> Object:
    """Return what of *spec* may not change, given what it was before."""
    kept = {key: value for key, value in spec.items() if key != "volumeAttributesClassName"}
    for key in ("volumeName", "storageClassName"):  # May be set once.
        if not before.get(key):
            kept.pop(key, None)
    if bound:
        requests = (kept.get("resources") or {}).get("requests") or {}
        left = {name: number for name, number in requests.items() if name != _SIZE}
        kept["resources"] = {**(kept.get("resources") or {}), "requests": left}
    return kept


def grows(after: Object, before: Object) -> bool:
    """Tell whether a claim asks for more than it did."""
    new, old = _size(after), _size(before)
    return new is not None and old is not None and parse_quantity(new) > parse_quantity(old)


def _shrinks(after: Object, before: Object, status: Object) -> Iterator[Cause]:
    new, old = _size(after), _size(before)
    if new is None or old is None or list(volumes.validate_size(new, "")):
        return
    path, number = "spec.resources.requests.storage", parse_quantity(new)
    if number < parse_quantity(old):
        real = (status.get("capacity") or {}).get(_SIZE) or 0
        if number <= parse_quantity(real):
            yield field.forbidden(path, "field can not be less than status.capacity")


def row(claim: Object, now: float) -> Sequence[Cell]:
    spec, status = claim["spec"], claim.get("status") or {}
    volume = spec.get("volumeName") or ""
    shown = status if volume else {}
    return (
        name_of(claim),
        phase(claim),
        volume,
        str((shown.get("capacity") or {}).get(_SIZE) or ("0" if volume else "")),
        volumes.shown_modes(shown.get("accessModes")),
        volumes.shown_class(claim),
        spec.get("volumeAttributesClassName") or volumes.UNSET,
        cells.age(claim, now),
        spec.get("volumeMode") or volumes.UNSET,
    )


PERSISTENTVOLUMECLAIM: Final = Kind(
    resource=PERSISTENTVOLUMECLAIMS,
    returns_deleted=True,
    singular="persistentvolumeclaim",
    short_names=("pvc",),
    subresources=("status",),
    default=default,
    prepare_create=prepare_create,
    prepare_update=strategy.keep_status,
    prepare_status_update=strategy.keep_spec,
    validate=validate,
    validate_update=validate_update,
    fields=lambda claim: {"name": name_of(claim)},
    columns=(
        cells.NAME,
        Column("Status", description="Whether it is bound."),
        Column("Volume", description="The volume that it is bound to."),
        Column("Capacity", description="How much that holds."),
        Column("Access Modes", description="How that can be mounted."),
        Column("StorageClass", description="The class that it asks for."),
        Column("VolumeAttributesClass", description="The class of attributes it asks for."),
        cells.AGE,
        Column("VolumeMode", priority=1, description="A file system, or a block device."),
    ),
    cells=row,
)
