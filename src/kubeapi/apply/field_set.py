"""Sets of fields, in the very form of `fieldsV1` (upstream: fieldpath.Set).

A node is a map from path elements (`f:name`, `k:{"name":"web"}`, `v:"text"`) to nodes. A node
without children is a member of the set; one with children is one if it has the key `.`, too. No set
has its root as a member, so None, which stands for what is not in the set, is the empty set.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

Node = Mapping[str, Any]
SELF: Final = "."
MEMBER: Final[Node] = {}


def is_member(node: Node) -> bool:
    """Tell whether the field itself is in the set, not only what is below it."""
    return not node or SELF in node


def make(member: bool, children: dict[str, Any]) -> Node | None:
    """Return the node of a field."""
    if not children:
        return MEMBER if member else None
    if member:
        children[SELF] = MEMBER
    return children


def union(a: Node | None, b: Node | None) -> Node | None:
    """Return what is in either."""
    if a is None or a is b:
        return b
    if b is None:
        return a
    children = {name: node for name, node in a.items() if name != SELF}
    for name, node in b.items():
        if name != SELF:
            children[name] = union(children.get(name), node)
    return make(is_member(a) or is_member(b), children)


def difference(a: Node | None, b: Node | None) -> Node | None:
    """Return what is in *a* and not in *b*, field by field: nothing goes with its parent."""
    if a is None or b is None:
        return a
    children = {}
    for name, node in a.items():
        left = None if name == SELF else difference(node, b.get(name))
        if left is not None:
            children[name] = left
    return make(is_member(a) and not is_member(b), children)


def without(a: Node | None, b: Node | None) -> Node | None:
    """Return what is in *a* and neither in *b* nor below something of *b*."""
    if a is None or b is None:
        return a
    if is_member(b):
        return None
    children = {}
    for name, node in a.items():
        left = None if name == SELF else without(node, b.get(name))
        if left is not None:
            children[name] = left
    return make(is_member(a), children)


def intersection(a: Node | None, b: Node | None) -> Node | None:
    """Return what is in both."""
    if a is None or b is None:
        return None
    children = {}
    for name, node in a.items():
        both = None if name == SELF else intersection(node, b.get(name))
        if both is not None:
            children[name] = both
    return make(is_member(a) and is_member(b), children)


def members(node: Node | None, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the paths in the set, parents first."""
    if node is None:
        return
    if above and is_member(node):
        yield above
    for name in sorted(node):
        if name != SELF:
            yield from members(node[name], (*above, name))


def in_order(node: Node) -> Node:
    """Return the same set with its elements in order, as it is sent."""
    return {name: in_order(node[name]) if node[name] else MEMBER for name in sorted(node)}


def is_set(value: object) -> bool:
    """Tell whether what a client sent is a set: maps of maps alone."""
    return isinstance(value, dict) and all(map(is_set, value.values()))
