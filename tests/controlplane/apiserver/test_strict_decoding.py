"""Strict decoding's words (sigs.k8s.io/json, go-yaml)."""

from __future__ import annotations

import json

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from controlplane.apiserver.strict_decoding import (
    FINDINGS_MAX,
    in_json,
    in_yaml,
    may_repeat,
)
from kubeapi.schema import schema_for

DEPLOYMENT = schema_for("apps/v1", "Deployment")
CONFIGMAP = schema_for("v1", "ConfigMap")


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ('{"metadata":{"name":"a","name":"b"}}', ['duplicate field "metadata.name"']),
        ('{"data":{"x":"1","x":"2"}}', ['duplicate field "data.x"']),
        ('{"foo":1,"foo":2}', ['unknown field "foo"']),
        ('{"foo":{"a":1,"a":2}}', ['unknown field "foo"']),
        ('{"Data":{}}', ['unknown field "Data"']),
        ('{"kind":"a","kind":"b","kind":"c"}', ['duplicate field "kind"']),
        ('{"data":{"x":"\\u0022:"}}', []),
        (
            '{"metadata":{"ownerReferences":[{"what":1},{"uid":"a","uid":"b"}]}}',
            [
                'unknown field "metadata.ownerReferences[0].what"',
                'duplicate field "metadata.ownerReferences[1].uid"',
            ],
        ),
        ('{"metadata":{"managedFields":[{"fieldsV1":{"f:a":{},"f:b":{}}}]}}', []),
    ],
)
def test_json_in_its_order(body, found):
    assert in_json(body.encode(), CONFIGMAP).fields == found


def test_where_types_are_not_known_repetition_counts():
    body = b'{"a":{"b":1,"b":[{"c":1,"c":2}]},"d":1,"d":2}'
    told = ['duplicate field "a.b"', 'duplicate field "a.b[0].c"', 'duplicate field "d"']
    assert in_json(body).fields == told


def test_yaml_by_lines_and_then_by_name():
    body = b"""\
apiVersion: apps/v1
spec:
  unknownDupe: a
  unknownDupe: b
  paused: true
  paused: false
  another: 1
  template:
    spec:
      containers:
      - name: a
        name: b
        args:
        args: [c]
"""
    found = in_yaml(body, yaml.safe_load(body), DEPLOYMENT)
    assert found.lines == [
        'line 4: key "unknownDupe" already set in map',
        'line 6: key "paused" already set in map',
        'line 12: key "name" already set in map',
        'line 14: key "args" already set in map',
    ]
    assert found.fields == ['unknown field "spec.another"', 'unknown field "spec.unknownDupe"']
    assert found.sentence().startswith(
        'strict decoding error: yaml: unmarshal errors:\n  line 4: key "unknownDupe" already set'
    )


def test_findings_have_a_bound():
    body = json.dumps({f"f{n}": 1 for n in range(3 * FINDINGS_MAX)}).encode()
    assert len(in_json(body, CONFIGMAP).fields) == FINDINGS_MAX


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text('a":\\ ', max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text('ab":\\ ', max_size=3), inner)
    ),
    max_leaves=8,
)


@given(JSON, st.sampled_from([None, 1]), st.sampled_from([(",", ":"), (", ", ": "), (",", " : ")]))
def test_objects_written_once_are_found_clean(value, indent, separators):
    body = json.dumps(value, indent=indent, separators=separators).encode()
    assert not in_json(body)


def _write(value: object, repeat: bool) -> str:
    """Write *value*, each key of an object twice where *repeat* is set."""
    if isinstance(value, dict):
        pairs = [f"{json.dumps(key)}:{_write(item, repeat)}" for key, item in value.items()]
        return f"{{{','.join(pairs * 2 if repeat else pairs)}}}"
    if isinstance(value, list):
        return f"[{','.join(_write(item, repeat) for item in value)}]"
    return json.dumps(value)


@given(JSON)
def test_counting_misses_no_repetition(value):
    body = _write(value, True).encode()
    if in_json(body):
        assert may_repeat(body, msgspec.json.decode(body))


def test_counting_is_certain_of_ordinary_bodies():
    for body in (
        b'{"a": {"b": 1, "c": "x:y"}}',
        b'{\n  "a": [\n    "b"\n  ]\n}',
        b'{"a":"b\\":c"}',
    ):
        assert not may_repeat(body, msgspec.json.decode(body)), body
    assert may_repeat(b'{"a" : 1, "a": 2}', {"a": 2})
