"""Three API servers on one store are one API."""

from __future__ import annotations

import asyncio
import random

import pytest
import pytest_asyncio

from componentbase.tasks import Tasks
from controlplane.apiserver import keys, masters
from controlplane.storage.embedded import EmbeddedStore
from kubeapi.resources import CONFIGMAPS, ENDPOINTS, ENDPOINTSLICES, NAMESPACES, SERVICES
from kubeapi.status import StatusError, is_conflict

from .several import BOUND_S, eventually, members

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def store(tmp_path):
    opened = await EmbeddedStore.open(tmp_path / "podwire.db")
    yield opened
    await opened.close()


@pytest_asyncio.fixture
async def servers(authority, tmp_path, store):
    async with members(authority, tmp_path, store, 3) as started:
        yield started


def configmap(name, **data):
    return {"metadata": {"name": name, "namespace": "default"}, "data": data}


def service(name, **spec):
    metadata = {"name": name, "namespace": "default"}
    return {"metadata": metadata, "spec": {"ports": [{"port": 80}], **spec}}


async def listed(server):
    """Return the servers in the lists; nothing while one list is behind the other."""
    slice_ = await server.client.get(ENDPOINTSLICES, "kubernetes", "default")
    endpoints = await server.client.get(ENDPOINTS, "kubernetes", "default")
    addresses = [address for item in slice_["endpoints"] for address in item["addresses"]]
    same = addresses == [item["ip"] for item in endpoints["subsets"][0]["addresses"]]
    return addresses if same else []


async def test_they_start_at_once_and_are_all_listed(servers):
    every = ["192.168.64.251", "192.168.64.252", "192.168.64.253"]
    for server in servers:
        await eventually(lambda server=server: _is(listed(server), every))
        assert (await server.client.get(SERVICES, "kubernetes", "default"))["spec"][
            "clusterIP"
        ] == "10.96.0.1"


async def _is(found, wanted):
    return await found == wanted


async def test_the_list_is_not_written_while_nothing_changes(servers, store):
    await eventually(lambda: _has_all(servers[0]))
    before = await servers[0].client.get(ENDPOINTSLICES, "kubernetes", "default")
    renewed = len([call for call in servers[1].store.asked if call == "keep_alive"])
    await eventually(lambda: servers[1].store.asked.count("keep_alive") > renewed)
    after = await servers[0].client.get(ENDPOINTSLICES, "kubernetes", "default")
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]


async def _has_all(server):
    return len(await listed(server)) == 3


async def test_who_ends_cleanly_leaves_the_list_at_once(servers):
    await eventually(lambda: _has_all(servers[0]))
    await servers[2].stop()
    assert await listed(servers[0]) == ["192.168.64.251", "192.168.64.252"]


async def test_who_says_nothing_leaves_the_list_with_its_lease_and_comes_back(servers):
    await eventually(lambda: _has_all(servers[0]))
    servers[0].store.away = True  # As if it were paused: it can neither renew nor say goodbye.
    await eventually(lambda: _is(listed(servers[1]), ["192.168.64.252", "192.168.64.253"]))
    servers[0].store.away = False
    await eventually(lambda: _has_all(servers[1]))


async def test_the_list_comes_back_when_somebody_deletes_it(servers):
    await eventually(lambda: _has_all(servers[0]))
    await servers[0].client.delete(ENDPOINTSLICES, "kubernetes", "default")
    await servers[0].client.delete(SERVICES, "kubernetes", "default")

    async def is_back():
        try:
            await servers[1].client.get(SERVICES, "kubernetes", "default")
            return await _has_all(servers[1])
        except StatusError:
            return False

    await eventually(is_back)


async def test_what_one_wrote_every_other_reads(servers):
    writer, reader = servers[0].client, servers[1].client
    for number in range(20):
        await writer.create(CONFIGMAPS, configmap(f"a{number}"))
        found = await reader.get(CONFIGMAPS, f"a{number}", "default")
        names = [
            item["metadata"]["name"] for item in (await reader.list(CONFIGMAPS, "default"))["items"]
        ]
        assert found["metadata"]["name"] in names


@pytest_asyncio.fixture
async def tasks():
    made = Tasks()
    yield made
    await made.close()


async def asked_for_the_newest(server):
    """Wait until a request at *server* has asked the store how far it is."""
    server.store.asked.clear()
    await eventually(lambda: "revision" in server.store.asked)


