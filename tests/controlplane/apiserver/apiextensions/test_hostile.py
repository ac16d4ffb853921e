"""Whatever stands in a definition, it is refused in words or makes a kind; so do its objects."""

from __future__ import annotations

import copy
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controlplane.apiserver.apiextensions import naming
from controlplane.apiserver.apiextensions.definition import define
from controlplane.apiserver.decoding import admit_shape
from controlplane.apiserver.kinds.customresourcedefinition.kind import CUSTOMRESOURCEDEFINITION
from controlplane.apiserver.registry import create
from controlplane.apiserver.stored import StoredObject, encode
from kubeapi.status import StatusError

from .definitions import EVERYTHING, VERSION_PARTS, crd

WORDS = [
    *("", "a", "type", "object", "string", "array", "integer", "x", ".spec.a", "(", "self.a > 1"),
    *("items", "properties", "additionalProperties", "anyOf", "not", "default", "null"),
]
junk = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 1 << 40)
    | st.floats(-2, 2)
    | st.sampled_from(WORDS),
    lambda below: (
        st.lists(below, max_size=3) | st.dictionaries(st.sampled_from(WORDS), below, max_size=3)
    ),
    max_leaves=8,
)


def places(value, found):
    """Collect every (container, key) below *value*."""
    keys = list(value) if isinstance(value, dict) else range(len(value))
    for key in keys:
        found.append((value, key))
        if isinstance(value[key], dict | list):
            places(value[key], found)
    return found


def made(definition):
    """Return the kind of *definition* as the server would make it; raises StatusError."""
    kind, rng = CUSTOMRESOURCEDEFINITION, random.Random(1)
    obj = admit_shape(kind, definition, "").obj
    create.begin(kind, obj, rng, 0.0)
    kind.prepare_create(obj)
    create.check(kind, obj)
    obj["status"] = naming.status_of(obj, naming.taken_by([]), "now")
    return define(StoredObject(kind, "/k", encode(copy.deepcopy(obj)), 1), obj, ask=None).hub


def written(kind, obj):
    """Write *obj* as the server would, read it again and print it; raises StatusError."""
    obj = admit_shape(kind, obj, "Strict").obj
    obj["metadata"]["namespace"] = "default"
    create.begin(kind, obj, random.Random(1), 0.0)
    kind.prepare_create(obj)
    create.check(kind, obj)
    kind.validate_update(obj, copy.deepcopy(obj))
    stored = StoredObject(kind, "/o", encode(obj), 1)
    kind.cells(stored.object, 0.0)
    kind.fields(stored.object)
    return stored.object


def unless_refused(act, *arguments):
    """Return what *act* does; None when it is refused in words."""
    try:
        return act(*arguments)
    except StatusError as error:
        if error.code not in (400, 422):
            raise
        return None


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_definitions(data):
    definition = copy.deepcopy(crd("group.example.com", EVERYTHING, **copy.deepcopy(VERSION_PARTS)))
    for _ in range(data.draw(st.integers(1, 2))):
        found = places(definition["spec"], [])
        container, key = found[data.draw(st.integers(0, len(found) - 1))]
        container[key] = data.draw(junk)
    kind = unless_refused(made, definition)
    if kind is not None:
        unless_refused(written, kind, {"metadata": {"name": "a"}, "spec": data.draw(junk)})


KIND = made(crd("group.example.com", EVERYTHING, **VERSION_PARTS))
FIELDS = list(EVERYTHING["properties"]["spec"]["properties"])


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from(FIELDS), junk, max_size=4), junk)
def test_objects(spec, status):
    body = {"metadata": {"name": "a"}, "spec": spec, "status": status}
    once = unless_refused(written, KIND, body)
    if once is not None:
        again = written(KIND, {**copy.deepcopy(once), "metadata": {"name": "a"}})
        assert again.get("spec") == once.get("spec")


@pytest.mark.parametrize("value", [5, "x", [1], {"type": 5}, {"items": {"properties": []}}])
def test_what_is_no_schema(value):
    schema = {"properties": {"f": {"type": "object", "additionalProperties": value}}}
    with pytest.raises(StatusError) as refused:
        made(crd("group.example.com", schema))
    causes = refused.value.details["causes"]
    assert "additionalProperties" in causes[0]["field"]
