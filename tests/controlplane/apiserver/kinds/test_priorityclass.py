"""Upstream's TestValidatePriorityClass and TestValidatePriorityClassUpdate as rows."""

from __future__ import annotations

import copy

import pytest

_RESERVED = (
    "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system "
    "use only. error: "
)


@pytest.mark.parametrize(
    ("name", "body", "messages"),
    [
        ("tier1", {"value": 100}, []),
        ("tier1", {"value": -100, "globalDefault": True, "preemptionPolicy": "Never"}, []),
        ("system-node-critical", {"value": 2000001000}, []),
        ("system-tier", {"value": 1},
         [f"{_RESERVED}system-tier is not a known system priority class"]),
        ("system-node-critical", {"value": 1},
         [f"{_RESERVED}value of system-node-critical PriorityClass must be 2000001000"]),
        ("system-node-critical", {"value": 2000001000, "globalDefault": True},
         [f"{_RESERVED}globalDefault of system-node-critical PriorityClass must be false"]),
        ("tier1", {"value": 1000000001},
         ["value: Forbidden: maximum allowed value of a user defined priority is 1000000000"]),
        ("tier1", {"value": 1, "preemptionPolicy": "Some"},
         ['preemptionPolicy: Unsupported value: "Some": supported values: '
          '"PreemptLowerPriority", "Never"']),
    ],
)  # fmt: skip
def test_classes(wrong, name, body, messages):
    assert wrong("PriorityClass", body, name) == messages


def test_what_is_for_good(made, update):
    old = made("PriorityClass", {"value": 7})
    assert update("PriorityClass", {**copy.deepcopy(old), "description": "x"}, old) == []
    new = {**copy.deepcopy(old), "value": 8, "preemptionPolicy": "Never"}
    assert update("PriorityClass", new, old) == [
        "value: Forbidden: may not be changed in an update.",
        'preemptionPolicy: Invalid value: "Never": field is immutable',
    ]


def test_row(kind_of, made):
    cells = kind_of("PriorityClass").cells(made("PriorityClass", {"value": 7}), 1767323045)
    assert cells == ("web", 7, False, "0s", "PreemptLowerPriority")