async def test_a_read_waits_until_its_server_knows(servers, tasks):
    late = servers[1]
    late.store.told.clear()
    await servers[0].client.create(CONFIGMAPS, configmap("a"))
    got = tasks.spawn(late.client.get(CONFIGMAPS, "a", "default"), name="get")
    await asked_for_the_newest(late)
    old = await late.client.list(
        CONFIGMAPS, "default", resource_version="0"
    )  # From the cache, as it is.
    assert old["items"] == []
    assert not got.done()
    late.store.told.set()
    assert (await got)["metadata"]["name"] == "a"


async def test_revision_0_asks_the_store_nothing(servers):
    server = servers[0]
    await server.client.create(CONFIGMAPS, configmap("a"))
    server.store.asked.clear()
    await server.client.list(CONFIGMAPS, "default", resource_version="0")
    await server.client.raw("GET", f"{CONFIGMAPS.path('default', 'a')}?resourceVersion=0")
    assert not {"get", "range", "txn"} & set(server.store.asked)


async def test_writes_are_decided_on_the_newest_state(servers, tasks):
    late, other = servers[1], servers[0].client
    await other.create(CONFIGMAPS, configmap("a", x="1"))
    await late.client.get(CONFIGMAPS, "a", "default")
    late.store.told.clear()
    newer = await other.update(CONFIGMAPS, configmap("a", x="2"))
    await other.create(NAMESPACES, {"metadata": {"name": "new"}})
    pinned = {**configmap("a", x="3"), "metadata": newer["metadata"]}
    calls = [
        late.client.update(CONFIGMAPS, pinned),  # Made from what the late server has not seen.
        late.client.create(CONFIGMAPS, {"metadata": {"name": "b", "namespace": "new"}}),
    ]
    running = [tasks.spawn(call, name="write") for call in calls]
    await asked_for_the_newest(late)
    late.store.told.set()
    updated, _created = await asyncio.gather(*running)
    assert updated["data"] == {"x": "3"}


async def test_a_change_back_to_what_a_late_server_believes_is_written(servers, tasks):
    late, other = servers[1], servers[0].client
    await other.create(CONFIGMAPS, configmap("a", x="1"))
    await late.client.get(CONFIGMAPS, "a", "default")
    late.store.told.clear()
    await other.update(CONFIGMAPS, configmap("a", x="2"))
    back = late.client.update(CONFIGMAPS, configmap("a", x="1"))
    update = tasks.spawn(back, name="update")
    await asked_for_the_newest(late)
    late.store.told.set()
    await update
    assert (await other.get(CONFIGMAPS, "a", "default"))["data"] == {"x": "1"}


async def test_of_two_updates_from_one_state_one_fails(servers):
    first = await servers[0].client.create(CONFIGMAPS, configmap("a"))
    changes = [{**first, "data": {"by": str(number)}} for number in range(3)]
    results = await asyncio.gather(
        *(s.client.update(CONFIGMAPS, c) for s, c in zip(servers, changes, strict=True)),
        return_exceptions=True,
    )
    refused = [result for result in results if isinstance(result, StatusError)]
    assert [(error.code, error.reason) for error in refused] == [(409, "Conflict")] * 2


async def is_taken(update):
    try:
        await update
    except StatusError as error:
        if not is_conflict(error):
            raise
        return False
    return True


async def test_counting_at_three_servers_loses_no_count(servers):
    await servers[0].client.create(CONFIGMAPS, configmap("a", n="0"))

    async def count(client):
        for _ in range(10):
            while True:
                held = await client.get(CONFIGMAPS, "a", "default")
                held["data"] = {"n": str(int(held["data"]["n"]) + 1)}
                if await is_taken(client.update(CONFIGMAPS, held)):
                    break

    await asyncio.gather(*(count(server.client) for server in servers))
    assert (await servers[1].client.get(CONFIGMAPS, "a", "default"))["data"] == {"n": "30"}


async def test_a_watch_goes_on_at_another_server(servers):
    made = [await servers[0].client.create(CONFIGMAPS, configmap(f"a{n}")) for n in range(5)]
    async for event in servers[0].client.watch(
        CONFIGMAPS, resource_version=made[0]["metadata"]["resourceVersion"]
    ):
        seen = event.object
        break
    rest = []
    async for event in servers[1].client.watch(
        CONFIGMAPS, resource_version=seen["metadata"]["resourceVersion"], timeout_s=2
    ):
        rest.append(event.object["metadata"]["name"])
        if len(rest) == 3:
            break
    assert [seen["metadata"]["name"], *rest] == ["a1", "a2", "a3", "a4"]


