from __future__ import annotations

import copy

import pytest

KIND = "ControllerRevision"
OWNER = {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "d", "uid": "1", "controller": True}


@pytest.mark.parametrize(
    ("body", "causes"),
    [
        ({"data": {"a": 1}}, []),
        ({"revision": 1}, ["data: Required value: data is mandatory"]),
        ({"data": {}, "revision": -1},
         ["revision: Invalid value: -1: must be greater than or equal to 0"]),
    ],
)  # fmt: skip
def test_validation(wrong, body, causes):
    assert wrong(KIND, body) == causes


def test_its_data_are_for_good(made, update):
    old = made(KIND, {"data": {"a": 1}})
    assert update(KIND, {**copy.deepcopy(old), "revision": 2}, old) == []
    assert update(KIND, {**copy.deepcopy(old), "data": {"a": 2}}, old) == [
        'data: Invalid value: {"a":2}: field is immutable'
    ]


def test_row(kind_of, made):
    revision = made(KIND, {"data": {}, "revision": 3, "metadata": {"ownerReferences": [OWNER]}})
    assert kind_of(KIND).cells(revision, 1767323045) == ("web", "daemonset.apps/d", 3, "0s")
    assert kind_of(KIND).cells(made(KIND), 1767323045)[1] == "<none>"
