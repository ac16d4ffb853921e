"""Upstream's TestValidateRuntimeClass, TestValidateOverhead, TestValidateScheduling as rows."""

from __future__ import annotations

import copy

import pytest

TOLERATION = {"key": "a", "operator": "Equal", "value": "b", "effect": "NoExecute"}


@pytest.mark.parametrize(
    ("body", "begins"),
    [
        ({"handler": "runsc"}, None),
        ({"handler": "runsc", "overhead": {"podFixed": {"cpu": "10", "memory": "10G"}}}, None),
        ({"handler": "runsc", "scheduling": {"nodeSelector": {"a": "b"},
                                             "tolerations": [TOLERATION]}}, None),
        ({}, 'handler: Invalid value: "": a lowercase RFC 1123 label'),
        ({"handler": "&!@#"}, 'handler: Invalid value: "&!@#": a lowercase RFC 1123 label'),
        ({"handler": "a", "overhead": {"podFixed": {"my.org": "10"}}},
         'overhead.limits[my.org]: Invalid value: "my.org": must be a standard resource'),
        ({"handler": "a", "scheduling": {"nodeSelector": {"not valid": "b"}}},
         'scheduling.nodeSelector: Invalid value: "not valid": name part'),
        ({"handler": "a", "scheduling": {"tolerations": [TOLERATION, TOLERATION]}},
         "scheduling.tolerations[1]: Duplicate value: {"),
        ({"handler": "a", "scheduling": {"tolerations": [{"key": "a", "effect": "Now"}]}},
         'scheduling.tolerations[0].effect: Unsupported value: "Now"'),
    ],
)  # fmt: skip
def test_validation(wrong, body, begins):
    found = wrong("RuntimeClass", body)
    assert not found if begins is None else found[0].startswith(begins)


def test_the_handler_is_for_good(made, update):
    old = made("RuntimeClass", {"handler": "a"})
    assert update("RuntimeClass", {**copy.deepcopy(old), "handler": "b"}, old) == [
        'handler: Invalid value: "b": field is immutable'
    ]


def test_row(kind_of, made):
    runtime = made("RuntimeClass", {"handler": "a"})
    assert kind_of("RuntimeClass").cells(runtime, 1767323045) == ("web", "a", "0s")
