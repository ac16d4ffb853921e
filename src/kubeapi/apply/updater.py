"""What a write does to the managers of an object (upstream: merge.Updater, managedfields).

`track` follows a write that was made in another way: what it has set belongs to whoever wrote, and
what it has removed belongs to nobody. `apply` makes the write out of what a manager wants, and
refuses to change what another one owns. What the manager applied the last time and has left out
now goes, unless somebody else owns it.

Objects may be known in several versions: a set of fields is said in one of them, and *writer* can
say any object of its kind in each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from kubeapi.apply import last_applied
from kubeapi.apply import managers as managed
from kubeapi.apply.compare import Comparison, compare, fields_of
from kubeapi.apply.conflicts import ApplyConflict
from kubeapi.apply.field_set import MEMBER, Node, difference, in_order, intersection, union, without
from kubeapi.apply.managers import APPLY, UPDATE, Manager, Managers, Owned, without_head
from kubeapi.apply.merge import merge, remove, with_named_fields
from kubeapi.apply.schema_change import reconciled
from kubeapi.objects import Object
from kubeapi.schema import TypeSchema

_BEFORE: Final = "before-first-apply"
#: Having metadata is nobody's either.
_NOBODYS: Final[Node] = {"f:metadata": MEMBER}

#: An object in another version, and that version's type; None for a version there is not.
Converter = Callable[[Object, str], tuple[Object, TypeSchema] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """Who writes, where, and in which version."""

    manager: str
    api_version: str
    schema: TypeSchema
    convert: Converter
    subresource: str = ""
    #: Fields that writes to this subresource do not reach (upstream: resetFields).
    ignored: Node | None = None
    now: str = ""

    def at(self, operation: str) -> Manager:
        version = "" if operation == APPLY else self.api_version
        return Manager(self.manager, operation, version, self.subresource)


def track(old: Object | None, new: Object, writer: Writer) -> None:
    """Note in *new* whom its fields belong to after an update or create; *old* is None for that."""
    asked = new["metadata"].pop("managedFields", None)
    held = {} if old is None else managed.read(_entries(old), trusted=True) or {}
    if not writer.subresource:  # Through a subresource nobody may say who owns what.
        if managed.is_reset(asked):
            return
        held = managed.read(asked) or held
    if old is not None and not held:
        return  # Nobody has ever been tracked: nothing begins now.
    held = _reconciled(held, writer)
    manager = writer.at(UPDATE)
    known = _updated(without_head(old), without_head(new), held, manager, writer)
    if known:
        new["metadata"]["managedFields"] = managed.write(managed.capped(known))


def _entries(live: Object) -> object:
    return live["metadata"].get("managedFields")


def _reconciled(held: Managers, writer: Writer) -> Managers:
    """Return *held* as the writer's type of today has it; built-in types never change."""
    if writer.schema.rules is None:
        return held
    found: Managers = {}
    for manager, owned in held.items():
        fields = owned.fields
        if owned.api_version == writer.api_version:
            fields = reconciled(fields, writer.schema)
        found[manager] = owned if fields is owned.fields else replace(owned, fields=fields)
    return found


def _updated(
    old: Object, new: Object, held: Managers, manager: Manager, writer: Writer
) -> Managers:
    """Return the managers after *manager* has made *new* of *old* by force."""
    known, found = _disowned(old, new, held, None, writer, force=True)
    written = without(found.written, writer.ignored)
    if written is None:
        return known
    before = known.get(manager)
    fields = union(written, None if before is None else before.fields)
    assert fields is not None
    known[manager] = Owned(in_order(fields), writer.api_version, writer.now)
    return known


def _disowned(
    old: Object,
    new: Object,
    held: Managers,
    applier: Manager | None,
    writer: Writer,
    *,
    force: bool,
) -> tuple[Managers, Comparison]:
    """Take from all but *applier* what a write changes; raises ApplyConflict unless by *force*."""
    comparisons: dict[str, Comparison | None] = {}

    def at(version: str) -> Comparison | None:
        if version not in comparisons:
            comparisons[version] = _compared(old, new, version, writer)
        return comparisons[version]

    known: Managers = {}
    conflicts: dict[Manager, Node] = {}
    for manager, owned in held.items():
        found = at(owned.api_version)
        if found is None:
            continue  # A version that is not served any more: what was said in it is forgotten.
        if manager == applier:
            known[manager] = owned
            continue
        taken = intersection(owned.fields, found.written)
        if taken is not None:
            conflicts[manager] = taken
        fields = difference(difference(owned.fields, taken), found.removed)
        if fields is not None:
            same = taken is None and found.removed is None
            known[manager] = owned if same else replace(owned, fields=in_order(fields))
    if conflicts and not force:
        raise ApplyConflict(conflicts)
    own = at(writer.api_version)
    assert own is not None
    return known, own


def _compared(old: Object, new: Object, version: str, writer: Writer) -> Comparison | None:
    if version == writer.api_version:
        found = compare(old, new, writer.schema)
    else:
        own = {"apiVersion": writer.api_version}
        before, after = writer.convert(old | own, version), writer.convert(new | own, version)
        if before is None or after is None:
            return None
        found = compare(without_head(before[0]), without_head(after[0]), before[1])
    ignored = writer.ignored
    return Comparison(
        without(found.removed, ignored),
        without(found.modified, ignored),
        without(found.added, ignored),
    )


