"""The table as a whole: every row can be served."""

from __future__ import annotations

import copy

import pytest

from controlplane.apiserver.kinds import KINDS
from controlplane.apiserver.subresources import subresources_of
from kubeapi import resources
from kubeapi.schema import schema_for

STORED = [kind for kind in KINDS if not kind.virtual]
HUBS = [kind for kind in STORED if kind.hub is None]


def test_every_resource_has_a_row_and_no_name_is_taken_twice():
    assert set(resources.ALL) <= {kind.resource for kind in KINDS}
    names = [name for kind in HUBS for name in (kind.resource.plural, *kind.short_names)]
    assert len(names) == len(set(names))


def test_discovery_shows_every_subresource_once():
    for kind in KINDS:
        names = [item.name for item in subresources_of(kind)]
        assert len(names) == len(set(names)), kind.resource


@pytest.mark.parametrize("kind", STORED, ids=lambda kind: kind.resource.plural)
def test_an_empty_object_is_judged_and_printed_without_a_fault(kind, made):
    assert schema_for(kind.resource.api_version, kind.resource.kind) is not None
    obj = made(kind.resource.kind)
    kind.validate(obj)
    assert kind.cells is not None
    assert len(kind.cells(obj, 0)) == len(kind.columns)
    assert all(isinstance(value, str) for value in kind.fields(obj).values())


@pytest.mark.parametrize("kind", HUBS, ids=lambda kind: kind.resource.plural)
def test_defaulting_twice_changes_nothing(kind, made):
    obj = made(kind.resource.kind)
    again = copy.deepcopy(obj)
    kind.default(again)
    assert again == obj


def test_what_get_all_shows():
    shown = {kind.resource.plural for kind in KINDS if "all" in kind.categories}
    assert shown == {
        "pods",
        "replicationcontrollers",
        "services",
        "daemonsets",
        "deployments",
        "replicasets",
        "statefulsets",
        "horizontalpodautoscalers",
        "cronjobs",
        "jobs",
    }
