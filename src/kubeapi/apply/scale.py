"""Server-side apply of a Scale: one field of another object (upstream: managedfields.ScaleHandler).

Who owns the replicas of the object owns those of its Scale, and what becomes of them there becomes
of them here. Nothing else of the object is in sight.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from kubeapi.apply import managers as managed
from kubeapi.apply.field_set import MEMBER, Node, difference, intersection
from kubeapi.apply.managers import APPLY, Manager, Managers, Owned
from kubeapi.apply.updater import Writer, apply
from kubeapi.objects import Object

_REPLICAS: Final[Node] = {"f:spec": {"f:replicas": MEMBER}}

#: Where each version of a kind has its replicas; empty for one that has no scale.
Paths = Mapping[str, Sequence[str]]


def apply_scale(
    obj: Object, scale: Object, applied: Object, writer: Writer, paths: Paths, *, force: bool
) -> Object:
    """Return *scale*, that of *obj*, as *writer* wants it; note in *obj* whose its replicas are.

    *writer* writes Scales; raises ApplyConflict, InvalidList.
    """
    metadata = obj["metadata"]
    held = managed.read(metadata.get("managedFields"), trusted=True) or {}
    entries = managed.write(_of_scale(held, writer, paths))
    if entries:
        scale = {**scale, "metadata": {**scale["metadata"], "managedFields": entries}}
    new = apply(scale, applied, writer, force=force)
    found = managed.read(new["metadata"].pop("managedFields", None), trusted=True) or {}
    known = _of_object(held, found, obj["apiVersion"], writer, paths)
    metadata.pop("managedFields", None)
    if known:
        metadata["managedFields"] = managed.write(known)
    return new


def _field(path: Sequence[str]) -> Node:
    node: Node = MEMBER
    for name in reversed(path):
        node = {f"f:{name}": node}
    return node


def _in_version(manager: Manager, version: str) -> Manager:
    return replace(manager, api_version="" if manager.operation == APPLY else version)


def _owns(owned: Owned, paths: Paths) -> bool:
    path = paths.get(owned.api_version) or ()
    return bool(path) and intersection(owned.fields, _field(path)) is not None


def _of_scale(held: Managers, writer: Writer, paths: Paths) -> Managers:
    """Return who owns the replicas, as a Scale says it."""
    version = writer.api_version
    return {
        _in_version(manager, version): Owned(_REPLICAS, version, owned.time)
        for manager, owned in held.items()
        if _owns(owned, paths)
    }


def _of_object(
    held: Managers, found: Managers, version: str, writer: Writer, paths: Paths
) -> Managers:
    """Return the managers of the object after those of its Scale have become *found*."""
    left = dict(found)
    known: Managers = {}
    for manager, owned in held.items():
        if owned.api_version not in paths:
            continue  # A version that is not served any more.
        there = _in_version(manager, writer.api_version)
        if not _owns(owned, paths) or left.pop(there, None) is not None:
            known[manager] = owned
        else:
            fields = difference(owned.fields, _field(paths[owned.api_version]))
            if fields is not None:
                known[manager] = replace(owned, fields=fields)
    for manager, owned in left.items():
        if intersection(owned.fields, _REPLICAS) is not None:
            mine = Owned(_field(paths[version]), version, owned.time)
            known[_in_version(manager, version)] = mine
    return known
