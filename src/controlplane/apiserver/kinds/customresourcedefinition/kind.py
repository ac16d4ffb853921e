"""The row of CustomResourceDefinitions, and how they are written (upstream: their strategy)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from componentbase.clock import rfc3339
from controlplane.apiserver.kinds import cells, strategy
from controlplane.apiserver.kinds.customresourcedefinition.shapes import prune_schemas
from controlplane.apiserver.kinds.customresourcedefinition.spec import (
    CLEANUP_FINALIZER,
    open_api_schema,
    versions_of,
)
from controlplane.apiserver.kinds.customresourcedefinition.validation import (
    validate,
    validate_create,
    validate_status,
    validate_update,
)
from controlplane.apiserver.kinds.kind import Cell, Column, Kind, Strategy
from kubeapi.objects import Object, set_condition
from kubeapi.resources import CUSTOMRESOURCEDEFINITIONS

_PENDING: Final = {
    "type": "Terminating",
    "status": "True",
    "reason": "InstanceDeletionPending",
    "message": (
        "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon"
    ),
}
_HTTPS: Final = 443


def default(crd: Object) -> None:
    spec = crd["spec"] = crd.get("spec") or {}
    names = spec["names"] = spec.get("names") or {}
    kind = names.get("kind") or ""
    if not names.get("singular"):
        names["singular"] = kind.lower()
    if not names.get("listKind") and kind:
        names["listKind"] = f"{kind}List"
    conversion = spec.setdefault("conversion", {"strategy": "None"})
    service = ((conversion.get("webhook") or {}).get("clientConfig") or {}).get("service")
    if isinstance(service, dict):
        service.setdefault("port", _HTTPS)
    for version in versions_of(crd):
        prune_schemas(open_api_schema(version))
    _remember_stored(crd)


def _remember_stored(crd: Object) -> None:
    """Let status.storedVersions hold the version that is stored from now on."""
    status = crd["status"] = dict(crd.get("status") or {})
    stored = list(status.get("storedVersions") or ())
    names = [version.get("name") for version in versions_of(crd) if version.get("storage")]
    status["storedVersions"] = [*stored, *(name for name in names[:1] if name not in stored)]


def prepare_create(crd: Object) -> None:
    strategy.begin_generation(crd)
    _remember_stored(crd)


def prepare_update(new: Object, old: Object) -> None:
    strategy.keep_status_and_count(new, old)
    _remember_stored(new)


def prepare_status_update(new: Object, old: Object) -> None:
    strategy.keep_spec(new, old)
    kept = {key: value for key, value in old["metadata"].items() if key != "managedFields"}
    managers = new["metadata"].get("managedFields")
    finalizers = new["metadata"].get("finalizers")
    new["metadata"] = kept if managers is None else {**kept, "managedFields": managers}
    strategy.keep("finalizers", new["metadata"], {"finalizers": finalizers} if finalizers else {})


def begin_deletion(crd: Object, now: float) -> None:
    """Hold *crd* until its objects are gone, and say so."""
    finalizers = crd["metadata"].setdefault("finalizers", [])
    if CLEANUP_FINALIZER not in finalizers:
        finalizers.append(CLEANUP_FINALIZER)
    status = crd.get("status") or {}
    crd["status"] = status
    set_condition(status.setdefault("conditions", []), dict(_PENDING), rfc3339(now))


def row(crd: Object, _now: float) -> Sequence[Cell]:
    metadata = crd["metadata"]
    return metadata.get("name", ""), metadata.get("creationTimestamp", "")


CUSTOMRESOURCEDEFINITION: Final = Kind(
    resource=CUSTOMRESOURCEDEFINITIONS,
    singular="customresourcedefinition",
    short_names=("crd", "crds"),
    categories=("api-extensions",),
    subresources=("status",),
    strategies={"status": Strategy(prepare=prepare_status_update, validate=validate_status)},
    default=default,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    begin_deletion=begin_deletion,
    validate=validate,
    validate_create=validate_create,
    validate_update=validate_update,
    columns=(
        cells.NAME,
        Column("Created At", type="date", description="When the definition was created."),
    ),
    cells=row,
)
