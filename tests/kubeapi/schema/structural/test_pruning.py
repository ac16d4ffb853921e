"""Upstream: schema/pruning and schema/defaulting, their tables by name; and properties of both."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubeapi.schema.structural import build, fill, prune
from kubeapi.schema.structural.build import build_part
from kubeapi.schema.structural.pruning import prune_part

STRING = {"type": "string"}
KEEP = {"x-kubernetes-preserve-unknown-fields": True}
KNOWN = {"type": "object", "properties": {"a": STRING}}


@pytest.mark.parametrize(
    ("schema", "value", "left", "unknown"),
    [
        ({"type": "object"}, {"a": 1}, {}, ["a"]),
        (KNOWN, {"a": "x", "b": {"a": 1}}, {"a": "x"}, ["b"]),
        ({**KNOWN, **KEEP}, {"a": "x", "b": {"a": 1}}, {"a": "x", "b": {"a": 1}}, []),
        (
            {"type": "object", "properties": {"p": KNOWN}, **KEEP},
            {"p": {"z": 1}, "q": {"z": 1}},
            {"p": {}, "q": {"z": 1}},
            ["p.z"],
        ),
        (
            {"type": "object", "additionalProperties": KNOWN},
            {"x": {"a": "1", "b": 1}},
            {"x": {"a": "1"}},
            ["x.b"],
        ),
        (
            {"type": "object", "additionalProperties": True},
            {"x": 1, "y": {"z": 1}},
            {"x": 1, "y": {}},
            ["y.z"],
        ),
        ({"type": "array", "items": KNOWN}, [{"b": 1}, {"a": "x"}], [{}, {"a": "x"}], ["[0].b"]),
        ({"type": "array", "items": KNOWN, **KEEP}, [{"b": 1}], [{"b": 1}], []),
        ({"x-kubernetes-int-or-string": True}, {"a": 1}, {}, ["a"]),
        (KEEP, {"a": [{"b": 1}]}, {"a": [{"b": 1}]}, []),
    ],
)
def test_prune(schema, value, left, unknown):
    assert prune_part(value, build_part(schema)) == unknown
    assert value == left


def test_metadata_is_pruned_by_its_own_type():
    obj = {
        "apiVersion": "a/v1",
        "kind": "K",
        "metadata": {"name": "n", "what": 1, "labels": None},
        "more": 1,
    }
    assert prune(obj, build({"type": "object"})) == ["metadata.what", "more"]
    assert obj == {"apiVersion": "a/v1", "kind": "K", "metadata": {"name": "n"}}


def test_embedded_objects_keep_their_type_and_metadata():
    schema = build_part({"type": "object", "x-kubernetes-embedded-resource": True, **KNOWN})
    value = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "n", "x": 1}, "b": 1}
    assert prune_part(value, schema) == ["b", "metadata.x"]
    assert value == {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "n"}}


DEFAULTED = {**STRING, "default": "d"}


@pytest.mark.parametrize(
    ("schema", "value", "filled"),
    [
        ({"type": "object", "properties": {"a": DEFAULTED}}, {}, {"a": "d"}),
        ({"type": "object", "properties": {"a": DEFAULTED}}, {"a": "x"}, {"a": "x"}),
        ({"type": "object", "properties": {"a": DEFAULTED}}, {"a": None}, {"a": "d"}),
        (
            {"type": "object", "properties": {"a": {**DEFAULTED, "nullable": True}}},
            {"a": None},
            {"a": None},
        ),
        ({"type": "object", "properties": {"a": STRING}}, {"a": None}, {}),
        (
            {"type": "object", "properties": {"a": {**STRING, "nullable": True}}},
            {"a": None},
            {"a": None},
        ),
        (
            {
                "type": "object",
                "properties": {
                    "a": {"type": "object", "default": {}, "properties": {"b": DEFAULTED}}
                },
            },
            {},
            {"a": {"b": "d"}},
        ),
        (
            {"type": "object", "additionalProperties": {**DEFAULTED}},
            {"x": None, "y": "z"},
            {"x": "d", "y": "z"},
        ),
        ({"type": "array", "items": DEFAULTED}, [None, "x"], ["d", "x"]),
        ({"type": "array", "items": STRING}, [None], [None]),
    ],
)
def test_fill(schema, value, filled):
    fill(value, build_part(schema))
    assert value == filled


names = st.sampled_from(["a", "b", "c"])
values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("xy", max_size=2),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(names, below, max_size=3),
    max_leaves=12,
)


def _schema(below):
    kept = st.just({"type": "object", **KEEP})
    objects = st.dictionaries(names, below, max_size=3).map(
        lambda properties: {"type": "object", "properties": properties}
    )
    maps = below.map(lambda item: {"type": "object", "additionalProperties": item})
    lists = below.map(lambda item: {"type": "array", "items": item})
    return kept | objects | maps | lists


schemas = st.recursive(
    st.sampled_from([STRING, DEFAULTED, {"type": "integer", "nullable": True}, KEEP]),
    _schema,
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(schemas, values)
def test_what_is_pruned_and_filled_stays_as_it_is(schema, value):
    type_ = build_part(schema)
    prune_part(value, type_)
    fill(value, type_)
    again = copy.deepcopy(value)
    assert prune_part(again, type_) == []
    fill(again, type_)
    assert again == value


@settings(max_examples=60, deadline=None)
@given(values)
def test_what_preserves_everything_changes_nothing(value):
    before = copy.deepcopy(value)
    type_ = build_part(KEEP)
    assert prune_part(value, type_) == []
    fill(value, type_)
    assert value == before
