"""API servers on a real etcd, which comes, goes and may be somebody else's."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from controlplane.apiserver import keys
from controlplane.storage.etcd.store import EtcdStore
from kubeapi.resources import CONFIGMAPS, SERVICES
from kubeapi.status import StatusError

from ..storage.conftest import (  # noqa: TID252 - the mirror of src has no other name for it
    etcd_is_installed,  # noqa: F401 - a fixture
    make_etcd,  # noqa: F401 - a fixture
)
from .conftest import Authority, RunningServer, free_port
from .several import Member, eventually, member

#: How long a refusal may take: the store's own patience and what comes around it.
REFUSED_WITHIN_S = 10.0
#: Longer than etcd takes.
LONG_POD = {
    "metadata": {"name": "long", "namespace": "default"},
    "spec": {"containers": [{"name": "c", "image": "echo", "args": ["x" * 2_000_000]}]},
}


@asynccontextmanager
async def two_servers(
    authority: Authority, directory, endpoints: list[str]
) -> AsyncIterator[list[Member]]:
    port = free_port()
    async with AsyncExitStack() as stack:
        started = []
        for number in (1, 2):
            store = await EtcdStore.open(endpoints, cluster_uid="u", cluster_name="test")
            stack.push_async_callback(store.close)
            files = RunningServer(
                authority, directory / f"server-{number}", port, address=f"127.0.0.{number}"
            )
            started.append(await stack.enter_async_context(member(files, store, number)))
        yield started
        for one in started:
            await one.stop()


def configmap(name: str):
    return {"metadata": {"name": name, "namespace": "default"}}


async def code_of(server: Member, path: str) -> int:
    loop = asyncio.get_running_loop()
    return (await loop.run_in_executor(None, lambda: server.files.request("GET", path))).code


@pytest.mark.asyncio
async def test_two_servers_lose_their_etcd_and_get_it_back(authority, tmp_path, make_etcd):  # noqa: F811
    etcd = make_etcd()
    async with two_servers(authority, tmp_path, etcd.endpoints) as (one, two):
        await one.client.create(CONFIGMAPS, configmap("a"))
        assert await two.client.get(CONFIGMAPS, "a", "default")
        ports = [{"port": 80}]
        made = await asyncio.gather(
            *(
                server.client.create(
                    SERVICES,
                    {
                        "metadata": {"name": f"s{n}", "namespace": "default"},
                        "spec": {"type": "NodePort", "ports": ports},
                    },
                )
                for n, server in enumerate([one, two] * 5)
            )
        )
        assert len({service["spec"]["clusterIP"] for service in made}) == 10
        assert len({service["spec"]["ports"][0]["nodePort"] for service in made}) == 10
        refusal = await asyncio.to_thread(
            one.files.request, "POST", "/api/v1/namespaces/default/pods", LONG_POD
        )
        assert (refusal.code, refusal.json["reason"]) == (413, "RequestEntityTooLarge")
        assert "too large to be stored" in refusal.json["message"]
        watch = two.client.watch(CONFIGMAPS, "default", resource_version="0", timeout_s=60)
        while (await anext(watch)).object["metadata"]["name"] != "a":
            pass

        etcd.kill()
        began = time.monotonic()
        refusals = await asyncio.gather(
            one.client.create(CONFIGMAPS, configmap("b")),
            two.client.get(CONFIGMAPS, "a", "default"),
            return_exceptions=True,
        )
        assert time.monotonic() - began < REFUSED_WITHIN_S
        for refusal in refusals:
            assert isinstance(refusal, StatusError)
            assert (refusal.code, refusal.reason) == (503, "ServiceUnavailable")
            assert "does not answer" in refusal.message
        assert (await one.client.list(CONFIGMAPS, "default", resource_version="0"))["items"]
        await eventually(lambda: _is(code_of(one, "/readyz"), 500))
        assert await code_of(one, "/livez") == 200

        etcd.start()
        await eventually(lambda: _is(code_of(one, "/readyz"), 200), bound_s=20)
        await eventually(lambda: _is(code_of(two, "/readyz"), 200), bound_s=20)
        await one.client.create(CONFIGMAPS, configmap("c"))
        async with asyncio.timeout(10):
            while (await anext(watch)).object["metadata"]["name"] != "c":
                pass
        await watch.aclose()
        await eventually(lambda: _leases(one))


async def _is(found, wanted):
    return await found == wanted


async def _leases(server: Member) -> bool:
    return len((await server.store.range(keys.MASTER_LEASES)).items) == 2


def configure(server: RunningServer, **fields) -> None:
    path = server.config()
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))
    server.config = lambda: path


def test_a_server_waits_for_an_etcd_that_is_away_at_the_start(stopped_server, make_etcd):  # noqa: F811
    etcd = make_etcd()
    etcd.kill()
    configure(stopped_server, etcd_endpoints=etcd.endpoints)
    process = stopped_server.process = stopped_server.spawn()
    log = stopped_server.directory / "apiserver.log"
    ends = time.monotonic() + 20
    while "waiting for the store" not in (log.read_text() if log.exists() else ""):
        assert time.monotonic() < ends
        time.sleep(0.05)
    assert process.poll() is None
    etcd.start()
    while True:
        assert time.monotonic() < ends + 20
        try:
            if stopped_server.request("GET", "/readyz", user=None).code == 200:
                break
        except OSError:
            time.sleep(0.05)
    assert log.read_text().count("waiting for the store") == 1


def test_another_clusters_etcd_is_one_clear_line(stopped_server, make_etcd):  # noqa: F811
    etcd = make_etcd()

    async def claim() -> None:
        store = await EtcdStore.open(etcd.endpoints, cluster_uid="other", cluster_name="theirs")
        await store.close()

    asyncio.run(claim())
    configure(stopped_server, etcd_endpoints=etcd.endpoints, cluster_uid="ours")
    process = stopped_server.spawn()
    _, text = process.communicate(timeout=20)
    assert process.returncode == 1
    lines = text.decode().splitlines()
    assert len(lines) == 1, lines
    assert "theirs" in lines[0]
