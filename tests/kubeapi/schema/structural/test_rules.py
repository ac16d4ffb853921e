"""Rules in CEL (upstream: schema/cel/validation_test.go, by its parts)."""

from __future__ import annotations

import pytest

from kubeapi.schema.structural.build import build_part
from kubeapi.schema.structural.rule_types import type_of
from kubeapi.schema.structural.rules import RuleSet, WrongRule, blocking, compile_rule
from kubeapi.schema.structural.validation import NOT_THERE
from kubeapi.status import Cause


def told(schema, value, old=NOT_THERE):
    before = NOT_THERE if old is NOT_THERE else {"v": old}
    type_ = build_part({"type": "object", "properties": {"v": schema}})
    return [str(cause) for cause in RuleSet(type_).broken({"v": value}, before)]


def ruled(schema, rule, **more):
    return {**schema, "x-kubernetes-validations": [{"rule": rule, **more}]}


INTEGER, STRING = {"type": "integer"}, {"type": "string"}
MAP = {"type": "object", "additionalProperties": INTEGER}


@pytest.mark.parametrize(
    ("schema", "rule", "good", "bad"),
    [
        (INTEGER, "self > 2", 3, 2),
        ({"type": "number"}, "self == 2.0", 2, 3),
        (STRING, "self.startsWith('a')", "ab", "ba"),
        ({**STRING, "format": "date-time"}, "self > timestamp('2020-01-01T00:00:00Z')",
         "2021-01-01T00:00:00Z", "2019-01-01T00:00:00Z"),
        ({**STRING, "format": "duration"}, "self < duration('1h')", "5m", "2h"),
        ({"type": "array", "items": INTEGER}, "self.all(x, x > 0)", [1], [0]),
        (MAP, "self.all(k, self[k] > 0)", {"a": 1}, {"a": 0}),
        (MAP, "'a' in self", {"a": 1}, {"b": 1}),
        ({"type": "object", "properties": {"a": INTEGER, "b": INTEGER}},
         "!has(self.a) || self.a < self.b", {"a": 1, "b": 2}, {"a": 2, "b": 1}),
        ({"x-kubernetes-int-or-string": True}, "type(self) == string ? self == 'x' : self == 1",
         "x", 2),
    ],
)  # fmt: skip
def test_rules(schema, rule, good, bad):
    assert told(ruled(schema, rule), good) == []
    expected = schema.get("type") or "int-or-string"
    assert told(ruled(schema, rule), bad) == [
        f'v: Invalid value: "{expected}": failed rule: {rule}'
    ]


def test_rules_are_asked_below_and_beside_rules():
    """A type with rules of its own does not hide those in it, nor those of its later siblings."""
    inner = {"type": "object", "properties": {"n": ruled(INTEGER, "self > 2")}}
    outer = {
        "type": "object",
        "properties": {
            "first": ruled(STRING, "self != ''"),
            "items": {"type": "array", "items": inner},
            "map": {"type": "object", "additionalProperties": ruled(inner, "self.n < 9")},
        },
    }
    value = {"first": "", "items": [{"n": 1}], "map": {"a": {"n": 0}, "b": {"n": 9}}}
    places = [each.split(":")[0] for each in told(ruled(outer, "self.first == 'x'"), value)]
    assert places == ["v", "v.first", "v.items[0].n", "v.map[a].n", "v.map[b]"]


def test_messages_reasons_and_paths():
    below = {"type": "object", "properties": {"a": INTEGER}}
    schema = ruled(below, "self.a > 1", message=" too small ", fieldPath=".a")
    assert told(schema, {"a": 1}) == ['v.a: Invalid value: "object": too small']
    schema = ruled(below, "self.a > 1", reason="FieldValueForbidden", message="no")
    assert told(schema, {"a": 1}) == ["v: Forbidden: no"]
    schema = ruled(below, "self.a > 1", messageExpression="'got ' + string(self.a)")
    assert told(schema, {"a": 1}) == ['v: Invalid value: "object": got 1']
    schema = ruled(below, "self.a > 1", messageExpression="''", message="plain")
    assert told(schema, {"a": 1}) == ['v: Invalid value: "object": plain']


def test_transition_rules():
    schema = ruled(INTEGER, "self >= oldSelf")
    assert told(schema, 1) == []
    assert told(schema, 1, 2) == ['v: Invalid value: "integer": failed rule: self >= oldSelf']
    optional = ruled(INTEGER, "oldSelf.hasValue() || self == 0", optionalOldSelf=True)
    assert told(optional, 1) != []
    assert told(optional, 1, 2) == []


def test_elements_are_found_again_by_their_keys():
    item = {"type": "object", "properties": {"k": STRING, "n": INTEGER}}
    item["properties"]["n"] = ruled(INTEGER, "self == oldSelf", message="immutable")
    schema = {
        "type": "array",
        "items": item,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["k"],
    }
    old = [{"k": "a", "n": 1}]
    assert told(schema, [{"k": "b", "n": 5}, {"k": "a", "n": 1}], old) == []
    assert told(schema, [{"k": "a", "n": 2}], old) == [
        'v[0].n: Invalid value: "integer": immutable'
    ]


def test_what_was_so_before_is_forgiven():
    schema = ruled(INTEGER, "self > 5")
    assert told(schema, 1, 1) == []
    assert told(schema, 2, 1) != []


def test_faults_of_an_evaluation_are_told():
    schema = ruled({"type": "array", "items": INTEGER}, "self[3] == 1")
    assert "evaluating rule: self[3] == 1" in told(schema, [1])[0]


def test_a_rule_that_never_ends_is_cut():
    items = {"type": "array", "items": INTEGER}
    schema = ruled(items, "self.all(a, self.all(b, self.all(c, a + b + c >= 0)))")
    assert "cost" in told(schema, list(range(500)))[0]


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ({"rule": "self.nope > 1"}, "undefined field 'nope'"),
        ({"rule": "self.a"}, "must evaluate to a bool"),
        ({"rule": "self.a +"}, "compilation failed"),
        ({"rule": "true", "messageExpression": "1"}, "must evaluate to a string"),
    ],
)
def test_wrong_rules(rule, why):
    type_ = type_of(build_part({"type": "object", "properties": {"a": INTEGER}}))
    with pytest.raises(WrongRule, match=why):
        compile_rule(rule, type_)


def test_types_that_are_wrong_keep_rules_from_being_asked():
    assert blocking([Cause("FieldValueInvalid", "", "")]) == []
    assert "were not checked" in blocking([Cause("FieldValueRequired", "", "")])[0].message
