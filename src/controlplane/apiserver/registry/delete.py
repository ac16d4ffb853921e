"""What a deletion does first: remove, or mark and wait (upstream: rest.BeforeDelete).

An object with finalizers, or with grace left, gets a deletionTimestamp and lives on until the
last finalizer is gone or its kubelet deletes it with grace 0. Namespaces keep finalizers in their
spec too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from componentbase.clock import parse_rfc3339, rfc3339
from controlplane.apiserver.kinds.kind import Kind
from controlplane.apiserver.registry.options import DeleteOptions
from kubeapi.objects import Object, is_being_deleted, resource_version_of, uid_of
from kubeapi.resources import JOBS, NAMESPACES
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


def warn(kind: Kind, options: DeleteOptions) -> None:
    """Warn who deletes Jobs as kubectl does not, and may not know what becomes of their pods."""
    if kind.resource == JOBS and not options.propagation and not options.warnings:
        options.warnings.append(
            "child pods are preserved by default when jobs are deleted; set "
            "propagationPolicy=Background to remove them or set propagationPolicy=Orphan to "
            "suppress this warning"
        )


def check_preconditions(kind: Kind, obj: Object, options: DeleteOptions) -> None:
    """Raise StatusError 409 unless *obj* is the one that was meant."""
    uid, version = uid_of(obj), resource_version_of(obj)
    why = ""
    if options.uid and options.uid != uid:
        why = (
            f"the UID in the precondition ({options.uid}) does not match the UID in record "
            f"({uid}). The object might have been deleted and then recreated"
        )
    elif options.resource_version and options.resource_version != version:
        why = (
            f"the ResourceVersion in the precondition ({options.resource_version}) does not match "
            f"the ResourceVersion in record ({version}). The object might have been modified"
        )
    if why:
        raise conflict(kind.resource, obj["metadata"]["name"], why)


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
    left = metadata.get("deletionGracePeriodSeconds") or 0
    if is_being_deleted(old) and left and not _shorten(metadata, options.grace_s, now):
        return Keep(old, False)  # It has its time to end, and how it does was said before.
    changed = _set_propagation(kind, metadata, options.propagation)
    if is_being_deleted(old):
        grace = metadata.get("deletionGracePeriodSeconds") or 0
        finished = grace == 0 and not pending_finalizers(kind, old)
        return Remove() if finished else Keep(old, changed or grace != left)
    grace = grace_period(kind, old, options.grace_s)
    if kind.begin_deletion is not None:
        kind.begin_deletion(old, now)
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


def _shorten(metadata: Object, asked: int | None, now: float) -> bool:
    """Let the end come earlier, counted from when it was first asked for; tell whether it does."""
    held = metadata["deletionGracePeriodSeconds"]
    if asked is None or asked >= held:
        return False
    end = parse_rfc3339(metadata["deletionTimestamp"]) - held + asked
    if end < now:  # A second is left for whoever ends it to see that, unless none was wanted.
        end, asked = now, min(asked, 1)
    metadata["deletionTimestamp"] = rfc3339(end)
    metadata["deletionGracePeriodSeconds"] = asked
    return True


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
