"""Two API servers on one store: what one defines the other serves."""

from __future__ import annotations

import pytest
import pytest_asyncio

from controlplane.storage.embedded import EmbeddedStore
from kubeapi.client import PatchType
from kubeapi.objects import is_condition_true
from kubeapi.resources import CUSTOMRESOURCEDEFINITIONS, Resource
from kubeapi.status import StatusError, is_not_found

from .apiextensions.definitions import EVERYTHING, crd
from .several import eventually, members

pytestmark = pytest.mark.asyncio
NOXUS = Resource("two.example.com", "v1", "noxus", "Noxu", True)


@pytest_asyncio.fixture
async def servers(authority, tmp_path):
    store = await EmbeddedStore.open(tmp_path / "podwire.db")
    async with members(authority, tmp_path, store, 2) as started:
        yield started
    await store.close()


def noxu(name, **spec):
    metadata = {"name": name, "namespace": "default"}
    return {"apiVersion": NOXUS.api_version, "kind": "Noxu", "metadata": metadata, "spec": spec}


async def established(client):
    found = await client.get(CUSTOMRESOURCEDEFINITIONS, "noxus.two.example.com")
    return is_condition_true(found, "Established")


async def gone(client):
    try:
        await client.get(CUSTOMRESOURCEDEFINITIONS, "noxus.two.example.com")
    except StatusError as error:
        return is_not_found(error)
    return False


async def test_a_kind_that_one_server_established_is_served_by_the_other_at_once(servers):
    one, other = (server.client for server in servers)
    await one.create(CUSTOMRESOURCEDEFINITIONS, crd("two.example.com", EVERYTHING))
    await eventually(lambda: established(one))
    created = await other.create(NOXUS, noxu("foo"), "default")
    assert created["spec"] == {"size": 3, "mode": "slow"}
    assert (await one.get(NOXUS, "foo", "default"))["metadata"] == created["metadata"]

    with pytest.raises(StatusError) as refused:
        await other.create(NOXUS, noxu("bar", size=10), "default")
    assert refused.value.code == 422

    size = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/size"
    patch = [{"op": "replace", "path": f"{size}/maximum", "value": 20}]
    await one.patch(CUSTOMRESOURCEDEFINITIONS, "noxus.two.example.com", patch, kind=PatchType.JSON)
    await eventually(lambda: accepted(other, noxu("bar", size=10)))

    await one.delete(CUSTOMRESOURCEDEFINITIONS, "noxus.two.example.com")
    await eventually(lambda: gone(other))
    with pytest.raises(StatusError) as absent:
        await other.list(NOXUS, "default")
    assert absent.value.code == 404


async def accepted(client, obj):
    try:
        await client.create(NOXUS, obj, "default")
    except StatusError as error:
        if error.code != 422:
            raise
        return False
    return True
