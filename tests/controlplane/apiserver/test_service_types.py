"""A Service that becomes another kind: what it holds comes and goes with what it is.

After upstream's service/storage tests (TestFeature…): every shape of a Service turns into every
other one, written whole as `kubectl replace` does, or with all that the old one was given still in
it as `kubectl edit` does.
"""

from __future__ import annotations

import random
from typing import Any

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
from kubeapi.resources import SERVICES
from kubeapi.status import StatusError

pytestmark = pytest.mark.asyncio

SERVICE = next(kind for kind in KINDS if kind.resource is SERVICES)
PORTS = [{"name": "http", "port": 80}, {"name": "https", "port": 443}]
LOCAL = {"externalTrafficPolicy": "Local"}


SHAPES: dict[str, dict[str, Any]] = {
    "ExternalName": {"type": "ExternalName", "externalName": "a.example"},
    "headless": {"ports": PORTS, "clusterIP": "None"},
    "ClusterIP": {"ports": PORTS},
    "NodePort": {"ports": PORTS, "type": "NodePort"},
    "NodePort-Local": {"ports": PORTS, "type": "NodePort"} | LOCAL,
    "balancer": {"ports": PORTS, "type": "LoadBalancer"},
    "balancer-Local": {"ports": PORTS, "type": "LoadBalancer"} | LOCAL,
    "balancer-alone": {
        "ports": PORTS,
        "type": "LoadBalancer",
        "allocateLoadBalancerNodePorts": False,
    },
}
EXTERNAL = ("NodePort", "LoadBalancer")


@pytest_asyncio.fixture
async def registry(tmp_path):
    store = await EmbeddedStore.open(tmp_path / "podwire.db")
    rng = random.Random(1)
    allocator = ServiceAllocator("10.96.0.0/24", "30000-30063", rng)
    seen = claims.Claims(allocator)
    cacher = Cacher(KINDS, store, {keys.RANGES: seen})
    await cacher.load()
    services = ServiceClaims(store, cacher, allocator, seen, rng=rng, clock=lambda: 0.0)
    made = Registry(cacher, {SERVICES: services}, rng=rng, wall=lambda: 0.0)
    tasks = Tasks()
    tasks.spawn(cacher.run(), name="cacher")
    await cacher.wait_until_fresh()
    await made.create(NAMESPACE, "", {"metadata": {"name": "d"}}, WriteOptions())
    made.store, made.allocator = store, allocator
    yield made
    await tasks.close()
    await store.close()


def body(shape: dict[str, Any]) -> dict[str, Any]:
    spec = {**shape, "selector": {"app": "a"}}
    if "ports" in spec:
        spec["ports"] = [dict(port) for port in PORTS]
    return {"metadata": {"name": "a"}, "spec": spec}


async def create(registry, shape, **options):
    return (await registry.create(SERVICE, "d", body(shape), WriteOptions(**options))).object


async def replace(registry, shape):
    def change(old):
        new = body(shape)
        new["metadata"] = old["metadata"]
        return new

    return (await registry.update(SERVICE, "d", "a", change, WriteOptions())).object


async def edit(registry, shape):
    """Change what the author means and leave everything else as it is."""

    def change(old):
        ports = old["spec"].get("ports") or body(shape)["spec"].get("ports")
        old["spec"] |= {"type": "ClusterIP"} | shape | ({"ports": ports} if ports else {})
        return old

    return (await registry.update(SERVICE, "d", "a", change, WriteOptions())).object


async def claimed(registry):
    found = await registry.store.range(keys.RANGES)
    return sorted(item.key.removeprefix(keys.RANGES) for item in found.items)


def given(service):
    """Return (cluster IP, node ports, health check's port) as *service* shows them."""
    spec = service["spec"]
    ports = [port["nodePort"] for port in spec.get("ports") or [] if port.get("nodePort")]
    return spec.get("clusterIP", ""), ports, spec.get("healthCheckNodePort", 0)


def check(service, *, kept=None):
    """Hold what *service* has against what it is; node ports that were *kept* stay."""
    spec = service["spec"]
    address, ports, health_check = given(service)
    if spec["type"] == "ExternalName":
        assert address == ""
    else:
        assert address.startswith("10.96.") or address == "None"
    gets_ports = spec["type"] in EXTERNAL and spec.get("allocateLoadBalancerNodePorts", True)
    assert len(set(ports)) == (2 if gets_ports or kept else 0)
    is_local = spec.get("externalTrafficPolicy") == "Local"
    assert (health_check > 0) == (spec["type"] == "LoadBalancer" and is_local)
    assert ("externalTrafficPolicy" in spec) == (spec["type"] in EXTERNAL)
    assert ("allocateLoadBalancerNodePorts" in spec) == (spec["type"] == "LoadBalancer")


@pytest.mark.parametrize("name", SHAPES)
async def test_numbers_are_claimed_and_given_back(registry, name):
    made = await create(registry, SHAPES[name])
    check(made)
    assert await claimed(registry) == sorted(registry.allocator.held(made))
    await registry.delete(SERVICE, "d", "a", DeleteOptions())
    assert await claimed(registry) == []


@pytest.mark.parametrize("name", SHAPES)
async def test_a_dry_run_claims_nothing(registry, name):
    check(await create(registry, SHAPES[name], dry_run=True))
    assert await claimed(registry) == []
    made = await create(registry, SHAPES[name])
    held = await claimed(registry)
    await registry.delete(SERVICE, "d", "a", DeleteOptions(dry_run=True))
    assert await claimed(registry) == held == sorted(registry.allocator.held(made))


