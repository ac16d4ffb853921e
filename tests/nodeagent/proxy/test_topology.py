"""Endpoint choice (cases follow upstream's topology_test.go)."""

import pytest

from nodeagent.proxy.endpointslice_cache import Endpoint
from nodeagent.proxy.service_port import ServicePort
from nodeagent.proxy.topology import Topology, categorize

HERE = Topology(node="n1", zone="z1")


def service(*, internal: bool = False, external: bool = False) -> ServicePort:
    return ServicePort(
        cluster_ip="10.96.0.1",
        port=80,
        protocol="TCP",
        node_port=30080 if external else 0,
        internal_local=internal,
        external_local=external,
    )


def ep(number: int, state: str = "ready", node: str = "n2", zones=(), nodes=()) -> Endpoint:
    return Endpoint(
        address=f"10.0.0.{number}",
        port=80,
        node=node,
        zone_hints=tuple(zones),
        node_hints=tuple(nodes),
        ready=state == "ready",
        serving=state in ("ready", "draining"),
        terminating=state in ("draining", "ended"),
    )


def chosen(endpoints, **policy) -> tuple[list[int], list[int], bool]:
    found = categorize(endpoints, service(**policy), HERE)
    numbers = [[int(e.address[-1]) for e in group] for group in (found.cluster, found.local)]
    return numbers[0], numbers[1], found.any_usable


@pytest.mark.parametrize(
    ("states", "cluster"),
    [
        (["ready", "ready"], [0, 1]),
        (["ready", "unready"], [0]),
        (["ready", "draining"], [0]),
        (["unready", "draining"], [1]),
        (["unready", "ended"], []),
        ([], []),
    ],
)
def test_ready_endpoints_else_those_that_drain(states, cluster):
    endpoints = [ep(i, state) for i, state in enumerate(states)]
    assert chosen(endpoints) == (cluster, [], bool(cluster))


def test_local_falls_back_on_its_own():
    endpoints = [ep(0), ep(1, "draining", node="n1"), ep(2, "unready", node="n1")]
    assert chosen(endpoints, external=True) == ([0], [1], True)


def test_a_service_reached_inside_alone_and_locally_has_no_cluster_endpoints():
    endpoints = [ep(1, node="n1"), ep(2)]
    assert chosen(endpoints, internal=True) == ([], [1], True)


def test_a_local_service_keeps_cluster_endpoints_for_its_short_cuts():
    endpoints = [ep(1, node="n1"), ep(2)]
    assert chosen(endpoints, internal=True, external=True) == ([1, 2], [1], True)


@pytest.mark.parametrize(
    ("zones", "cluster"),
    [
        ([["z1"], ["z2"]], [0]),
        ([["z1"], []], [0, 1]),  # Not all have hints: they are ignored.
        ([["z2"], ["z2"]], [0, 1]),  # None is for us.
        ([["z1", "z2"], ["z1"]], [0, 1]),
    ],
)
def test_zone_hints(zones, cluster):
    assert chosen([ep(i, zones=z) for i, z in enumerate(zones)])[0] == cluster


def test_node_hints_come_before_zone_hints():
    endpoints = [ep(0, nodes=["n1"], zones=["z1"]), ep(1, nodes=["n2"], zones=["z1"])]
    assert chosen(endpoints)[0] == [0]
    elsewhere = [ep(0, nodes=["n3"], zones=["z1"]), ep(1, nodes=["n2"], zones=["z2"])]
    assert chosen(elsewhere)[0] == [0]


def test_hints_of_unready_endpoints_do_not_count():
    endpoints = [ep(0, zones=["z1"]), ep(1, "unready")]
    assert chosen(endpoints)[0] == [0]


@pytest.mark.parametrize(
    ("here", "elsewhere", "announced"),
    [
        (["ready"], [], True),
        (["ready", "draining"], ["ready"], True),
        (["draining"], ["ready"], False),
        (["draining"], ["draining"], True),
        (["draining"], [], True),
        (["unready"], ["ready"], False),
        (["ended"], [], False),
        ([], ["ready"], False),
    ],
)
def test_balancers_send_to_nodes_with_a_ready_endpoint(here, elsewhere, announced):
    endpoints = [ep(i, state, node="n1") for i, state in enumerate(here)]
    endpoints += [ep(9 - i, state) for i, state in enumerate(elsewhere)]
    found = categorize(endpoints, service(external=True), HERE)
    assert found.announces_local is announced
