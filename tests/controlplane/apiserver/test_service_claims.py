"""Claims to a Service's numbers when things go wrong in between."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field

import pytest
import pytest_asyncio

from componentbase.tasks import Tasks
from controlplane.apiserver import claims, keys
from controlplane.apiserver.cacher import Cacher
from controlplane.apiserver.kinds import KINDS
from controlplane.apiserver.kinds.namespace import NAMESPACE
from controlplane.apiserver.kinds.service_allocation import ServiceAllocator
from controlplane.apiserver.registry.options import DeleteOptions, WriteOptions
from controlplane.apiserver.registry.registry import Registry
from controlplane.apiserver.service_claims import ServiceClaims
from controlplane.storage.embedded import EmbeddedStore
from controlplane.storage.interface import StorageError, StorageUnavailable
from kubeapi.resources import SERVICES
from kubeapi.status import StatusError

pytestmark = pytest.mark.asyncio


class FailingStore:
    """The *n*-th write from now on gets no answer; *done* says whether it happened."""

    def __init__(self, store):
        self._store = store
        self.fails_at, self.done, self.writes = 0, False, 0

    def fail(self, number, *, done):
        self.fails_at, self.done, self.writes = number, done, 0

    async def txn(self, operation):
        self.writes += 1
        fails = self.writes == self.fails_at
        if fails and not self.done:
            raise StorageUnavailable("gone before it was done")
        result = await self._store.txn(operation)
        if fails:
            raise StorageUnavailable("gone after it was done")
        return result

    def __getattr__(self, name):
        return getattr(self._store, name)


@dataclass
class Server:
    store: FailingStore
    registry: Registry
    claims: ServiceClaims
    allocator: ServiceAllocator
    tasks: Tasks = field(default_factory=Tasks)


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


SERVICE = next(kind for kind in KINDS if kind.resource is SERVICES)


async def make_server(store, clock, seed):
    failing, rng = FailingStore(store), random.Random(seed)
    allocator = ServiceAllocator("10.96.0.0/28", "30000-30003", rng)
    seen = claims.Claims(allocator)
    cacher = Cacher(KINDS, failing, {keys.RANGES: seen})
    await cacher.load()
    services = ServiceClaims(failing, cacher, allocator, seen, rng=rng, clock=clock)
    registry = Registry(cacher, {SERVICES: services}, rng=rng, wall=lambda: 0.0)
    server = Server(failing, registry, services, allocator)
    server.tasks.spawn(cacher.run(), name="cacher")
    await cacher.wait_until_fresh()
    return server


@pytest.fixture
def clock():
    return Clock()


@pytest_asyncio.fixture
async def servers(tmp_path, clock):
    store = await EmbeddedStore.open(tmp_path / "podwire.db")
    made = [await make_server(store, clock, seed) for seed in range(2)]
    await made[0].registry.create(NAMESPACE, "", {"metadata": {"name": "d"}}, WriteOptions())
    yield made
    for server in made:
        await server.tasks.close()
    await store.close()


def service(name, **spec):
    return {"metadata": {"name": name}, "spec": {"ports": [{"port": 80}], **spec}}


async def create(server, name, **spec):
    return await server.registry.create(SERVICE, "d", service(name, **spec), WriteOptions())


async def change_type(server, name, kind):
    def change(old):
        old["spec"]["type"] = kind
        return old

    return await server.registry.update(SERVICE, "d", name, change, WriteOptions())


async def delete(server, name):
    return await server.registry.delete(SERVICE, "d", name, DeleteOptions())


async def claimed(server):
    found = await server.store.range(keys.RANGES)
    return {
        item.key.removeprefix(keys.RANGES): json.loads(item.value)["service"]
        for item in found.items
    }


async def held(server):
    await server.registry.cacher.wait_until_fresh()
    services = server.registry.cacher.cache(SERVICES).below(keys.prefix(SERVICES))
    names = [
        (name, f"d/{stored.object['metadata']['name']}")
        for stored in services
        for name in server.allocator.held(stored.object)
    ]
    assert max(Counter(name for name, _ in names).values(), default=1) == 1
    return dict(names)


async def repaired(servers, clock):
    """Let repair look until nothing may be in doubt any more."""
    for _ in range(2):
        for server in servers:
            await server.claims.repair(may_free=True)
        clock.now += claims.LEAKED_AFTER_S
    for server in servers:
        await server.claims.repair(may_free=True)
    assert await claimed(servers[0]) == await held(servers[0])


async def test_claims_come_and_go_with_their_service(servers):
    one, two = servers
    made = (await create(one, "a", type="NodePort")).object
    address, port = made["spec"]["clusterIP"], made["spec"]["ports"][0]["nodePort"]
    assert await claimed(two) == {
        f"serviceips/{address}": "d/a",
        f"servicenodeports/{port}": "d/a",
    }
    await change_type(two, "a", "ClusterIP")
    assert await claimed(one) == {f"serviceips/{address}": "d/a"}
    await delete(one, "a")
    assert await claimed(two) == {}


async def test_a_range_that_is_used_up_at_one_server_is_so_at_the_other(servers):
    one, two = servers
    made = [await create(servers[n % 2], f"s{n}", type="NodePort") for n in range(4)]
    assert len({item.object["spec"]["ports"][0]["nodePort"] for item in made}) == 4
    with pytest.raises(StatusError, match="failed to allocate a nodePort: range is full"):
        await create(one, "more", type="NodePort")
    await delete(two, "s0")
    await create(two, "more", type="NodePort")


async def test_the_last_free_number_is_given_once(servers):
    for number in range(3):
        await create(servers[0], f"s{number}", type="NodePort")
    results = await asyncio.gather(
        *(create(server, f"last-{n}", type="NodePort") for n, server in enumerate(servers)),
        return_exceptions=True,
    )
    refused = [result for result in results if isinstance(result, StatusError)]
    assert [error.code for error in refused] == [500]
    assert await claimed(servers[0]) == await held(servers[0])


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("number", [1, 2, 3, 4, 5])
async def test_any_write_that_fails_leaves_nothing_that_repair_does_not_heal(
    servers, clock, number, done
):
    one, two = servers
    await create(one, "kept", type="NodePort")
    for step in (
        lambda: create(one, "new", type="NodePort"),
        lambda: change_type(one, "kept", "ClusterIP"),
        lambda: delete(one, "kept"),
    ):
        one.store.fail(number, done=done)
        with suppress(StorageError):
            await step()
        one.store.fail(0, done=False)
        # What a Service holds is claimed at every moment, before any repair.
        assert (await held(one)).items() <= (await claimed(one)).items()
        await repaired(servers, clock)
    fresh = await create(two, "fresh")
    assert fresh.object["spec"]["clusterIP"]


async def test_what_a_dead_server_claimed_its_service_may_still_have(servers):
    one, two = servers
    one.store.fail(2, done=False)  # The Service itself: claimed, and never written.
    with pytest.raises(StorageUnavailable):
        await create(one, "a", clusterIP="10.96.0.5")
    assert await claimed(two) == {"serviceips/10.96.0.5": "d/a"}
    with pytest.raises(StatusError, match="provided IP is already allocated"):
        await create(two, "b", clusterIP="10.96.0.5")
    again = await create(two, "a", clusterIP="10.96.0.5")
    assert again.object["spec"]["clusterIP"] == "10.96.0.5"
    assert await claimed(two) == await held(two)


async def test_who_was_frozen_after_its_claim_gives_it_up(servers, clock, monkeypatch):
    one, two = servers
    real = one.store.txn

    async def slow(operation):
        result = await real(operation)
        clock.now += claims.HOLD_MAX_S + 1
        return result

    monkeypatch.setattr(one.store, "txn", slow)
    with pytest.raises(StatusError) as refused:
        await create(one, "a")
    assert refused.value.code == 503
    assert await claimed(two) == {}


async def test_services_from_before_there_were_claims_are_claimed(servers, clock):
    one, two = servers
    made = await create(one, "a", clusterIP="10.96.0.5")
    assert made.object
    found = await one.store.range(keys.RANGES)
    await one.claims.release(
        {item.key.removeprefix(keys.RANGES): item.mod_revision for item in found.items}
    )
    assert await claimed(one) == {}
    await two.claims.repair()
    assert await claimed(one) == {"serviceips/10.96.0.5": "d/a"}
