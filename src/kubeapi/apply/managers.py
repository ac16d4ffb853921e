"""Who owns what: `metadata.managedFields`, read and written (upstream: managedfields/internal).

A manager is known by its name, by how it writes (Apply or Update), by the subresource it writes to
and, unless it applies, by the version it writes. Of those that update, only the newest few are
kept apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from kubeapi.apply.field_set import Node, in_order, is_set, union
from kubeapi.objects import Object

APPLY, UPDATE = "Apply", "Update"
#: So many managers that update are kept apart; the oldest become one (DefaultMaxUpdateManagers).
UPDATERS_MAX: Final = 10
_ANCIENT: Final = "ancient-changes"
_FIELDS_V1: Final = "FieldsV1"


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
        and isinstance(entry.get("apiVersion"), str)
        and entry.get("fieldsType", _FIELDS_V1) == _FIELDS_V1
        and is_set(entry.get("fieldsV1") or {})
    )


def is_reset(entries: object) -> bool:
    """Tell whether a client asks to forget all managers: one empty entry."""
    return isinstance(entries, list) and len(entries) == 1 and not entries[0]


def write(managers: Managers) -> list[Object]:
    """Return the entries, appliers first, then by time and name."""
    entries = [_entry(manager, owned) for manager, owned in _capped(managers).items()]
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


def _capped(managers: Managers) -> Managers:
    """Return *managers* with the oldest that update as one for each version."""
    updaters = [manager for manager in managers if manager.operation == UPDATE]
    surplus = len(updaters) - UPDATERS_MAX
    if surplus <= 0:
        return managers
    updaters.sort(key=lambda manager: (managers[manager].time, manager.name))
    kept = dict(managers)
    for manager in _oldest(updaters, surplus):
        owned = kept.pop(manager)
        bucket = Manager(_ANCIENT, UPDATE, manager.api_version, manager.subresource)
        before = kept.get(bucket)
        fields = union(owned.fields, None if before is None else before.fields)
        assert fields is not None
        kept[bucket] = Owned(in_order(fields), owned.api_version, owned.time)
    return kept


def _oldest(updaters: Sequence[Manager], surplus: int) -> Sequence[Manager]:
    # The bucket itself counts, so one more has to go where there is none yet.
    merged = updaters[: surplus + 1]
    return merged if len(merged) > 1 else ()
