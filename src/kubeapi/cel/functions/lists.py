"""Lists and sets (Kubernetes' lists library; cel-go's `ext.Sets`)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Final

from kubeapi.cel.arithmetic import add
from kubeapi.cel.errors import EvaluationError, no_such_overload
from kubeapi.cel.functions import texts
from kubeapi.cel.functions.function import Table, function, whole
from kubeapi.cel.values import Value, compare, contains, equal


def _items(value: Value) -> list[Value]:
    if type(value) is not list:
        raise no_such_overload()
    return value


def _is_sorted(value: Value) -> bool:
    items = _items(value)
    return all(compare(first, second) in (-1, 0) for first, second in itertools.pairwise(items))


def _sum(value: Value) -> Value:
    items = _items(value)
    if not items:
        return 0
    total = items[0]
    if isinstance(total, str | bytes | list):
        raise no_such_overload()
    for item in items[1:]:
        total = add(total, item)
    return total


def _extreme(value: Value, sign: int, name: str) -> Value:
    items = _items(value)
    if not items:
        raise EvaluationError(f"{name} called on empty list")
    best = items[0]
    for item in items[1:]:
        if compare(item, best) == sign:
            best = item
    return best


def _min(value: Value) -> Value:
    return _extreme(value, -1, "min")


def _max(value: Value) -> Value:
    return _extreme(value, 1, "max")


def _index_of(value: Value, wanted: Value, offset: Value = 0) -> int:
    if type(value) is str:
        return texts.index_of(value, wanted, offset)
    return next((at for at, item in enumerate(_items(value)) if equal(item, wanted)), -1)


def _last_index_of(value: Value, wanted: Value, offset: Value = None) -> int:
    if type(value) is str:
        return texts.last_index_of(value, wanted, offset)
    items = _items(value)
    return next((at for at in range(len(items) - 1, -1, -1) if equal(items[at], wanted)), -1)


def _product(arguments: Sequence[Value]) -> int:
    return whole(arguments) * whole(arguments[1:])


def _sets_contains(items: Value, wanted: Value) -> bool:
    return all(contains(_items(items), each) for each in _items(wanted))


def _sets_equivalent(left: Value, right: Value) -> bool:
    return _sets_contains(left, right) and _sets_contains(right, left)


def _sets_intersects(left: Value, right: Value) -> bool:
    return any(contains(_items(left), each) for each in _items(right))


GLOBAL: Final[Table] = {
    "sets.contains": function(_sets_contains, "list, list -> bool", cost=_product),
    "sets.equivalent": function(_sets_equivalent, "list, list -> bool", cost=_product),
    "sets.intersects": function(_sets_intersects, "list, list -> bool", cost=_product),
}
MEMBER: Final[Table] = {
    "isSorted": function(_is_sorted, "list -> bool", cost=whole),
    "sum": function(_sum, "list -> dyn", cost=whole),
    "min": function(_min, "list -> dyn", cost=whole),
    "max": function(_max, "list -> dyn", cost=whole),
    "indexOf": function(
        _index_of,
        *("list, dyn -> int", "string, string -> int", "string, string, int -> int"),
        cost=whole,
    ),
    "lastIndexOf": function(
        _last_index_of,
        *("list, dyn -> int", "string, string -> int", "string, string, int -> int"),
        cost=whole,
    ),
}