async def test_no_number_is_given_twice(servers):
    rng = random.Random(7)
    asked = [
        service(f"s{n}", type="NodePort")
        if rng.random() < 0.7
        else service(f"s{n}", type="NodePort", ports=[{"port": 80, "nodePort": 31000 + n % 4}])
        for n in range(60)
    ]
    results = await asyncio.gather(
        *(servers[n % 3].client.create(SERVICES, one) for n, one in enumerate(asked)),
        return_exceptions=True,
    )
    made = [result for result in results if isinstance(result, dict)]
    refused = [result for result in results if not isinstance(result, dict)]
    # On a machine that is too busy a server may also be unable to say in time that it is too late.
    assert {error.code for error in refused} <= {422, 503, 504}, refused
    addresses = [one["spec"]["clusterIP"] for one in made]
    ports = [one["spec"]["ports"][0]["nodePort"] for one in made]
    assert len(set(addresses)) == len(addresses) > 40
    assert len(set(ports)) == len(ports)


async def test_one_wish_at_three_servers_is_granted_once_and_again_after_deletion(servers, store):
    def wish(number):
        return servers[number].client.create(
            SERVICES, service(f"s{number}", clusterIP="10.96.0.77")
        )

    results = await asyncio.gather(*map(wish, range(3)), return_exceptions=True)
    [winner] = [result for result in results if isinstance(result, dict)]
    refused = [result for result in results if isinstance(result, StatusError)]
    assert all("provided IP is already allocated" in error.message for error in refused)
    await servers[0].client.delete(SERVICES, winner["metadata"]["name"], "default")
    assert await store.get(f"{keys.RANGES}serviceips/10.96.0.77") is None
    await wish(1) if winner["metadata"]["name"] != "s1" else await wish(2)


async def test_one_of_them_keeps_house(servers, store):
    await eventually(lambda: _has_all(servers[0]))
    found = await store.range(keys.MASTER_LEASES)
    assert [item.key for item in found.items] == [
        masters.key(f"192.168.64.25{number}") for number in (1, 2, 3)
    ]
    assert all(item.lease for item in found.items)


async def test_the_store_goes_away_and_comes_back(servers, authority):
    server, other = servers[0], servers[1]
    await server.client.create(CONFIGMAPS, configmap("a"))
    events = server.client.watch(CONFIGMAPS, "default", resource_version="0", timeout_s=30)
    assert (await anext(events)).object["metadata"]["name"] == "a"
    server.store.away = True
    for call in (
        server.client.get(CONFIGMAPS, "a", "default"),
        server.client.list(CONFIGMAPS, "default"),
        server.client.create(CONFIGMAPS, configmap("b")),
    ):
        with pytest.raises(StatusError) as refused:
            await call
        assert (refused.value.code, refused.value.reason) == (503, "ServiceUnavailable")
        assert "cannot reach its store: etcd 127.0.0.1:1: no member answers" in str(refused.value)
        assert not refused.value.retry_after_s
    assert (await server.client.list(CONFIGMAPS, "default", resource_version="0"))["items"]
    await eventually(lambda: _health_is(server, "readyz", 500))
    assert await _health_is(server, "livez", 200)
    assert b"[-]etcd failed" in (await _health(server, "readyz"))[1]

    await other.client.create(CONFIGMAPS, configmap("c"))
    server.store.away = False
    async with asyncio.timeout(BOUND_S):
        assert (await anext(events)).object["metadata"]["name"] == "c"
    await eventually(lambda: _health_is(server, "readyz", 200))
    await server.client.create(CONFIGMAPS, configmap("b"))
    await events.aclose()
    notes = (server.files.directory / "apiserver.jsonl").read_text()
    assert [what in notes for what in ("store-lost", "store-back")] == [True, True]


async def _health(server, name):
    loop = asyncio.get_running_loop()
    reply = await loop.run_in_executor(
        None, lambda: server.files.request("GET", f"/{name}", user="podwire-fabric")
    )
    return reply.code, reply.body


async def _health_is(server, name, code):
    return (await _health(server, name))[0] == code
