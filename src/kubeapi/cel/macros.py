"""Calls that are no calls: `has`, `all`, `map` … (langdef: Macros; cel-go's two-variable ones)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from kubeapi.cel.errors import Issue
from kubeapi.cel.syntax import Call, Comprehension, Ident, Node, OptionalMap, Select

#: Macro → (how many variables, how many arguments it may have).
_FORMS: Final[dict[str, tuple[tuple[int, int], ...]]] = {
    "all": ((1, 2), (2, 3)),
    "exists": ((1, 2), (2, 3)),
    "exists_one": ((1, 2),),
    "existsOne": ((2, 3),),
    "filter": ((1, 2),),
    "map": ((1, 2), (1, 3)),
    "transformList": ((2, 3), (2, 4)),
    "transformMap": ((2, 3), (2, 4)),
    "transformMapEntry": ((2, 3), (2, 4)),
}
#: In these the middle argument says which items are taken at all.
_FILTERING: Final = ("map", "transformList", "transformMap", "transformMapEntry")
_OPTIONAL: Final = ("optMap", "optFlatMap")


def expand(call: Call) -> Node | Issue:
    """Return what a call stands for, itself where it is no macro."""
    if call.target is None:
        return _has(call) if call.name == "has" and len(call.arguments) == 1 else call
    if call.name in _OPTIONAL and len(call.arguments) == 2:
        return _optional(call, call.target)
    for variables, arguments in _FORMS.get(call.name, ()):
        if len(call.arguments) == arguments:
            return _comprehension(call, call.target, variables)
    return call


def _has(call: Call) -> Node | Issue:
    field = call.arguments[0]
    if not isinstance(field, Select) or field.optional:
        return Issue(field.at, "invalid argument to has() macro")
    return Select(call.at, field.operand, field.name, test_only=True)


def _names(nodes: Sequence[Node]) -> tuple[str, ...] | Issue:
    names: list[str] = []
    for node in nodes:
        if not isinstance(node, Ident):
            return Issue(node.at, "argument must be a simple name")
        names.append(node.name)
    return tuple(names)


def _comprehension(call: Call, target: Node, count: int) -> Node | Issue:
    names = _names(call.arguments[:count])
    if isinstance(names, Issue):
        return names
    if len(set(names)) < len(names):
        return Issue(call.arguments[1].at, f"duplicate variable name: {names[0]}")
    rest = call.arguments[count:]
    condition, body = (rest[0], rest[1]) if len(rest) == 2 else (None, rest[0])
    assert condition is None or call.name in _FILTERING
    return Comprehension(call.at, call.name, target, names, condition, body)


def _optional(call: Call, target: Node) -> Node | Issue:
    names = _names(call.arguments[:1])
    if isinstance(names, Issue):
        return names
    return OptionalMap(call.at, target, names[0], call.arguments[1], flat=call.name == "optFlatMap")
