"""Who controls whom: adoption and release by selector and controllerRef.

Upstream: pkg/controller/controller_ref_manager.go. An object belongs to the one controller that
its ownerReference with `controller: true` names, and the selector decides whether it still
should: a controller adopts matching orphans and releases what no longer matches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from kubeapi.objects import (
    Object,
    controller_of,
    labels_of,
    make_key,
    namespace_of,
    owner_reference,
    uid_of,
)
from kubeapi.selectors import LabelSelector


@dataclass(frozen=True, slots=True)
class Claims:
    """What an owner has, should adopt and should release."""

    mine: tuple[Object, ...]
    adopt: tuple[Object, ...]
    release: tuple[Object, ...]


def key_of_owner(obj: Object, kind: str, find: Callable[[str], Object | None]) -> str | None:
    """Return the key of the *kind* that controls *obj*, if *find* knows one of this uid."""
    controller = controller_of(obj)
    if controller is None or controller["kind"] != kind:
        return None
    key = make_key(namespace_of(obj), controller["name"])
    owner = find(key)
    return key if owner is not None and uid_of(owner) == controller["uid"] else None


def claim(owner: Object, selector: LabelSelector, candidates: Iterable[Object]) -> Claims:
    """Sort *candidates* into what *owner* has, should adopt and should release."""
    mine: list[Object] = []
    adopt: list[Object] = []
    release: list[Object] = []
    owner_leaves = bool(owner["metadata"].get("deletionTimestamp"))
    owner_uid = uid_of(owner)
    for candidate in candidates:
        controller = controller_of(candidate)
        matches = selector.matches(labels_of(candidate))
        if controller is None:
            leaves = candidate["metadata"].get("deletionTimestamp")
            if matches and not leaves and not owner_leaves:
                adopt.append(candidate)
        elif controller["uid"] == owner_uid:
            if matches:
                mine.append(candidate)
            elif not owner_leaves:
                release.append(candidate)
    return Claims(tuple(mine), tuple(adopt), tuple(release))


def adoption_patch(owner: Object, orphan: Object, finalizers: Sequence[str] = ()) -> Object:
    """Return the strategic merge patch that makes *owner* control *orphan*."""
    metadata = {"uid": uid_of(orphan), "ownerReferences": [owner_reference(owner)]}
    return {"metadata": metadata | ({"finalizers": list(finalizers)} if finalizers else {})}


def release_patch(owner: Object, owned: Object, finalizers: Sequence[str] = ()) -> Object:
    """Return the strategic merge patch that ends *owner*'s control over *owned*."""
    gone = {"$patch": "delete", "uid": uid_of(owner)}
    metadata = {"uid": uid_of(owned), "ownerReferences": [gone]}
    if finalizers:
        metadata["$deleteFromPrimitiveList/finalizers"] = list(finalizers)
    return {"metadata": metadata}
