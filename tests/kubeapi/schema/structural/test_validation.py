"""The words of kube-openapi's validators, and what an update is forgiven."""
# ruff: noqa: E501

from __future__ import annotations

import pytest

from kubeapi.schema.structural import causes_of
from kubeapi.schema.structural.build import build_part


def told(schema, value, *old):
    properties = {"v": schema}
    type_ = build_part({"type": "object", "properties": properties})
    return [str(cause) for cause in causes_of({"v": value}, type_, *({"v": each} for each in old))]


@pytest.mark.parametrize(
    ("schema", "value", "message"),
    [
        ({"type": "string"}, 1, 'Invalid value: "integer": v in body must be of type string: "integer"'),
        ({"type": "integer"}, 1.5, 'Invalid value: "number": v in body must be of type integer: "number"'),
        ({"type": "string"}, None, 'Invalid value: "null": v in body must be of type string: "null"'),
        ({"type": "integer", "minimum": 1}, 0, "Invalid value: 0: v in body should be greater than or equal to 1"),
        ({"type": "number", "maximum": 2.5, "exclusiveMaximum": True}, 2.5, "Invalid value: 2.5: v in body should be less than 2.5"),
        ({"type": "number", "multipleOf": 0.1}, 0.25, "Invalid value: 0.25: v in body should be a multiple of 0.1"),
        ({"type": "string", "minLength": 1}, "", 'Invalid value: "": v in body should be at least 1 chars long'),
        ({"type": "string", "maxLength": 1}, "ab", "Too long: may not be more than 1 bytes"),
        ({"type": "string", "pattern": "^a$"}, "b", "Invalid value: \"b\": v in body should match '^a$'"),
        ({"type": "string", "enum": ["a", "b"]}, "c", 'Unsupported value: "c": supported values: "a", "b"'),
        ({"type": "string", "format": "ipv4"}, "1", 'Invalid value: "1": v in body must be of type ipv4: "1"'),
        ({"type": "array", "items": {"type": "string"}, "minItems": 1}, [], "Invalid value: 0: v in body should have at least 1 items"),
        ({"type": "array", "items": {"type": "string"}, "maxItems": 1}, ["a", "b"], "Too many: 2: must have at most 1 items"),
        ({"type": "object", "maxProperties": 0}, {"a": 1}, "Too many: 1: must have at most 0 items"),
        ({"type": "object", "minProperties": 1}, {}, "Invalid value: 0: v in body should have at least 1 properties"),
        ({"x-kubernetes-int-or-string": True}, [], 'Invalid value: "array": v in body must be of type integer,string: "array"'),
    ],
)  # fmt: skip
def test_one_fault(schema, value, message):
    assert told(schema, value) == [f"v: {message}"]


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "integer"}, 3.0),
        ({"type": "number"}, 3),
        ({"type": "string", "nullable": True}, None),
        ({"type": "string", "format": "no-such-format"}, "x"),
        ({"type": "integer", "format": "int32"}, 1 << 40),
        ({"type": "string", "maxLength": 2}, "äö"),
        ({"x-kubernetes-int-or-string": True}, "50%"),
        ({"type": "number", "multipleOf": 0.1}, 0.3),
    ],
)
def test_no_fault(schema, value):
    assert told(schema, value) == []


def test_what_is_required_is_named_where_it_is_missing():
    item = {"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}}}
    assert told({"type": "array", "items": item}, [{}]) == ["v[0].a: Required value"]
    assert told({"type": "object", "additionalProperties": item}, {"k": {}}) == [
        "v.k.a: Required value"
    ]


@pytest.mark.parametrize(
    ("keyword", "alternatives", "value", "first"),
    [
        ("anyOf", [{"minimum": 5}, {"maximum": 1}], 3, '"v" must validate at least one schema (anyOf)'),
        ("oneOf", [{"minimum": 1}, {"maximum": 5}], 3, '"v" must validate one and only one schema (oneOf). Found 2 valid alternatives'),
        ("oneOf", [{"minimum": 5}, {"maximum": 1}], 3, '"v" must validate one and only one schema (oneOf). Found none valid'),
    ],
)  # fmt: skip
def test_alternatives(keyword, alternatives, value, first):
    found = told({"type": "integer", keyword: alternatives}, value)
    assert found[0] == f'<nil>: Invalid value: "": {first}'
    good = told({"type": "integer", keyword: alternatives}, 7)
    assert good == []


def test_all_of_and_not():
    both = {"type": "integer", "allOf": [{"minimum": 5}, {"maximum": 9}]}
    assert told(both, 7) == []
    assert (
        told(both, 3)[-1] == '<nil>: Invalid value: "": "v" must validate all the schemas (allOf)'
    )
    assert told({"type": "integer", "not": {"minimum": 5}}, 7) == [
        '<nil>: Invalid value: "": "v" must not validate the schema (not)'
    ]


def test_an_update_is_forgiven_what_it_leaves():
    """Upstream: TestRatcheting."""
    number = {"type": "integer", "maximum": 5}
    both = {"type": "object", "properties": {"a": number, "b": {"type": "string"}}}
    assert told(both, {"a": 9, "b": "x"}, {"a": 9, "b": "y"}) == []
    assert told(both, {"a": 8, "b": "x"}, {"a": 9, "b": "x"}) != []
    items = {"type": "object", "properties": {"k": {"type": "string"}, "n": number}}
    named = {
        "type": "array",
        "items": items,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["k"],
    }
    old, new = [{"k": "a", "n": 9}], [{"k": "b", "n": 1}, {"k": "a", "n": 9}]
    assert told(named, new, old) == []
    assert told({"type": "array", "items": items}, new, old) != []


def test_what_is_asked_of_names():
    schema = build_part(
        {
            "type": "object",
            "x-kubernetes-embedded-resource": True,
            "properties": {
                "metadata": {
                    "type": "object",
                    "properties": {"name": {"type": "string", "maxLength": 3}},
                }
            },
        }
    )
    assert [cause.field for cause in causes_of({"metadata": {"name": "long"}}, schema)] == [
        "metadata.name"
    ]
