"""Paths as upstream's `util/jsonpath` finds them."""

from __future__ import annotations

import pytest

from kubeapi import jsonpath

POD = {
    "metadata": {"name": "p", "annotations": {"a.b/c": "dotted"}},
    "spec": {"containers": [{"name": "x", "port": 1}, {"name": "y", "port": 2}, {"name": "z"}]},
    "status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "Old"}]},
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".metadata.name", ["p"]),
        ("$.metadata.name", ["p"]),
        (".metadata['name']", ["p"]),
        (r".metadata.annotations.a\.b/c", ["dotted"]),
        ('.metadata.annotations["a.b/c"]', ["dotted"]),
        (".spec.containers[0].name", ["x"]),
        (".spec.containers[-1].name", ["z"]),
        (".spec.containers[0:2].name", ["x", "y"]),
        (".spec.containers[::2].name", ["x", "z"]),
        (".spec.containers[*].port", [1, 2]),
        (".spec.containers.*.port", [1, 2]),
        ("..port", [1, 2]),
        ('.status.conditions[?(@.type=="Ready")].status', ["True"]),
        (".status.conditions[?(@.status)].type", ["Ready"]),
        (".spec.containers[?(@.port>1)].name", ["y"]),
        (".spec.containers[?(@.port!=1)].name", ["y"]),
        (".spec.containers[?(@.name>1)].name", []),
        (".nothing.here", []),
        (".spec.containers[9]", []),
        (".", [POD]),
    ],
)
def test_find(path, found):
    assert jsonpath.parse(path).find(POD) == found


@pytest.mark.parametrize("path", [".a[", ".a[]", ".a[?(@.b=c)]", ".a b", ".a" * 3000])
def test_what_is_no_path(path):
    with pytest.raises(jsonpath.JsonPathError):
        jsonpath.parse(path)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (None, "<nil>"),
        (2.0, "2"),
        (2.5, "2.5"),
        ({"b": 1, "a": ["x"]}, "map[a:[x] b:1]"),
    ],
)
def test_printed(value, text):
    assert jsonpath.printed(value) == text
