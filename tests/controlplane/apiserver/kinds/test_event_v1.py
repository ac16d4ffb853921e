"""Events under the names of events.k8s.io/v1."""

from __future__ import annotations

import copy

import pytest

from controlplane.apiserver.kinds.event_v1 import EVENT_V1, from_core, to_core

EVENT = {
    "apiVersion": "events.k8s.io/v1",
    "kind": "Event",
    "metadata": {"name": "e", "namespace": "default"},
    "eventTime": "2026-01-01T00:00:00.000000Z",
    "regarding": {"kind": "Pod", "name": "p", "namespace": "default"},
    "related": {"kind": "Node", "name": "n"},
    "reason": "Scheduled",
    "action": "Binding",
    "note": "assigned",
    "type": "Normal",
    "reportingController": "scheduler.example.com/mine",
    "reportingInstance": "mine-1",
    "series": {"count": 2, "lastObservedTime": "2026-01-01T00:00:01.000000Z"},
}


def test_there_and_back():
    core = to_core(copy.deepcopy(EVENT))
    assert core["apiVersion"] == "v1"
    assert core["involvedObject"]["name"] == "p"
    assert core["message"] == "assigned"
    assert core["reportingComponent"] == "scheduler.example.com/mine"
    assert from_core(core) == EVENT


def test_every_field_of_either_version_has_a_name_in_the_other():
    assert EVENT_V1.hub is not None
    own, core = EVENT_V1.schema.properties, EVENT_V1.hub.schema.properties
    assert set(to_core(dict.fromkeys(own))) == set(core)
    assert set(from_core(dict.fromkeys(core))) == set(own)


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({}, ""),
        ({"eventTime": None}, "eventTime: Required value"),
        ({"reportingController": ""}, "reportingController: Required value"),
        ({"reportingController": "a b"}, "reportingController: Invalid value"),
        ({"reportingInstance": ""}, "reportingInstance: Required value"),
        ({"action": "x" * 129}, "action: Invalid value"),
        ({"reason": ""}, "reason: Required value"),
        ({"type": "Odd"}, "type: Invalid value"),
        ({"note": "x" * 1025}, "note: Invalid value"),
        ({"series": {"count": 1, "lastObservedTime": "t"}}, "series.count: Invalid value"),
        ({"series": {"count": 2}}, "series.lastObservedTime: Required value"),
        ({"deprecatedCount": 1}, "deprecatedCount: Invalid value"),
        ({"deprecatedSource": {"component": "x"}}, "deprecatedSource: Invalid value"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_a_client_may_create(change, cause):
    causes = [str(each) for each in EVENT_V1.validate({**EVENT, **change})]
    assert [each.startswith(cause) for each in causes] == ([True] if cause else [])
