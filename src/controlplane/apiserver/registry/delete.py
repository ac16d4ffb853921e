"""What a deletion does first: remove, or mark and wait (upstream: rest.BeforeDelete).

An object with finalizers, or with grace left, gets a deletionTimestamp and lives on until the
last finalizer is gone or its kubelet deletes it with grace 0. Namespaces keep finalizers in their
spec too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from componentbase.clock import rfc3339
from controlplane.apiserver.kinds.kind import Kind
from controlplane.apiserver.registry.options import DeleteOptions
from kubeapi.objects import Object, is_being_deleted, resource_version_of, uid_of
from kubeapi.resources import NAMESPACES
from kubeapi.status import conflict

FOREGROUND: Final = "foregroundDeletion"
ORPHAN: Final = "orphan"
_ENDED: Final = ("Succeeded", "Failed")
_FINALIZER_OF: Final = {"Foreground": FOREGROUND, "Orphan": ORPHAN}


@dataclass(frozen=True, slots=True)
class Remove:
    """Take the object out of the store."""


@dataclass(frozen=True, slots=True)
class Keep:
    """Write *obj*, which waits for its end, in place of the old one; or nothing when unchanged."""

    obj: Object
    changed: bool


def pending_finalizers(kind: Kind, obj: Object) -> list[str]:
    """Return what must be done by somebody before *obj* may go."""
    finalizers = list(obj["metadata"].get("finalizers") or ())
    if kind.resource == NAMESPACES:
        finalizers += (obj.get("spec") or {}).get("finalizers") or ()
    return finalizers


def is_finished(kind: Kind, obj: Object) -> bool:
    """Tell whether an update has made *obj* ready to go."""
    metadata = obj["metadata"]
    return (
        is_being_deleted(obj)
        and not pending_finalizers(kind, obj)
        and not metadata.get("deletionGracePeriodSeconds")
    )


def check_preconditions(kind: Kind, obj: Object, options: DeleteOptions) -> None:
    """Raise StatusError 409 unless *obj* is the one that was meant."""
    name = obj["metadata"]["name"]
    for what, asked, found in (
        ("UID", options.uid, uid_of(obj)),
        ("ResourceVersion", options.resource_version, resource_version_of(obj)),
    ):
        if asked and asked != found:
            why = (
                f"Precondition failed: {what} in precondition: {asked}, "
                f"{what} in object meta: {found}"
            )
            raise conflict(kind.resource, name, why)


def grace_period(kind: Kind, obj: Object, asked: int | None) -> int:
    """Return the seconds that *obj* has to end by itself."""
    if kind.grace_s is None:
        return 0
    if not (obj.get("spec") or {}).get("nodeName"):
        return 0  # No kubelet knows of it.
    if (obj.get("status") or {}).get("phase") in _ENDED:
        return 0
    return kind.grace_s(obj) if asked is None else asked


def plan(kind: Kind, old: Object, options: DeleteOptions, now: float) -> Remove | Keep:
    """Decide what becomes of *old*, a private copy that may be changed."""
    metadata = old["metadata"]
    changed = _set_propagation(kind, metadata, options.propagation)
    grace = grace_period(kind, old, options.grace_s)
    if kind.begin_deletion is not None and not is_being_deleted(old):
        kind.begin_deletion(old, now)
    if is_being_deleted(old):
        left = metadata.get("deletionGracePeriodSeconds") or 0
        if options.grace_s is not None and grace < left:  # Grace is only ever shortened.
            _mark(metadata, grace, now)
            left, changed = grace, True
        finished = left == 0 and not pending_finalizers(kind, old)
        return Remove() if finished else Keep(old, changed)
    if grace == 0 and not pending_finalizers(kind, old):
        return Remove()
    _mark(metadata, grace, now)
    if kind.resource == NAMESPACES:
        old["status"] = {**(old.get("status") or {}), "phase": "Terminating"}
    if "generation" in metadata:
        metadata["generation"] += 1
    return Keep(old, True)


def _mark(metadata: Object, grace: int, now: float) -> None:
    metadata["deletionTimestamp"] = rfc3339(now + grace)
    metadata["deletionGracePeriodSeconds"] = grace


def _set_propagation(kind: Kind, metadata: Object, asked: str) -> bool:
    """Let the finalizers say how dependents are treated; return whether that changed them."""
    policy = asked or kind.default_propagation
    before = list(metadata.get("finalizers") or ())
    if not asked and any(item in before for item in _FINALIZER_OF.values()):
        return False  # An earlier deletion, or the object's author, has decided.
    after = [item for item in before if item not in _FINALIZER_OF.values()]
    if policy in _FINALIZER_OF:
        after.append(_FINALIZER_OF[policy])
    if sorted(after) == sorted(before):
        return False
    if after:
        metadata["finalizers"] = after
    else:
        metadata.pop("finalizers", None)
    return True
