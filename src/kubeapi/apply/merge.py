"""One object laid over another, and fields taken out of one (upstream: typed.TypedValue)."""

from __future__ import annotations

from typing import Any

from kubeapi.apply import elements
from kubeapi.apply.compare import ABSENT
from kubeapi.apply.elements import FIELD, InvalidList
from kubeapi.apply.field_set import MEMBER, Node, is_member, make
from kubeapi.schema import TypeSchema


def merge(live: Any, applied: Any, schema: TypeSchema) -> Any:
    """Return *live* with what *applied* says; raises InvalidList.

    Null wants nothing of what is in a map or list, and so takes nothing out of one.
    """
    if applied is ABSENT:
        return live
    if elements.is_granular(schema) and _are(dict, live, applied):
        held, wanted = live if type(live) is dict else {}, applied or {}
        return {
            name: merge(held.get(name, ABSENT), wanted.get(name, ABSENT), schema.property(name))
            for name in {**held, **wanted}
        }
    if elements.is_associative(schema) and _are(list, live, applied) and (live or applied):
        return _merge_items(live if type(live) is list else [], applied or [], schema)
    return applied


def _are(kind: type, live: Any, applied: Any) -> bool:
    """Tell whether there is something to merge one by one."""
    return type(applied) is kind or (applied is None and type(live) is kind and bool(live))


def _merge_items(live: list[Any], applied: list[Any], schema: TypeSchema) -> list[Any]:
    """Return the items of both: in the order of *applied*, the others of *live* where they were."""
    theirs, ours = elements.grouped(schema, applied), elements.grouped(schema, live)
    for name, items in theirs.items():
        if len(items) > 1:
            raise InvalidList(f"duplicate entries for key {elements.path_text([name])}")

    def merged(name: str) -> Any:
        held = ours.get(name, [])
        before = held[0] if len(held) == 1 else ABSENT
        return merge(before, theirs[name][0], schema.item)

    out: list[Any] = []
    waiting = list(theirs)
    shared = [name for name in theirs if name in ours]
    for item in live:
        name = elements.element_of(schema, item)
        if name not in theirs:
            out.append(item)
        elif shared and name == shared[0]:
            shared.pop(0)
            end = waiting.index(name) + 1  # What stands before it in *applied* goes before it.
            out += map(merged, waiting[:end])
            del waiting[:end]
    return [*out, *map(merged, waiting)]


def remove(value: Any, fields: Node, schema: TypeSchema) -> Any:
    """Return *value* without *fields*; what is left empty becomes null."""
    if type(value) is dict and elements.is_granular(schema):
        left = {}
        for name, inner in value.items():
            node = fields.get(FIELD + name)
            if node is None:
                left[name] = inner
            elif not is_member(node):
                left[name] = remove(inner, node, schema.property(name))
        return left or (None if value else value)
    if type(value) is list and elements.is_associative(schema):
        kept = []
        for item in value:
            node = fields.get(elements.element_of(schema, item))
            if node is None:
                kept.append(item)
            elif not is_member(node):
                kept.append(remove(item, node, schema.item))
        return kept or (None if value else value)
    return value


def with_named_fields(node: Node, schema: TypeSchema) -> Node:
    """Return the set and every field that the types name on the way (EnsureNamedFieldsAreMembers).

    A struct is owned by whoever owns something in it, as far as leaving it out goes.
    """
    children: dict[str, Any] = {}
    for name, inner in node.items():
        if name == ".":
            continue
        found = with_named_fields(inner, elements.below(schema, name)) if inner else inner
        named = name.startswith(FIELD) and elements.is_named_field(schema, name)
        if named and not is_member(found):
            found = {**found, ".": MEMBER}
        children[name] = found
    made = make(is_member(node), children)
    assert made is not None or not node
    return made or MEMBER