def apply(live: Object | None, applied: Object, writer: Writer, *, force: bool) -> Object:
    """Return *live* as *writer* wants it, with its managers; raises ApplyConflict, InvalidList.

    Shares with both what is in neither changed.
    """
    held: Managers = {}
    current = live or {name: applied[name] for name in ("apiVersion", "kind")} | {"metadata": {}}
    if live is not None:
        held = _reconciled(managed.read(_entries(live), trusted=True) or {}, writer)
        if not held:
            before = Manager(_BEFORE, UPDATE, writer.api_version)
            held = _updated(without_head(None), without_head(live), {}, before, writer)
    try:
        new, known = _applied(current, applied, held, writer, force=force)
    except ApplyConflict as conflict:
        if writer.manager != last_applied.KUBECTL or live is None:
            raise
        left = _not_by_client_side_apply(live, conflict, writer)
        if left:
            raise ApplyConflict(left) from None
        new, known = _applied(current, applied, held, writer, force=True)
    metadata = new["metadata"] = {**new["metadata"]}
    if writer.manager == last_applied.KUBECTL:
        last_applied.follow(metadata, applied)
    entries = managed.write(known)
    metadata.pop("managedFields", None)
    if entries:
        metadata["managedFields"] = entries
    return new


def _applied(
    live: Object, applied: Object, held: Managers, writer: Writer, *, force: bool
) -> tuple[Object, Managers]:
    manager, schema = writer.at(APPLY), writer.schema
    own = difference(fields_of(without_head(applied), schema), _NOBODYS)
    own = without(own, writer.ignored)
    merged = merge(live, _reachable(applied, writer), schema)
    last = held.get(manager)
    known = dict(held)
    known.pop(manager, None)
    if own is not None:
        known[manager] = Owned(in_order(own), writer.api_version, writer.now)
    if last is not None:
        merged = _pruned(merged, last, known, writer)
    known, _ = _disowned(
        without_head(live), without_head(merged), known, manager, writer, force=force
    )
    if last is not None and manager in known and last.time and _same(live, merged):
        known[manager] = replace(known[manager], time=last.time)
    return merged, known


def _same(live: Object, merged: Object) -> bool:
    return without_head(live) == without_head(merged)


def _reachable(applied: Object, writer: Writer) -> Object:
    """Return *applied* without what this subresource does not reach."""
    if writer.ignored is None:
        return applied
    left: Object = remove(applied, writer.ignored, writer.schema)
    return left


def _pruned(merged: Object, last: Owned, known: Managers, writer: Writer) -> Object:
    """Take out of *merged* what was applied the last time, and belongs to nobody now."""
    said = _at(merged, last.api_version, writer)
    if said is None:
        return merged
    whole, schema = said
    left = remove(whole, with_named_fields(last.fields, schema), schema)
    versions: dict[str, Node | None] = {last.api_version: None}
    for owned in known.values():
        fields = union(versions.get(owned.api_version), owned.fields)
        versions[owned.api_version] = fields
    for version, fields in versions.items():
        left = _with_owned(whole, left, (last.api_version, version), fields, writer)
    gone = difference(_named(whole, schema), _named(left, schema))
    dangling = intersection(gone, with_named_fields(last.fields, schema))
    pruned = whole if dangling is None else remove(whole, dangling, schema)
    back = _at(pruned, writer.api_version, writer)
    return merged if back is None else back[0]


def _with_owned(
    whole: Object, left: Object, versions: tuple[str, str], fields: Node | None, writer: Writer
) -> Object:
    """Return *left* with what *fields* of a version say, taken from *whole*."""
    own, version = versions
    all_of, rest = _at(whole, version, writer), _at(left, version, writer)
    if all_of is None or rest is None:
        return left
    obj, schema = all_of
    kept = _named(rest[0], schema)
    if fields is not None:
        kept = union(kept, with_named_fields(fields, schema))
    gone = difference(_named(obj, schema), kept)
    back = _at(obj if gone is None else remove(obj, gone, schema), own, writer)
    return left if back is None else back[0]


def _named(obj: Object, schema: TypeSchema) -> Node | None:
    fields = fields_of(obj, schema)
    return None if fields is None else with_named_fields(fields, schema)


def _at(obj: Object, version: str, writer: Writer) -> tuple[Object, TypeSchema] | None:
    """Return *obj* in *version*, with that version's type."""
    if version == writer.api_version == obj["apiVersion"]:
        return obj, writer.schema
    return writer.convert(obj, version)


def _not_by_client_side_apply(
    live: Object, conflict: ApplyConflict, writer: Writer
) -> Mapping[Manager, Node]:
    """Return the conflicts about what kubectl's client-side apply has not set."""
    allowed = last_applied.still_so(live, writer.api_version, writer.schema)
    left = {}
    for manager, fields in conflict.fields.items():
        rest = difference(fields, allowed)
        if rest is not None:
            left[manager] = rest
    return left
