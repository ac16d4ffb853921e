"""Who owns what: `metadata.managedFields`, read and written (upstream: managedfields/internal).

A manager is known by its name, by how it writes (Apply or Update), by the subresource it writes to
and, unless it applies, by the version it writes. Of those that update, only the newest few are
kept apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from kubeapi.apply.field_set import Node, in_order, is_set, union
from kubeapi.objects import Object

APPLY, UPDATE = "Apply", "Update"
#: So many managers that update are kept apart; the oldest become one (DefaultMaxUpdateManagers).
UPDATERS_MAX: Final = 10
_ANCIENT: Final = "ancient-changes"
_FIELDS_V1: Final = "FieldsV1"
#: What the server writes is nobody's (upstream: stripSet).
_SERVERS: Final = (
    "name",
    "namespace",
    "creationTimestamp",
    "selfLink",
    "uid",
    "clusterName",
    "generation",
    "managedFields",
    "resourceVersion",
)


@dataclass(frozen=True, slots=True)
class Manager:
    """Who writes, and how."""

    name: str
    operation: str
    api_version: str = ""  # Of an update: an applier keeps its fields when its version changes.
    subresource: str = ""

    def __str__(self) -> str:
        """Return the manager as conflicts name it."""
        said = f'"{self.name}"'
        if self.subresource:
            said += f' with subresource "{self.subresource}"'
        return f"{said} using {self.api_version}" if self.operation == UPDATE else said


@dataclass(frozen=True, slots=True)
class Owned:
    """What a manager owns, said in a version; the elements of the set are in order."""

    fields: Node
    api_version: str
    time: str = ""


Managers = dict[Manager, Owned]


def without_head(obj: Object | None) -> Object:
    """Return *obj* without what nobody can own; shares the rest with it."""
    if obj is None:
        return {"metadata": {}}
    bare = {name: value for name, value in obj.items() if name not in ("apiVersion", "kind")}
    bare["metadata"] = {n: v for n, v in obj.get("metadata", {}).items() if n not in _SERVERS}
    return bare


def read(entries: object, *, trusted: bool = False) -> Managers | None:
    """Return the managers; None when *entries* say nothing that can be read.

    What this server has written is *trusted*, and not looked through.
    """
    if not isinstance(entries, list) or not entries:
        return None
    found: Managers = {}
    for entry in entries:
        if not trusted and not (isinstance(entry, dict) and _is_readable(entry)):
            return None
        operation, version = entry["operation"], entry["apiVersion"]
        fields = entry.get("fieldsV1") or {}
        manager = Manager(
            entry.get("manager", ""),
            operation,
            "" if operation == APPLY else version,
            entry.get("subresource", ""),
        )
        if fields:
            found[manager] = Owned(fields, version, entry.get("time") or "")
    return found


def _is_readable(entry: Object) -> bool:
    return (
        entry.get("operation") in (APPLY, UPDATE)
        and bool(entry.get("apiVersion"))
        and isinstance(entry["apiVersion"], str)
        and entry.get("fieldsType") == _FIELDS_V1
        and is_set(entry.get("fieldsV1") or {})
    )


def is_reset(entries: object) -> bool:
    """Tell whether a client asks to forget all managers: no entry, or one that is empty."""
    return entries == [] or entries == [{}]


def write(managers: Managers) -> list[Object]:
    """Return the entries, appliers first, then by time and name."""
    entries = [_entry(manager, owned) for manager, owned in managers.items()]
    entries.sort(
        key=lambda entry: (
            entry["operation"],
            entry.get("time", ""),
            entry["manager"],
            entry["apiVersion"],
            entry.get("subresource", ""),
        )
    )
    return entries


def _entry(manager: Manager, owned: Owned) -> Object:
    entry: Object = {
        "manager": manager.name,
        "operation": manager.operation,
        "apiVersion": owned.api_version,
    }
    if owned.time:
        entry["time"] = owned.time
    entry["fieldsType"] = _FIELDS_V1
    entry["fieldsV1"] = owned.fields
    if manager.subresource:
        entry["subresource"] = manager.subresource
    return entry


def capped(managers: Managers) -> Managers:
    """Return *managers* with the oldest that update as one for each version."""
    updaters = [manager for manager in managers if manager.operation == UPDATE]
    surplus = len(updaters) - UPDATERS_MAX
    if surplus <= 0:
        return managers
    updaters.sort(key=lambda manager: (managers[manager].time, manager.name))
    kept = dict(managers)
    first: dict[str, Manager] = {}
    for manager in updaters:
        if surplus <= 0:
            break
        alone = first.setdefault(manager.api_version, manager)
        if alone is not manager:
            _merge_into_bucket(kept, alone, manager)
            surplus -= 1
    return kept


def _merge_into_bucket(kept: Managers, first: Manager, manager: Manager) -> None:
    """Let what *manager* owns be with what the oldest of its version does, in one entry."""
    bucket = Manager(_ANCIENT, UPDATE, manager.api_version)
    owned = kept.pop(manager)
    before = kept.pop(bucket, None) or kept.pop(first)
    fields = union(owned.fields, before.fields)
    assert fields is not None
    kept[bucket] = Owned(in_order(fields), owned.api_version, owned.time)