async def test_numbers_are_held_until_the_last_finalizer_has_gone(registry):
    """Upstream: TestDeleteWithFinalizer, TestCreateDeleteReuse."""
    shape = SHAPES["balancer-Local"]
    asked = body(shape)
    asked["metadata"]["finalizers"] = ["example.com/wait"]
    made = (await registry.create(SERVICE, "d", asked, WriteOptions())).object
    held = sorted(registry.allocator.held(made))
    await registry.delete(SERVICE, "d", "a", DeleteOptions())
    assert await claimed(registry) == held

    def let_go(old):
        del old["metadata"]["finalizers"]
        return old

    await registry.update(SERVICE, "d", "a", let_go, WriteOptions())
    assert await claimed(registry) == []
    again = body(shape | {"clusterIP": made["spec"]["clusterIP"]})
    again["spec"]["ports"] = made["spec"]["ports"]
    second = (await registry.create(SERVICE, "d", again, WriteOptions())).object
    assert given(second)[:2] == given(made)[:2], "what was given back may be asked for again"


def _refusal(old, new):
    """Return why neither an address nor None becomes the other, but by way of ExternalName."""
    was, shall_be = SHAPES[old], SHAPES[new]
    if "ExternalName" in (old, new) or old == new:
        return None
    if shall_be.get("clusterIP") == "None":
        return "may not change once set"
    if was.get("clusterIP") == "None" and shall_be.get("type") in EXTERNAL:
        return "may not be set to 'None' for"
    return None


@pytest.mark.parametrize("way", [replace, edit], ids=["replace", "edit"])
@pytest.mark.parametrize("old", SHAPES)
async def test_every_shape_becomes_every_other(registry, old, way):
    for new in SHAPES:
        first = await create(registry, SHAPES[old])
        if why := _refusal(old, new):
            with pytest.raises(StatusError, match=why):
                await way(registry, SHAPES[new])
            assert await claimed(registry) == sorted(registry.allocator.held(first))
        else:
            second = await way(registry, SHAPES[new])
            had, has = given(first), given(second)
            kept = had[1] and second["spec"]["type"] in EXTERNAL
            check(second, kept=kept)
            assert await claimed(registry) == sorted(registry.allocator.held(second))
            assert not (had[0] and has[0]) or had[0] == has[0]
            assert not kept or had[1] == has[1]
        await registry.delete(SERVICE, "d", "a", DeleteOptions())
        assert await claimed(registry) == []


async def test_node_ports_follow_their_ports_by_name(registry):
    first = await create(registry, SHAPES["NodePort"])
    moved = SHAPES["NodePort"] | {"ports": [{"name": "http", "port": 8080}]}

    def change(old):
        old["spec"] = moved | {"selector": {"app": "a"}}
        return old

    second = (await registry.update(SERVICE, "d", "a", change, WriteOptions())).object
    assert given(second)[1] == given(first)[1][:1]
    assert await claimed(registry) == sorted(registry.allocator.held(second))


PQ, QP = [("p", 867), ("q", 5309)], [("q", 5309), ("p", 867)]
#: Upstream's TestUpdatePatchAllocatedValues: the ports of the update with their node ports (0: not
#: said), the health check's (0: not said), and the node ports after it; None: refused, -N: another.
PATCHED = {
    "multi-port": (PQ, [0, 0], 0, [30013, 30016]),
    "multi-port_partial": (PQ, [30013, 0], 0, [30013, 30016]),
    "swap-ports": (QP, [0, 0], 0, [30016, 30013]),
    "partial-swap-ports": (PQ, [30016, 0], 30018, [30016, -30016]),
    "swap-port-with-hcnp": (PQ, [30016, 30018], 0, None),
    "partial-swap-port-with-hcnp": (PQ, [30018, 0], 0, None),
    "update-hcnp": (PQ, [30013, 30016], 30019, None),
}


def _balanced(ports, node_ports, health_check):
    spec = dict(SHAPES["balancer-Local"])
    spec["ports"] = [
        {"name": name, "port": port} | ({"nodePort": node_port} if node_port else {})
        for (name, port), node_port in zip(ports, node_ports, strict=True)
    ]
    if health_check:
        spec["healthCheckNodePort"] = health_check
    return {"metadata": {"name": "a"}, "spec": {**spec, "selector": {"app": "a"}}}


@pytest.mark.parametrize("name", PATCHED)
async def test_an_update_that_leaves_out_what_was_given(registry, name):
    ports, node_ports, health_check, expected = PATCHED[name]
    asked = _balanced(PQ, [30013, 30016], 30018)
    made = (await registry.create(SERVICE, "d", asked, WriteOptions())).object

    def change(old):
        new = _balanced(ports, node_ports, health_check)
        new["metadata"] = old["metadata"]
        return new

    if expected is None:
        with pytest.raises(StatusError):
            await registry.update(SERVICE, "d", "a", change, WriteOptions())
        assert await claimed(registry) == sorted(registry.allocator.held(made))
        return
    changed = (await registry.update(SERVICE, "d", "a", change, WriteOptions())).object
    address, got, checks = given(changed)
    assert (address, checks) == (made["spec"]["clusterIP"], 30018)
    for number, wanted in zip(got, expected, strict=True):
        assert number == wanted if wanted > 0 else number != -wanted
    assert await claimed(registry) == sorted(registry.allocator.held(changed))
