"""When a node's status is posted, in virtual time: the loop jumps to what is due next."""

from __future__ import annotations

import asyncio
import copy
import selectors
from contextlib import asynccontextmanager, suppress

import pytest

from componentbase.timings import LAB
from kubeapi.client import Unreachable
from kubeapi.objects import is_condition_true
from kubeapi.patch import merge_patch
from kubeapi.resources import NODES
from kubeapi.status import already_exists, not_found
from nodeagent.kubelet.node import NodeKeeper
from nodeagent.kubelet.node_status import NodeFacts, Readiness

FACTS = NodeFacts(
    name="node-1", internal_ips=("192.168.64.1",), kubelet_port=10250, cpu="4", memory="8Gi",
    pods_max=110,
)  # fmt: skip
READY = Readiness(runtime=True, network_error="")
NO_NETWORK = Readiness(runtime=True, network_error="cni plugin not initialized")
REPORT_S = LAB.node_status_report_s


class Jumping(selectors.DefaultSelector):
    """Waits for nothing: time is moved instead."""

    now = 0.0

    def select(self, timeout=None):
        ready = super().select(0)
        if not ready:
            assert timeout is not None, "nobody will ever be woken"
            self.now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.jumping = Jumping()
        super().__init__(self.jumping)

    def time(self) -> float:
        return self.jumping.now


class Api:
    """One Node, served and watched at once."""

    def __init__(self, loop) -> None:
        self.loop, self.node, self.posts, self.error = loop, None, [], None
        self.created = self.revision = 0
        #: What a watch has not told yet; None while it tells at once.
        self.untold = None

    def add_handler(self, *, on_update, on_delete):
        self.on_update, self.on_delete = on_update, on_delete

    def _stored(self):
        if self.error is not None:
            raise self.error
        if self.node is None:
            raise not_found(NODES, "node-1")
        return self.node

    async def get(self, resource, name):
        return self._stored()

    async def create(self, resource, obj):
        if self.node is not None:
            raise already_exists(NODES, "node-1")
        self.created += 1
        self.node = self._stamped(obj)
        return self.node

    async def patch(self, resource, name, patch, *, subresource=""):
        before = self._stored()
        self.write(merge_patch(before, patch))
        if subresource == "status":
            self.posts.append((self.loop.time(), is_condition_true(self.node, "Ready")))
        return self.node

    def _stamped(self, node):
        self.revision += 1
        metadata = {**node["metadata"], "resourceVersion": str(self.revision)}
        return {**node, "metadata": metadata}

    def write(self, node):
        before, self.node = self.node, self._stamped(node)
        if self.untold is None:
            self.on_update(before, self.node)
        else:
            self.untold.append((before, self.node))

    def hold_back(self):
        self.untold = []

    def tell_one(self):
        before, after = self.untold.pop(0)
        self.on_update(before, after)

    def remove(self):
        before, self.node = self.node, None
        self.on_delete(before)


class Copy:
    """The informer's side of it."""

    def __init__(self, api: Api) -> None:
        self.api, self.add_handler = api, api.add_handler

    def get(self, name):
        return self.api.untold[0][0] if self.api.untold else self.api.node


@asynccontextmanager
async def keeping(node=None):
    loop = asyncio.get_running_loop()
    api = Api(loop)
    keeper = NodeKeeper(api, FACTS, Copy(api), LAB, loop.time)
    api.node = node
    await keeper.register()
    task = loop.create_task(keeper.run_status())
    try:
        yield api, keeper
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def virtual(test):
    def run():
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            runner.run(test())

    run.__name__ = test.__name__
    return run


@virtual
async def test_status_that_stays_is_posted_once_a_period():
    async with keeping() as (api, keeper):
        keeper.set_readiness(READY)
        await asyncio.sleep(3.5 * REPORT_S)
        assert [at for at, _ in api.posts] == pytest.approx([n * REPORT_S for n in range(4)])


@virtual
async def test_readiness_that_changes_is_posted_at_once():
    async with keeping() as (api, keeper):
        keeper.set_readiness(READY)
        await asyncio.sleep(1)
        keeper.set_readiness(NO_NETWORK)
        keeper.set_readiness(NO_NETWORK)
        await asyncio.sleep(1)
        assert api.posts == [(0.0, True), (1.0, False)]
        await asyncio.sleep(REPORT_S)  # A period begins with a post.
        assert api.posts[2:] == [(pytest.approx(1 + REPORT_S), False)]


