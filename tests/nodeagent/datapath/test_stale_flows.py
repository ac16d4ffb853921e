"""Which flows go when a Service's endpoints change: upstream's TestCleanStaleEntries, and TCP."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from nodeagent.datapath import tables
from nodeagent.datapath.conntrack.connection import Connection
from nodeagent.datapath.packet import FlowTuple

CLUSTER_IP, EXTERNAL, BALANCER = "10.96.1.1", "192.168.99.100", "203.0.113.4"
NODE = "192.168.64.1"
SERVING, MUTE, DELETED = "10.244.0.4", "10.244.1.5", "10.244.2.6"
SERVICE_PORT, OTHER_PORT, NODE_PORT = 8000, 3000, 32000
OLD_PORT, PORT = 8080, 9090
TCP, UDP = 6, 17


def number(text: str) -> int:
    return int(ip_address(text))


@pytest.fixture
def conntrack(world):
    return world.nodes[1].conntrack


class Flows:
    """Makes connections, each from a port of its own, and tells which are left."""

    def __init__(self, conntrack) -> None:
        self._conntrack, self._port = conntrack, 1024

    def add(self, destination: str, port: int, endpoint: tuple[str, int], protocol: int = UDP):
        self._port += 1
        original = FlowTuple(protocol, number("10.244.1.9"), self._port, number(destination), port)
        reply = FlowTuple(
            protocol, number(endpoint[0]), endpoint[1], original.source, original.source_port
        )
        connection = Connection(original, reply, 30.0, 1000.0, 1000.0)
        assert self._conntrack.confirm(connection)
        return connection

    def left(self, connections) -> list[bool]:
        return [self._conntrack.find(each.original) is each for each in connections]


def program(world, backends, *, protocol="UDP", retained=(), local=None) -> None:
    """Write the frontends of one Service on node-1, at all the addresses that it may have."""
    places = [(CLUSTER_IP, SERVICE_PORT), (EXTERNAL, SERVICE_PORT), (BALANCER, SERVICE_PORT)]
    world.controls[1].frontend_replace(
        [
            tables.Frontend(
                address=address,
                port=port,
                protocol=protocol,
                service="test/cleanup",
                backends=[tables.Backend(address=a, port=p) for a, p in backends],
                retained=[tables.Backend(address=a, port=p) for a, p in retained],
                local_backends=local,
            )
            for address, port in [*places, ("", NODE_PORT)]
        ]
    )


def test_flows_to_whoever_does_not_serve_go(world, conntrack):
    flows, stay = Flows(conntrack), []
    go = [  # Their endpoint's port has changed.
        flows.add(address, SERVICE_PORT, (SERVING, OLD_PORT))
        for address in (CLUSTER_IP, BALANCER, EXTERNAL)
    ]
    for endpoint in (SERVING, MUTE, DELETED):
        for protocol in (TCP, UDP, 132):
            for address in (CLUSTER_IP, BALANCER, EXTERNAL):
                for port in (SERVICE_PORT, OTHER_PORT):
                    stale = protocol == UDP and port == SERVICE_PORT and endpoint != SERVING
                    flow = flows.add(address, port, (endpoint, PORT), protocol)
                    (go if stale else stay).append(flow)
            flow = flows.add(NODE, NODE_PORT, (endpoint, PORT), protocol)
            (go if protocol == UDP and endpoint != SERVING else stay).append(flow)
    for address in (CLUSTER_IP, BALANCER, EXTERNAL):  # Never translated: sent before there was
        for port in (SERVICE_PORT, OTHER_PORT):  # a Service.
            flow = flows.add(address, port, (address, port))
            (go if port == SERVICE_PORT else stay).append(flow)
    program(world, [(SERVING, PORT)])
    program(world, [(SERVING, PORT)], protocol="TCP")
    assert len(go) + len(stay) == 3 + 63 + 6
    assert flows.left(stay) == [True] * len(stay)
    assert flows.left(go) == [False] * len(go)


def test_a_service_that_loses_all_its_endpoints_keeps_its_flows(world, conntrack):
    program(world, [(SERVING, PORT)])
    flows = Flows(conntrack)
    kept = [flows.add(CLUSTER_IP, SERVICE_PORT, (SERVING, PORT))]
    program(world, [])
    assert flows.left(kept) == [True]
    program(world, [(MUTE, PORT)])
    assert flows.left(kept) == [False]


def test_a_service_that_is_deleted_keeps_its_flows(world, conntrack):
    program(world, [(SERVING, PORT)])
    flows = Flows(conntrack)
    kept = [flows.add(CLUSTER_IP, SERVICE_PORT, (SERVING, PORT))]
    world.controls[1].frontend_delete([(CLUSTER_IP, SERVICE_PORT, "UDP")])
    assert flows.left(kept) == [True]
    program(world, [(MUTE, PORT)])
    assert flows.left(kept) == [False], "the next Service of this address takes over"


def test_an_endpoint_that_serves_elsewhere_keeps_its_flows(world, conntrack):
    """Neither a traffic policy nor a termination that is still under way ends a flow."""
    program(world, [(SERVING, PORT), (MUTE, PORT)])
    flows = Flows(conntrack)
    kept = [
        flows.add(CLUSTER_IP, SERVICE_PORT, (MUTE, PORT)),
        flows.add(NODE, NODE_PORT, (DELETED, PORT)),
    ]
    local = [tables.Backend(address=DELETED, port=PORT)]
    program(world, [(SERVING, PORT)], retained=[(MUTE, PORT)], local=local)
    assert flows.left(kept) == [True, True]
    program(world, [(SERVING, PORT)])
    assert flows.left(kept) == [False, False]


def test_of_tcp_only_what_nobody_answered_goes(world, conntrack):
    program(world, [(SERVING, PORT), (DELETED, PORT)], protocol="TCP")
    flows = Flows(conntrack)
    answered, waiting, elsewhere = (
        flows.add(CLUSTER_IP, SERVICE_PORT, (endpoint, PORT), TCP)
        for endpoint in (DELETED, DELETED, SERVING)
    )
    answered.seen_reply = True
    program(world, [(SERVING, PORT)], protocol="TCP")
    assert flows.left([answered, waiting, elsewhere]) == [True, False, True]
    world.controls[1].frontend_delete([(CLUSTER_IP, SERVICE_PORT, "TCP")])
    assert flows.left([answered, waiting, elsewhere]) == [True, False, False]


def test_a_node_port_is_only_of_the_nodes_own_addresses(world, conntrack):
    flows = Flows(conntrack)
    foreign = flows.add("192.168.64.2", NODE_PORT, (DELETED, PORT))
    program(world, [(SERVING, PORT)])
    assert flows.left([foreign]) == [True]
