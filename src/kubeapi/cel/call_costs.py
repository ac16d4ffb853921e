"""What a call of a function may cost, and how large its result may be.

Upstream: apiserver/pkg/cel/library/cost.go, cel-go's functionCost and ext/sets. A change here
changes which rules a definition may have. Global functions that upstream only recognises with a
receiver (`cidr`, `quantity`, `ip`, …) cost what any call costs, as they do there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from kubeapi.cel.ranges import MOST, NOTHING, ONE, REGEX, TRAVERSAL, Range, fixed
from kubeapi.cel.syntax import Literal, Node
from kubeapi.cel.types import Type


@dataclass(frozen=True, slots=True)
class Operand:
    """What is known of a receiver or an argument."""

    node: Node
    type: Type
    size: Range
    item_size: Range  # of a list's items


@dataclass(frozen=True, slots=True)
class CallCost:
    """What a call costs besides its operands; the result's size where one is known."""

    cost: Range
    size: Range | None = None


_Estimate = Callable[[Operand, Sequence[Operand]], CallCost]

#: Two questions to the authorizer are as much as an expression may ask.
_CHECK_COST: Final = 350_000
_FORMAT_REGEX_MAX: Final = 128  # MaxNameFormatRegexSize
_ADDRESS: Final = Range(4, 16)  # Octets of an address.


def _list_pass(target: Operand, _arguments: Sequence[Operand]) -> CallCost:
    """One look at each item, its text included; or at a text's characters."""
    element = target.type.element
    if element is None:
        return CallCost(target.size.scaled(TRAVERSAL))
    each = ONE
    if element.name in ("string", "bytes"):
        each = ONE + target.item_size.scaled(TRAVERSAL)
    return CallCost(target.size * each)


def _same_size(target: Operand, _arguments: Sequence[Operand]) -> CallCost:
    return CallCost(target.size.scaled(TRAVERSAL), target.size)


def _replace(target: Operand, arguments: Sequence[Operand]) -> CallCost:
    size, before, after = target.size, arguments[0].size, arguments[1].size
    most_kept = most_count = least_kept = least_count = 0
    if before.least == 0:  # An empty text is found around each character.
        most_count, most_kept = min(size.most + 1, MOST), size.most
    elif after.most <= before.least:
        most_kept = size.most
    else:
        most_count = math.ceil(size.most / before.least)
    if before.most == 0:
        least_count, least_kept = min(size.least + 1, MOST), size.least
    elif before.most <= after.least:
        least_kept = size.least
    else:
        least_count = math.ceil(size.least / before.most)
    result = Range(least_count, most_count) * after + Range(least_kept, most_kept)
    return CallCost(size.scaled(2 * TRAVERSAL), result)


def _split(target: Operand, arguments: Sequence[Operand]) -> CallCost:
    most = target.size.most
    limit = arguments[1].node if len(arguments) > 1 else None
    if isinstance(limit, Literal) and isinstance(limit.value, int) and limit.value >= 0:
        most = limit.value
    return CallCost(target.size.scaled(2 * TRAVERSAL), Range(0, most))


def _join(target: Operand, arguments: Sequence[Operand]) -> CallCost:
    size = target.size * target.item_size
    if arguments:
        between = Range(max(target.size.least - 1, 0), max(target.size.most - 1, 0))
        size += arguments[0].size * between
    return CallCost(size.scaled(TRAVERSAL), size)


def _matching(target: Operand, arguments: Sequence[Operand]) -> CallCost:
    text = (target.size + ONE).scaled(TRAVERSAL)
    return CallCost(text * arguments[0].size.scaled(REGEX))


def _finding(target: Operand, arguments: Sequence[Operand]) -> CallCost:
    return CallCost(_matching(target, arguments).cost, Range(0, target.size.most))


def _contains(target: Operand, arguments: Sequence[Operand]) -> CallCost:
    return CallCost(target.size.scaled(TRAVERSAL) * arguments[0].size.scaled(TRAVERSAL))


def _argument_read(_target: Operand, arguments: Sequence[Operand]) -> CallCost:
    return CallCost(arguments[0].size.scaled(TRAVERSAL))


