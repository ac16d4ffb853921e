"""What rules may cost: apiextensions' TestCostEstimation case by case, and cel-go's functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kubeapi import cel
from kubeapi.cel.bounds import Bound
from kubeapi.cel.ranges import MOST, Range
from kubeapi.cel.types import DYN, STRING, list_of, map_of
from kubeapi.schema.structural.bounds import bound_of
from kubeapi.schema.structural.build import build_part
from kubeapi.schema.structural.rule_types import type_of

Schema = dict[str, Any]
Sized = Callable[[dict[str, int], dict[str, int], dict[str, int]], Schema]


def typed(name: str) -> Schema:
    if name in ("duration", "date", "date-time", "byte"):
        return {"type": "string", "format": name}
    return {"x-kubernetes-int-or-string": True} if name == "int-or-string" else {"type": name}


def array(name: str) -> Sized:
    return lambda items, _length, _entries: {"type": "array", "items": typed(name), **items}


def arrays(name: str) -> Sized:
    inner = {"type": "array", "items": {"type": name}}
    return lambda items, _length, _entries: {"type": "array", "items": inner, **items}


def mapping(name: str) -> Sized:
    return lambda _items, _length, entries: map_to(typed(name), entries)


def map_to(item: Schema, entries: dict[str, int]) -> Schema:
    return {"type": "object", "additionalProperties": item, **entries}


def maps_of(item: Schema) -> Sized:
    return lambda _items, _length, entries: map_to(item, entries)


def array_of_maps(name: str) -> Sized:
    item = map_to(typed(name), {})
    return lambda items, _length, _entries: {"type": "array", "items": item, **items}


def text(**more: Any) -> Sized:
    return lambda _items, length, _entries: {"type": "string", **more, **length}


def texts(items: dict[str, int], length: dict[str, int], _entries: dict[str, int]) -> Schema:
    return {"type": "array", "items": {"type": "string", **length}, **items}


def nested(items: dict[str, int], _length: dict[str, int], entries: dict[str, int]) -> Schema:
    inner = map_to({**THING, **entries}, entries)
    return {"type": "array", "items": inner, **items}


def half_nested(_items: Any, _length: Any, entries: dict[str, int]) -> Schema:
    return {"type": "array", "items": map_to(THING, entries)}


def fields(**properties: Any) -> Sized:
    def made(_items: Any, length: dict[str, int], _entries: Any) -> Schema:
        below = {name: {"type": "string", **(own or length)} for name, own in properties.items()}
        return {"type": "object", "properties": below}

    return made


THING: Schema = {
    "type": "object",
    "properties": {"required": {"type": "string"}, "optional": {"type": "string"}},
    "required": ["required"],
}
THINGS: Sized = lambda items, _length, _entries: {"type": "array", "items": THING, **items}  # noqa: E731
STRING_MAP: Sized = lambda _items, length, entries: map_to({"type": "string", **length}, entries)  # noqa: E731
ALL = "self.all(x, true)"
HAS = "has(self.x)"
OVER = -1  # More than a hundred million.

CASES: list[tuple[str, Sized, str, int, int, int]] = [
    ("number array with all", array("number"), ALL, 4718591, 10, 32),
    ("string array with all", array("string"), ALL, 3145727, 20, 62),
    ("boolean array with all", array("boolean"), ALL, 1887437, 5, 17),
    ("array of number arrays with all", arrays("number"), ALL, 3145727, 100, 302),
    ("array of objects with all", THINGS, ALL, 555128, 50, 152),
    ("map of numbers with all", mapping("number"), ALL, 1348169, 10, 32),
    ("map of numbers with has", mapping("number"), HAS, 1, 100, 1),
    ("map of strings with all", mapping("string"), ALL, 1179647, 3, 11),
    ("map of booleans with all", mapping("boolean"), ALL, 943718, 100, 302),
    ("string with contains", text(), "self.contains('test')", 314574, 10, 5),
    ("string with startsWith", text(), "self.startsWith('test')", 2, 15, 2),
    ("string with endsWith", text(), "self.endsWith('test')", 2, 30, 2),
    ("concat string", text(), "size(self + 'hello') > size('hello')", 314578, 4, 7),
    ("index of array with numbers", array("number"), "self[1] == 0.0", 2, 5000, 2),
    ("index of array with strings", array("string"), "self[1] == self[1]", 314577, 8, 314577),
    ("O(n^2) loop", array("number"), "self.all(x, self.all(y, true))", OVER, 10, 352),
    (
        "O(n^3) loop with numbers",
        array("number"),
        "self.all(x, self.all(y, self.all(z, true)))",
        *(OVER, 10, 3552),
    ),
    ("regex matches simple", text(), 'self.matches("x")', 314574, 50, 22),
    ("regex matches empty string", text(), '"".matches("(((((((((())))))))))[0-9]")', 7, 10, 7),
    ("regex matches empty regex", text(), 'self.matches("")', 1, 100, 1),
    (
        "map of strings with value length",
        STRING_MAP,
        "self.all(x, x.contains(self[x]))",
        *(2752507, 10, 72),
    ),
    ("set array maxLength to zero", array("number"), "self[3] == 0.0", 2, 0, 2),
    ("set map maxLength to zero", mapping("number"), "self['x'] == 0.0", 2, 0, 2),
    ("set string maxLength to zero", text(), "self == 'x'", 2, 0, 1),
    ("set bytes maxLength to zero", text(format="byte"), "self == b'x'", 2, 0, 1),
    (
        "set maxLength greater than estimated maxLength",
        array("number"),
        "self.all(x, x == 0.0)",
        *(6291454, 3 * 1024 * 2048, 25165826),
    ),
    (
        "nested types with all supporting maxLength",
        nested,
        'self.all(x, x["y"].required == "z")',
        *(7340027, 10, 72),
    ),
    (
        "nested types with one supporting maxLength",
        half_nested,
        'self.all(x, x["y"].required == "z")',
        *(7340027, 10, 7340027),
    ),
    ("int-or-string array with all", array("int-or-string"), ALL, 4718591, 10, 32),
    ("index of array with int-or-strings", array("int-or-string"), "self[0] == 5", 3, 10, 3),
    ("index of array with booleans", array("boolean"), "self[0] == false", 2, 25, 2),
    ("index of array of objects", THINGS, "self[0] == null", 2, 422, 2),
    ("index of array of array of numbers", arrays("number"), "self[0][0] == -1.0", 3, 51, 3),
    (
        "array of number maps with all",
        array_of_maps("number"),
        "self.all(x, x.y == 25.2)",
        *(6291452, 12, 74),
    ),
    ("index of array of number maps", array_of_maps("number"), "self[0].x > 2.0", 4, 3000, 4),
    ("duration array with all", array("duration"), ALL, 2359295, 5, 17),
    ("index of duration array", array("duration"), "self[0].getHours() == 2", 4, 525, 4),
    ("date array with all", array("date"), ALL, 725936, 15, 47),
    ("index of date array", array("date"), "self[2].getDayOfMonth() == 13", 4, 42, 4),
    ("date-time array with all", array("date-time"), ALL, 428963, 25, 77),
    ("index of date-time array", array("date-time"), "self[2].getMinutes() == 45", 4, 99, 4),
    ("map of int-or-strings with all", mapping("int-or-string"), ALL, 1348169, 15, 47),
    ("map of objects with all", maps_of(THING), ALL, 428963, 20, 62),
    ("map of number maps with all", maps_of(map_to(typed("number"), {})), ALL, 1179647, 10, 32),
    ("map of number arrays", maps_of({"type": "array", "items": THING}), ALL, 1179647, 25, 77),
    ("map of durations with all", mapping("duration"), ALL, 1048577, 5, 17),
    ("map of dates with all", mapping("date"), ALL, 524288, 10, 32),
    ("map of date-times with all", mapping("date-time"), ALL, 349526, 25, 77),
    ("regex find", text(), "self.find('[0-9]+') == ''", 629147, 10, 11),
    ("join", texts, "self.join(' ') == 'aa bb'", 329853068905, 10, 43),
    ("isSorted", texts, "self.isSorted() == true", 329854432052, 10, 52),
    (
        "replace",
        fields(str=None, before={"maxLength": 2}, after={"maxLength": 4}),
        "self.str.replace(self.before, self.after) == 'does not matter'",
        *(629154, 4, 12),
    ),
    (
        "split",
        fields(str=None, separator=None),
        "self.str.split(self.separator) == []",
        *(629160, 10, 22),
    ),
    ("lowerAscii", text(), "self.lowerAscii() == 'lower!'", 314575, 10, 6),
    ("size call", mapping("integer"), "oldSelf.size() == self.size()", 5, 10, 5),
    ("timestamp comparison", mapping("date-time"), "self['a'] == self['b']", 8, 7, 8),
    ("duration comparison", mapping("duration"), "self['c'] == self['d']", 8, 42, 8),
    (
        "enums with maxLength equals to the longest possible value",
        text(enum=["A", "B", "C", "LongValue"]),
        "self.contains('A')",
        *(2, 1000, 401),
    ),
]


def cost_of(schema: Schema, rule: str) -> int:
    built = build_part(schema)
    self_type, bound = type_of(built), bound_of(built)
    assert bound is not None
    return cel.estimate(rule, {"self": self_type, "oldSelf": self_type}, bound)


@pytest.mark.parametrize(
    ("make", "rule", "cost", "size", "sized_cost"),
    [case[1:] for case in CASES],
    ids=[case[0] for case in CASES],
)
def test_cost_estimation(make: Sized, rule: str, cost: int, size: int, sized_cost: int) -> None:
    found = cost_of(make({}, {}, {}), rule)
    assert found == cost if cost != OVER else found > 100_000_000
    sizes = ({"maxItems": size}, {"maxLength": size}, {"maxProperties": size})
    assert cost_of(make(*sizes), rule) == sized_cost


NAMES = Bound(10, 2, element=Bound(20, 2), key=Bound(0, 2))


@pytest.mark.parametrize(
    ("expression", "cost"),
    [
        ("names.exists(x, x == 'a')", 2 + 10 * (4 + 1 + 1)),
        ("names.exists_one(x, x == 'a')", 1 + 2 + 10 * (2 + 2)),
        ("names.filter(x, true)", 12 + 10 * 13),
        ("names.map(x, x)", 12 + 10 * 13),
        ("names.map(x, true, x)", 12 + 10 * 13),
        ("names.map(x, x).map(x, x)", 12 + 130 + 11 + 130),
        ("names.transformMap(i, x, x)", 32 + 10 * 4),
        ("'a' in names", 1 + 10),
        ("'a' in labels", 1 + 1),
        ("true ? 1 : names.size()", 2),
        ("[1, 2, 3]", 10),
        ("{'a': names}", 31),
        ("names + ['a']", 1 + 1 + 10),
        ("names[0] + 'abc'", 2 + 3),
        ("sets.contains(names, ['a', 'b'])", 1 + 10 + 20 + 1),
        ("sets.equivalent(names, ['a', 'b'])", 1 + 10 + 40 + 1),
        ("dyn(names)", 2),
        ("dyn(names) == ['a']", 2 + 10 + 1),
        ("bytes(names[0]).size()", 2 + 2 + 1),
        ("string(b'abc')", 1),
        ("strings.quote(names[0])", 2 + 2),
        ("'%s'.format(names)", 1 + 1),
        ("url('https://a.b/c').getHost()", 2 + 1),
        ("quantity(names[0]).isGreaterThan(quantity('1'))", 2 + 1 + 1 + 1),
        ("cidr('10.0.0.0/8').containsIP('10.1.2.3')", 1 + 4 + 1),
        ("cidr('10.0.0.0/8').containsCIDR('10.1.0.0/16')", 1 + 4 + 2 + 1 + 2),
        ("names[0].split(',', 3).all(x, true)", 2 + 4 + 1 + 3 * 3),
        ("optional.of(names).optMap(n, n.size()).hasValue()", 3 + 16 + 1),
        ("-names.size() < 3 && !(1 > 2)", 2 + 1 + 1 + 1 + 1),
        ("names[?0].orValue('a') < 'b'", 2 + 1 + 1),
        ("labels.all(k, v, v == k)", 2 + 10 * (3 + 2)),
    ],
)
def test_cost_of_an_expression(expression: str, cost: int) -> None:
    variables = {"names": list_of(STRING), "labels": map_of(STRING, STRING), "any": DYN}
    assert cel.estimate(expression, variables, NAMES) == cost


def test_costs_end_at_the_largest_number() -> None:
    assert Range(0, MOST) * Range(2, 2) + Range(1, 1) == Range(1, MOST)
    assert Range(3, MOST).scaled(0.5) == Range(2, 2**63)
    assert Range(1, 2) | Range(0, 1) == Range(0, 2)
