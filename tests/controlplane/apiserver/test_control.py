"""API faults as clients feel them, set over the control socket."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import pytest_asyncio

from componentbase import journal
from componentbase.rpc import Client, RpcError
from controlplane.storage.embedded import EmbeddedStore
from kubeapi.client import RestClient, Unreachable
from kubeapi.resources import CONFIGMAPS, PODS
from kubeapi.status import StatusError

from .several import eventually, members

pytestmark = pytest.mark.asyncio

MANAGER = "system:kube-controller-manager"


@pytest_asyncio.fixture
async def server(authority, tmp_path):
    store = await EmbeddedStore.open(tmp_path / "podwire.db")
    async with members(authority, tmp_path, store, 1) as [started]:
        yield started
    await store.close()


@pytest_asyncio.fixture
async def control(server):
    client = await Client.connect(Path(server.config.control_socket))
    yield client
    await client.close()


@pytest_asyncio.fixture
async def manager(server):
    """A client that is no administrator."""
    server.files.client_files(MANAGER)
    path = server.files.kubeconfig()
    text = path.read_text().replace("admin.crt", f"{MANAGER.replace(':', '_')}.crt")
    path.write_text(text.replace("admin.key", f"{MANAGER.replace(':', '_')}.key"))
    client = RestClient.from_kubeconfig(path, user_agent="test")
    yield client
    await client.close()


async def replace(control, *entries, seed=0):
    numbered = [{"id": str(number), **entry} for number, entry in enumerate(entries)]
    return await control.call("api_faults_replace", {"entries": numbered, "seed": seed})


async def hits(control):
    return [entry["hits"] for entry in await control.call("api_faults_list")]


def configmap(name):
    return {"metadata": {"name": name, "namespace": "default"}}


@pytest.mark.parametrize(
    ("status", "reason"), [(409, "Conflict"), (429, "TooManyRequests"), (500, "InternalError")]
)
async def test_a_refusal_reaches_whom_it_names_and_nobody_else(
    server, control, manager, status, reason
):
    entry = {"user": MANAGER, "verb": "create", "resource": "configmaps", "status": status}
    assert await replace(control, entry) == 1
    with pytest.raises(StatusError) as refused:
        await manager.create(CONFIGMAPS, configmap("a"))
    assert (refused.value.code, refused.value.reason) == (status, reason)
    assert refused.value.retry_after_s == (1 if status == 429 else 0)
    assert (await manager.list(CONFIGMAPS, "default"))["items"] == []  # Refused, and not done.
    await server.client.create(CONFIGMAPS, configmap("a"))
    assert await hits(control) == [1]
    assert await replace(control) == 0
    await manager.create(CONFIGMAPS, configmap("b"))


async def test_latency_is_felt(control, manager):
    await replace(control, {"latency_s": 0.3, "resource": "configmaps"})
    began = time.monotonic()
    await manager.list(CONFIGMAPS, "default")
    assert time.monotonic() - began >= 0.3


async def test_watches_are_cut_and_can_go_on_when_healed(server, control, manager):
    watch = manager.watch(CONFIGMAPS, "default", resource_version="0", timeout_s=30)
    safe = server.client.watch(CONFIGMAPS, "default", resource_version="0", timeout_s=30)
    await server.client.create(CONFIGMAPS, configmap("a"))
    first = await anext(watch)
    assert (await anext(safe)).object == first.object
    await replace(control, {"drop_watches": True, "resource": "configmaps"})
    with pytest.raises(Unreachable):
        await anext(watch)
    with pytest.raises(Unreachable):
        await anext(manager.watch(CONFIGMAPS, "default", resource_version="0", timeout_s=30))
    assert await hits(control) == [2]
    assert (await manager.list(PODS))["items"] == []
    await replace(control)
    await server.client.create(CONFIGMAPS, configmap("b"))
    assert (await anext(safe)).object["metadata"]["name"] == "b"
    version = first.object["metadata"]["resourceVersion"]
    again = manager.watch(CONFIGMAPS, "default", resource_version=version, timeout_s=30)
    assert (await anext(again)).object["metadata"]["name"] == "b"
    for one in (safe, again):
        await one.aclose()


async def test_nonsense_is_refused_and_a_change_is_noted(server, control):
    for params in ({"entries": [{"id": "a"}]}, {"entries": [], "seed": "x"}, {"entries": 3}):
        with pytest.raises(RpcError) as refused:
            await control.call("api_faults_replace", params)
        assert refused.value.code == "InvalidArgument"
    await replace(control, {"status": 500}, seed=7)
    await replace(control, {"status": 500}, seed=7)
    notes = await eventually(lambda: journal.read(server.files.directory))
    told = [(note.subject, note.details) for note in notes if note.what == "api-faults"]
    assert told == [("apiserver-1", {"ids": ["0"], "seed": 7})]
