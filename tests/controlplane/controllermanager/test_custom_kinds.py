"""Controllers of every kind deal with custom kinds, too: the collector and the namespaces'."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable

import pytest

from controlplane.controllermanager.custom_kinds import head_of, resource_of, versions_of
from kubeapi.objects import is_condition_true, name_of, owner_reference
from kubeapi.resources import CONFIGMAPS, CUSTOMRESOURCEDEFINITIONS, NAMESPACES, Resource

WITHIN_S = 15.0
LOOK_EVERY_S = 0.03


async def until(client, resource, namespace, holds: Callable[[list], bool]):
    """Wait until *holds* of the items of a collection; return them."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            items = (await client.list(resource, namespace))["items"]
            if holds(items):
                return items
            await asyncio.sleep(LOOK_EVERY_S)


def established(*versions):
    crd = copy.deepcopy(DEFINITION)
    crd["spec"]["versions"] = [
        {"name": name, "served": served, "storage": storage, "schema": {"much": 1}}
        for name, served, storage in versions
    ]
    crd["status"] = {
        "acceptedNames": crd["spec"]["names"],
        "conditions": [{"type": "Established", "status": "True"}],
    }
    return crd


def test_the_stored_version_is_followed_where_it_is_served():
    crd = established(("v1beta1", True, False), ("v1", True, True), ("v2", False, False))
    assert [each.version for each in versions_of(crd)] == ["v1", "v1beta1"]
    older = established(("v1beta1", True, False), ("v1", False, True))
    assert resource_of(older).version == "v1beta1"
    assert resource_of(established(("v1", False, True))) is None


def test_schemas_are_not_kept():
    crd = established(("v1", True, True))
    assert "schema" not in str(head_of(crd))
    assert versions_of(head_of(crd)) == versions_of(crd)


def test_what_is_not_established_is_no_kind():
    crd = established(("v1", True, True))
    crd["status"]["conditions"][0]["status"] = "False"
    assert resource_of(crd) is None


WIDGETS = Resource("loops.example.com", "v1", "widgets", "Widget", True, custom=True)
DEFINITION = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "widgets.loops.example.com"},
    "spec": {
        "group": "loops.example.com",
        "scope": "Namespaced",
        "names": {"plural": "widgets", "kind": "Widget"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object"}},
            }
        ],
    },
}


def owned(kind, name, owner):
    reference = {**owner_reference(owner, controller=False), "blockOwnerDeletion": True}
    metadata = {"name": name, "ownerReferences": [reference]}
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata}


@pytest.mark.asyncio
async def test_custom_kinds_own_are_owned_and_go_with_namespaces(control_plane, namespace_of_test):
    ns = namespace_of_test
    widget = {"apiVersion": WIDGETS.api_version, "kind": "Widget", "metadata": {"name": "w"}}
    async with control_plane.client() as client:
        made = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": ns}}
        await client.create(NAMESPACES, made)
        await client.create(CUSTOMRESOURCEDEFINITIONS, copy.deepcopy(DEFINITION))
        await until(
            client,
            CUSTOMRESOURCEDEFINITIONS,
            None,
            lambda items: any(is_condition_true(item, "Established") for item in items),
        )
        top = await client.create(WIDGETS, widget, ns)
        below = owned("Widget", "below", top) | {"apiVersion": WIDGETS.api_version}
        below = await client.create(WIDGETS, below, ns)
        await client.create(CONFIGMAPS, owned("ConfigMap", "under", below), ns)
        for name in ("left", "kept"):
            extra = copy.deepcopy(widget) | {"metadata": {"name": name}}
            await client.create(WIDGETS, extra, ns)
        left = await client.get(WIDGETS, "left", ns)
        orphan = owned("Widget", "orphan", left) | {"apiVersion": WIDGETS.api_version}
        await client.create(WIDGETS, orphan, ns)

        await client.delete(WIDGETS, "w", ns, propagation="Foreground")
        names = [{"kept", "left", "orphan"}]
        await until(client, WIDGETS, ns, lambda items: {name_of(one) for one in items} in names)
        await until(client, CONFIGMAPS, ns, lambda items: "under" not in map(name_of, items))

        await client.delete(WIDGETS, "left", ns, propagation="Orphan")
        names[0] = {"kept", "orphan"}
        await until(client, WIDGETS, ns, lambda items: {name_of(one) for one in items} in names)
        found = await client.get(WIDGETS, "orphan", ns)
        assert not found["metadata"].get("ownerReferences")

        kept = await client.get(WIDGETS, "kept", ns)
        await client.create(CONFIGMAPS, owned("ConfigMap", "of-kept", kept), ns)
        await client.delete(NAMESPACES, ns)
        await until(client, NAMESPACES, None, lambda items: ns not in map(name_of, items))
        assert (await client.list(WIDGETS))["items"] == []
        await client.delete(CUSTOMRESOURCEDEFINITIONS, "widgets.loops.example.com")
        await until(client, CUSTOMRESOURCEDEFINITIONS, None, lambda items: not items)
