"""Ranges of nodes under random walks: none is given twice, and who can have one has one."""

from __future__ import annotations

from ipaddress import ip_network

from hypothesis import given
from memory_api import MemoryApi
from walk import Walk, nth, run, steps, walks

from controlplane.controllermanager.nodeipam.controller import NodeIpamController
from kubeapi.resources import NODES

RANGES = 8


class NodeIpamWalk(Walk):
    controllers = ((NODES, NodeIpamController),)

    def begin(self):
        self.api.pod_networks = ((ip_network("10.244.0.0/24"), 27),)
        super().begin()

    def keys(self, resource, controller):
        """Return what it wants to look at, for who waits for room is queued when there is some."""
        queued = []
        while (key := controller._queue.get_nowait()) is not None:
            controller._queue.done(key)
            queued.append(key)
        return queued

    def a_node_comes(self, number):
        name = f"node-{number % 12}"
        if name not in self.api.store(NODES):
            self.api.put(NODES, {"metadata": {"name": name}, "spec": {}})

    def a_node_goes(self, number):
        if node := nth(self.api.store(NODES).values(), number):
            self.api.end(NODES, node)

    def given(self):
        every = [node["spec"].get("podCIDR") for node in self.api.store(NODES).values()]
        return [each for each in every if each]

    def check_always(self):
        assert len(set(self.given())) == len(self.given())

    def check_end(self):
        assert len(self.given()) == min(RANGES, len(self.api.store(NODES)))


@walks(60)
@given(steps(*["a_node_comes"] * 6, *["a_node_goes"] * 3))
def test_no_range_is_given_twice_and_none_lies_idle(taken):
    run(NodeIpamWalk(), taken).check_end()


def test_a_thousand_nodes_give_their_ranges_back():
    """All ranges are taken; as many nodes go and others come, again and again."""
    walk = NodeIpamWalk()
    walk.api.pod_networks = ((ip_network("10.240.0.0/14"), 24),)
    Walk.begin(walk)
    names = iter(f"node-{number}" for number in range(10_000))
    many, few = 1024, 300

    def come(count):
        for _ in range(count):
            walk.api.put(NODES, {"metadata": {"name": next(names)}, "spec": {}})

    come(many)
    run(walk, [])
    assert len(set(walk.given())) == many
    for _ in range(3):
        for node in sorted(walk.api.store(NODES).values(), key=str)[:few]:
            walk.api.end(NODES, node)
        come(few)
        run(walk, [])
        assert len(set(walk.given())) == many == len(walk.api.store(NODES))
    come(1)
    run(walk, [])
    assert [kind for *_, kind, _ in walk.api.recorded.told] == ["CIDRNotAvailable"]
    assert isinstance(walk.api, MemoryApi)
