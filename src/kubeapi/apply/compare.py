"""What two objects differ in, and which fields an object has (upstream: typed.Comparison)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from kubeapi.apply import elements
from kubeapi.apply.elements import FIELD
from kubeapi.apply.field_set import MEMBER, SELF, Node, make, union
from kubeapi.schema import TypeSchema
from kubeapi.schema.types import Shape

ABSENT: Final = object()


@dataclass(frozen=True, slots=True)
class Comparison:
    """Fields that are gone, that are others, and that are new."""

    removed: Node | None
    modified: Node | None
    added: Node | None

    @property
    def written(self) -> Node | None:
        """Return what somebody has set."""
        return union(self.modified, self.added)


_ALIKE: Final = Comparison(None, None, None)
_MODIFIED: Final = Comparison(None, MEMBER, None)


def compare(old: Any, new: Any, schema: TypeSchema) -> Comparison:
    """Return how *new* differs from *old*; either may be ABSENT."""
    if old is ABSENT:
        return _ALIKE if new is ABSENT else Comparison(None, None, every_field(new, schema))
    if new is ABSENT:
        return Comparison(every_field(old, schema), None, None)
    if old == new:
        return _ALIKE
    children = _children(old, new, schema)
    if children is None:
        return _MODIFIED
    removed: dict[str, Any] = {}
    modified: dict[str, Any] = {}
    added: dict[str, Any] = {}
    for name, before, after, below in children:
        found = compare(before, after, below)
        for into, node in (
            (removed, found.removed),
            (modified, found.modified),
            (added, found.added),
        ):
            if node is not None:
                into[name] = node
    return Comparison(removed or None, modified or None, added or None)


def every_field(value: Any, schema: TypeSchema) -> Node:
    """Return all that comes or goes with *value*: itself, and what is below it."""
    if not value:
        return MEMBER
    kind = type(value)
    children: dict[str, Any] = {}
    if kind is dict and elements.is_granular(schema):
        below = schema.property
        for name, inner in value.items():
            deep = type(inner) is dict or type(inner) is list
            children[FIELD + name] = every_field(inner, below(name)) if deep else MEMBER
    elif kind is list and elements.is_associative(schema):
        item = schema.item
        for name, items in elements.grouped(schema, value).items():
            # Of what is written twice nobody can own a part.
            children[name] = every_field(items[0], item) if len(items) == 1 else MEMBER
    if children:
        children[SELF] = MEMBER
    return children


def _children(
    old: Any, new: Any, schema: TypeSchema
) -> list[tuple[str, Any, Any, TypeSchema]] | None:
    """Return what to compare one by one; None where the whole is one field.

    What is empty on both sides is one field, so that being empty and being absent differ.
    """
    some = new if old is None else old
    if type(some) is dict and elements.is_granular(schema) and (old or new):
        before, after = _of(old, dict), _of(new, dict)
        if before is None or after is None or not (before or after):
            return None
        return [
            (FIELD + name, before.get(name, ABSENT), after.get(name, ABSENT), schema.property(name))
            for name in {**before, **after}
        ]
    if type(some) is list and elements.is_associative(schema):
        items, others = _of(old, list), _of(new, list)
        if items is None or others is None or not (items or others):
            return None
        return _items(items, others, schema)
    return None


def _of(value: Any, kind: type) -> Any:
    """Return *value*, empty for nothing; None for a value of another kind."""
    if value is None:
        return kind()
    return value if type(value) is kind else None


def _items(
    old: list[Any], new: list[Any], schema: TypeSchema
) -> list[tuple[str, Any, Any, TypeSchema]]:
    before, after = elements.grouped(schema, old), elements.grouped(schema, new)
    found: list[tuple[str, Any, Any, TypeSchema]] = []
    for name in {**before, **after}:
        ours, theirs = before.get(name, []), after.get(name, [])
        one, other = (ours or [ABSENT])[0], (theirs or [ABSENT])[0]
        # Of what is written twice nobody can own a part.
        if len(ours) > 1 and len(theirs) > 1:
            found.append((name, ours, theirs, _WHOLE))
        elif len(ours) > 1:
            found += [(name, ours, ABSENT, _WHOLE), (name, ABSENT, other, schema.item)]
        elif len(theirs) > 1:
            found += [(name, one, ABSENT, schema.item), (name, ABSENT, theirs, _WHOLE)]
        else:
            found.append((name, one, other, schema.item))
    return found


#: The type of what is compared as a whole.
_WHOLE: Final = TypeSchema("", Shape.SCALAR)


def fields_of(value: Any, schema: TypeSchema) -> Node | None:
    """Return the fields that a configuration has an opinion on (upstream: ToFieldSet)."""
    if type(value) is dict and elements.is_granular(schema):
        children: dict[str, Any] = {}
        for name, inner in value.items():
            below = schema.property(name)
            node = fields_of(inner, below)
            own = not elements.is_named_field(schema, FIELD + name)
            if own or inner is None or inner == {}:
                node = union(node, MEMBER)
            if node is not None:
                children[FIELD + name] = node
        return make(False, children)
    if type(value) is list and elements.is_associative(schema):
        children = {}
        for name, items in elements.grouped(schema, value).items():
            below_it = fields_of(items[0], schema.item) if len(items) == 1 else None
            children[name] = union(below_it, MEMBER)
        return make(False, children)
    return None if value is None and not _is_leaf(schema) else MEMBER


def _is_leaf(schema: TypeSchema) -> bool:
    return not (elements.is_granular(schema) or elements.is_associative(schema))