@virtual
async def test_what_somebody_else_wrote_is_set_right_at_once():
    async with keeping() as (api, keeper):
        keeper.set_readiness(READY)
        await asyncio.sleep(1)
        api.write({**api.node, "spec": {"unschedulable": True}})
        await asyncio.sleep(1)
        assert len(api.posts) == 1  # Its status is what we say.
        other = copy.deepcopy(api.node)
        for condition in other["status"]["conditions"]:
            condition["status"] = "Unknown"
        api.write(other)
        await asyncio.sleep(1)
        assert api.posts[1:] == [(2.0, True)]
        api.on_update(None, {"metadata": {"name": "node-2"}})
        await asyncio.sleep(1)
        assert len(api.posts) == 2


@virtual
async def test_what_the_watch_has_not_told_yet_is_not_posted_again():
    async with keeping() as (api, keeper):
        api.hold_back()
        keeper.set_readiness(READY)
        await asyncio.sleep(1)
        keeper.set_images([{"names": ["nginx"], "sizeBytes": 1}])
        await asyncio.sleep(1)
        posts = [(0.0, True), (1.0, True)]
        assert api.posts == posts
        api.tell_one()  # Our first post: the copy knows nothing of the second.
        await asyncio.sleep(1)
        api.tell_one()
        await asyncio.sleep(1)
        assert api.posts == posts


@virtual
async def test_node_that_registers_says_how_it_is():
    async with keeping() as (api, _keeper):
        assert api.posts == []
        assert not is_condition_true(api.node, "Ready")
        assert api.node["status"]["capacity"]["pods"] == "110"


@virtual
async def test_node_that_was_deleted_is_registered_again():
    async with keeping() as (api, keeper):
        keeper.set_readiness(READY)
        await asyncio.sleep(1)
        api.remove()
        await asyncio.sleep(1)
        assert (api.created, api.posts) == (2, [(0.0, True)])
        assert is_condition_true(api.node, "Ready")  # Registered as what it is.


@virtual
async def test_what_could_not_be_posted_is_tried_at_the_update_period():
    async with keeping() as (api, keeper):
        keeper.set_readiness(READY)
        await asyncio.sleep(0.25)
        api.error = Unreachable("the server is away")
        keeper.set_readiness(NO_NETWORK)
        await asyncio.sleep(1.5 * LAB.node_status_update_s)
        api.error = None
        await asyncio.sleep(LAB.node_status_update_s)
        assert api.posts[1:] == [(pytest.approx(0.25 + 2 * LAB.node_status_update_s), False)]


async def _ready_node():
    async with keeping() as (api, keeper):
        keeper.set_readiness(READY)
        await asyncio.sleep(1)
        return api.node


@virtual
async def test_node_that_was_ready_waits_for_its_network():
    node = await _ready_node()
    began = asyncio.get_running_loop().time()
    async with keeping(node) as (api, keeper):
        await asyncio.sleep(1)
        keeper.set_readiness(NO_NETWORK)
        await asyncio.sleep(1)
        assert api.posts == []
        keeper.set_readiness(READY)
        await asyncio.sleep(1)
        assert api.posts == [(began + 2, True)]


@virtual
async def test_node_that_was_ready_does_not_wait_for_ever():
    node = await _ready_node()
    began = asyncio.get_running_loop().time()
    async with keeping(node) as (api, keeper):
        keeper.set_readiness(NO_NETWORK)
        await asyncio.sleep(LAB.node_lease_duration_s + 1)
        assert api.posts == [(pytest.approx(began + LAB.node_lease_duration_s), False)]


@virtual
async def test_node_that_was_not_ready_says_so_at_once():
    node = await _ready_node()
    for condition in node["status"]["conditions"]:
        condition["status"] = "False"
    began = asyncio.get_running_loop().time()
    async with keeping(node) as (api, _):
        await asyncio.sleep(1)
        assert api.posts == [(began, False)]
