"""What to do about one object, given what is known of its owners and dependents.

Upstream: `attemptToDeleteItem` and `attemptToOrphan` in pkg/controller/garbagecollector.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from controlplane.controllermanager.garbagecollector.graph import (
    FOREGROUND,
    ORPHAN,
    Node,
)
from kubeapi.objects import Object


class OwnerState(Enum):
    """How an owner stands."""

    SOLID = "exists"
    WAITING = "is deleted in the foreground and waits for its dependents"
    ABSENT = "does not exist"


@dataclass(frozen=True, slots=True)
class DeleteObject:
    """Nobody owns it any more."""

    propagation: str


@dataclass(frozen=True, slots=True)
class DropOwners:
    """It has an owner that stays: forget those that do not."""

    uids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DropFinalizer:
    """What the finalizer stood for has been done."""

    finalizer: str


@dataclass(frozen=True, slots=True)
class Unblock:
    """Two objects wait for each other: its references stop to block, and it is deleted."""

    propagation: str


@dataclass(frozen=True, slots=True)
class LookAt:
    """It waits for these dependents: look at them."""

    uids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Orphan:
    """Take the owner out of these dependents, then drop the orphan finalizer."""

    dependents: tuple[Node, ...]


Action = DeleteObject | DropOwners | DropFinalizer | Unblock | LookAt | Orphan


def plan(node: Node, owners: Mapping[str, OwnerState], dependents: Sequence[Node]) -> Action | None:
    """Return the next step for *node*; *owners* has the state of each of its owners."""
    if node.leaves_orphans:
        return Orphan(tuple(dependents)) if dependents else DropFinalizer(ORPHAN)
    if node.waits_for_dependents:
        blocking = tuple(one.uid for one in dependents if one.blocks(node.uid))
        return LookAt(blocking) if blocking else DropFinalizer(FOREGROUND)
    if node.leaving or not owners:
        return None
    going = tuple(uid for uid, state in owners.items() if state is not OwnerState.SOLID)
    if len(going) < len(owners):
        return DropOwners(going) if going else None
    if OwnerState.WAITING in owners.values() and dependents:
        if any(one.waits_for_dependents for one in dependents):
            return Unblock("Foreground")
        return DeleteObject("Foreground")
    return DeleteObject(_propagation(node))


def _propagation(node: Node) -> str:
    if ORPHAN in node.finalizers:
        return "Orphan"
    return "Foreground" if FOREGROUND in node.finalizers else "Background"


def drop_owners_patch(node: Node, uids: Sequence[str]) -> Object:
    """Return the strategic merge patch that removes references to *uids* from *node*."""
    gone = [{"$patch": "delete", "uid": uid} for uid in uids]
    return {"metadata": {"uid": node.uid, "ownerReferences": gone}}


def unblock_patch(node: Node) -> Object:
    """Return the strategic merge patch after which *node* blocks no owner's deletion."""
    references = [
        {"uid": owner.uid, "blockOwnerDeletion": False} for owner in node.owners if owner.blocks
    ]
    return {"metadata": {"uid": node.uid, "ownerReferences": references}}


def changed_references(obj: Object, changes: Sequence[Object]) -> list[Object]:
    """Return the owner references of *obj* after a strategic merge patch's *changes* of them."""
    by_uid = {change["uid"]: change for change in changes}
    kept = []
    for reference in obj["metadata"].get("ownerReferences") or ():
        change = by_uid.get(reference["uid"], {})
        if change.get("$patch") != "delete":
            kept.append({**reference, **change})
    return kept


def drop_finalizer_patch(obj: Object, finalizer: str) -> Object:
    """Return the merge patch that takes *finalizer* from *obj* as it was read."""
    kept = [one for one in obj["metadata"].get("finalizers") or () if one != finalizer]
    version = obj["metadata"]["resourceVersion"]
    return {"metadata": {"resourceVersion": version, "finalizers": kept}}