def _format(target: Operand, _arguments: Sequence[Operand]) -> CallCost:
    return CallCost(target.size.scaled(TRAVERSAL))


def _contains_address(_target: Operand, arguments: Sequence[Operand]) -> CallCost:
    return CallCost((_ADDRESS + _ADDRESS).scaled(TRAVERSAL) + _parsed(arguments[0]))


def _contains_network(target: Operand, arguments: Sequence[Operand]) -> CallCost:
    masking = _ADDRESS.scaled(TRAVERSAL) + ONE
    return CallCost(_contains_address(target, arguments).cost + masking)


def _parsed(argument: Operand) -> Range:
    if argument.type.name == "string":
        return argument.size.scaled(TRAVERSAL)
    if argument.type.name == "dyn":
        return Range(0, argument.size.scaled(TRAVERSAL).most)
    return NOTHING


def _validate(_target: Operand, arguments: Sequence[Operand]) -> CallCost:
    return CallCost(arguments[0].size.scaled(TRAVERSAL).scaled(_FORMAT_REGEX_MAX * REGEX))


def _constant(cost: int) -> _Estimate:
    found = CallCost(fixed(cost))
    return lambda _target, _arguments: found


_NOMINAL: Final = (
    *("serviceAccount", "path", "group", "resource", "subresource", "namespace", "name"),
    *("allowed", "reason", "error", "errored"),
    *("masked", "prefixLength", "family", "isUnspecified", "isLoopback"),
    *("isLinkLocalMulticast", "isLinkLocalUnicast", "ip"),
    *("sign", "asInteger", "isInteger", "asApproximateFloat", "isGreaterThan", "isLessThan"),
    *("compareTo", "add", "sub"),
)
#: Functions called on a receiver.
_MEMBERS: Final[Mapping[str, _Estimate]] = {
    **dict.fromkeys(_NOMINAL, _constant(1)),
    "check": _constant(_CHECK_COST),
    **dict.fromkeys(("isSorted", "sum", "max", "min", "indexOf", "lastIndexOf"), _list_pass),
    **dict.fromkeys(("lowerAscii", "upperAscii", "substring", "trim"), _same_size),
    "replace": _replace,
    "split": _split,
    "join": _join,
    "find": _finding,
    "findAll": _finding,
    "matches": _matching,
    "contains": _contains,
    "startsWith": _argument_read,
    "endsWith": _argument_read,
    "format": _format,
    "containsIP": _contains_address,
    "containsCIDR": _contains_network,
    "validate": _validate,
}


def of_member(name: str, target: Operand, arguments: Sequence[Operand]) -> CallCost:
    """Return what `target.name(arguments)` costs besides its operands."""
    estimate = _MEMBERS.get(name)
    return CallCost(ONE) if estimate is None else estimate(target, arguments)


def of_global(name: str, arguments: Sequence[Operand]) -> CallCost:
    """Return what `name(arguments)` costs besides its operands."""
    if len(arguments) == 1:
        return _of_one(name, arguments[0])
    if len(arguments) == 2:
        factor = _SETS.get(name)
        if factor is not None:
            both = arguments[0].size * arguments[1].size
            return CallCost(both.scaled(factor) + ONE)
    return CallCost(ONE)


_SETS: Final = {"sets.contains": 1, "sets.intersects": 1, "sets.equivalent": 2}


def _of_one(name: str, argument: Operand) -> CallCost:
    size, cost = argument.size, argument.size.scaled(TRAVERSAL)
    kind = argument.type.name
    match name:
        case "url":
            return CallCost(cost)
        case "bytes" if kind in ("string", "dyn"):
            found = CallCost(cost, Range(size.least, min(size.most * 4, MOST)))
        case "string" if kind in ("bytes", "dyn"):
            found = CallCost(cost, Range(size.least // 4, size.most))
        case "strings.quote":
            found = CallCost(cost, size * fixed(2) + fixed(2))
        case "dyn":
            return CallCost(ONE, size)
        case _:
            return CallCost(ONE)
    return CallCost(found.cost | ONE, found.size) if kind == "dyn" else found
