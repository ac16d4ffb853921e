"""ControllerRevisions as values: the template they keep, their names, numbers and surplus.

Upstream: pkg/controller/history and the `getPatch` of both controllers. A revision's data is the
strategic merge patch that puts its template back, so `kubectl rollout undo` sends it as it is.
Names follow from a hash of the template, as a ReplicaSet's does; two templates of one hash
get different names by their owner's collision count.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from controlplane.controllermanager.deployment.template_hash import template_hash
from kubeapi.objects import (
    Object,
    annotations_of,
    deep_copy,
    labels_of,
    name_of,
    namespace_of,
    owner_reference,
)

#: The label of pods that names their revision, and of a DaemonSet's revisions.
HASH: Final = "controller-revision-hash"
#: Upstream's bound on the part of a revision's name that is its owner's.
_STEM_CHARACTERS_MAX: Final = 223
LIMIT_DEFAULT: Final = 10


def snapshot(owner: Object) -> Object:
    """Return the patch that gives *owner* the template that it has now.

    Its keys are sorted and it says what Go's encoder always writes, because kubectl compares it
    octet by octet with what it makes of the live object.
    """
    template: Object = deep_copy(owner["spec"]["template"])
    template.setdefault("metadata", {}).setdefault("creationTimestamp", None)
    template["$patch"] = "replace"
    found: Object = {"spec": {"template": _sorted(template)}}
    return found


def _sorted(value: Object) -> Object:
    return {key: _ordered(value[key]) for key in sorted(value)}


def _ordered(value: object) -> object:
    if isinstance(value, dict):
        return _sorted(value)
    return [_ordered(item) for item in value] if isinstance(value, list) else value


def template_of(revision: Object) -> Object:
    """Return the template that *revision* keeps."""
    template = dict(revision["data"]["spec"]["template"])
    template.pop("$patch", None)
    return template


def new_revision(owner: Object, number: int, collisions: int | None, label: str) -> Object:
    """Return the revision that *owner*'s template would be; *label* is given its hash."""
    suffix = template_hash(owner["spec"]["template"], collisions)
    labels = (owner["spec"]["template"].get("metadata") or {}).get("labels") or {}
    metadata: Object = {
        "name": f"{name_of(owner)[:_STEM_CHARACTERS_MAX]}-{suffix}",
        "namespace": namespace_of(owner),
        "labels": {**labels, label: suffix},
        "ownerReferences": [owner_reference(owner)],
    }
    if annotations := annotations_of(owner):
        metadata["annotations"] = dict(annotations)
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": metadata,
        "data": snapshot(owner),
        "revision": number,
    }


def by_number(revisions: Sequence[Object]) -> list[Object]:
    """Return *revisions*, the oldest first (SortControllerRevisions)."""
    return sorted(revisions, key=lambda one: (number_of(one), _created(one), name_of(one)))


def _created(revision: Object) -> str:
    return str(revision["metadata"].get("creationTimestamp") or "")


def number_of(revision: Object) -> int:
    return int(revision.get("revision") or 0)


def next_number(revisions: Sequence[Object]) -> int:
    return max(map(number_of, revisions), default=0) + 1


def equal(one: Object, other: Object) -> bool:
    """Tell whether two revisions keep the same template."""
    return bool(one["data"] == other["data"])


@dataclass(frozen=True, slots=True)
class Choice:
    """The revision of an owner's template of today, and how it comes to be the newest one."""

    revision: Object
    #: What is to be written: it is new, or has to get a higher number; None: nothing.
    write: Literal["create", "count up"] | None


def choose(owner: Object, revisions: Sequence[Object], label: str) -> Choice:
    """Find the revision of *owner*'s template among *revisions*, or make it.

    Of two with one template the newer is used and the other is left to the history limit
    (upstream's DaemonSet controller relabels pods and deletes it).
    """
    collisions = (owner.get("status") or {}).get("collisionCount")
    wanted = new_revision(owner, 0, collisions, label)
    same = by_number([one for one in revisions if equal(one, wanted)])
    number = next_number([one for one in revisions if not equal(one, wanted)])
    if not same:
        return Choice({**wanted, "revision": number}, "create")
    if number_of(same[-1]) < number:
        return Choice({**same[-1], "revision": number}, "count up")
    return Choice(same[-1], None)


def hash_of(obj: Object) -> str:
    """Return what a pod, or a DaemonSet's revision, says of its revision."""
    return labels_of(obj).get(HASH, "")


def live_names(revisions: Sequence[Object], pods: Sequence[Object]) -> list[str]:
    """Return the names of revisions that pods still are of, by hash."""
    hashes = {hash_of(pod): None for pod in pods}
    return [name_of(one) for one in revisions if hash_of(one) in hashes]


def surplus(old: Sequence[Object], live: Collection[str], limit: int | None) -> list[Object]:
    """Return which of *old* are beyond the limit, the oldest first; *live* ones are in use."""
    wanted = LIMIT_DEFAULT if limit is None else limit
    excess = len(old) - wanted
    if excess <= 0:
        return []
    return [one for one in by_number(old) if name_of(one) not in live][:excess]
