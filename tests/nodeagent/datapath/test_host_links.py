"""Pods in the node's network: which ports are whose, and how packets find them."""

from __future__ import annotations

import errno
import random
from ipaddress import IPv4Address, IPv4Interface

import pytest

from netstack.host import Host
from netstack.wire.ethernet import parse_mac
from nodeagent.datapath import listing, tables
from nodeagent.datapath.devices import Port
from nodeagent.datapath.drops import DropReason
from nodeagent.datapath.host_links import LINKS_MAX, NODE_PORTS, HostLinks
from nodeagent.datapath.output import Output

NODE, TCP = "192.168.64.1", "TCP"


def link(number, **changes):
    fields = {"name": f"host{number}", "kind": "host", "mac": f"0a:59:00:00:00:{number:02x}"}
    return tables.Link(**{**fields, "address": f"{NODE}/32"} | changes)


def port(number):
    return Port(link(number), Output(f"host{number}", lambda _frames, _now: None))


@pytest.fixture
def links():
    made = HostLinks()
    made.add(port(1))
    made.add(port(2))
    return made


def test_a_port_is_its_first_claimants_until_that_is_gone(links):
    assert links.claim("host1", (TCP, 80))
    assert not links.claim("host1", (TCP, 80))  # It has it.
    assert links.claim("host2", ("UDP", 80))
    with pytest.raises(OSError, match="in use") as refused:
        links.claim("host2", (TCP, 80))
    assert refused.value.errno == errno.EADDRINUSE
    assert links.claims() == [(TCP, 80), ("UDP", 80)]
    noted = links.claims_changed
    links.remove("host1")
    links.remove("host1")
    assert links.claims_changed == noted + 1
    assert links.claim("host2", (TCP, 80))
    with pytest.raises(KeyError):
        links.claim("host1", (TCP, 81))


def test_every_link_dials_from_ports_of_its_own(links):
    one, two = links.ephemeral("host1"), links.ephemeral("host2")
    assert NODE_PORTS.last < one.first < one.last < two.first < two.last <= 60_999
    assert not links.claim("host1", (TCP, one.first))  # It has it already.
    with pytest.raises(OSError, match="in use"):
        links.claim("host1", (TCP, two.first))
    links.remove("host1")
    links.add(port(3))
    assert links.ephemeral("host3") == one


def test_links_and_claims_are_bounded(links, monkeypatch):
    monkeypatch.setattr("nodeagent.datapath.host_links.CLAIMS_MAX", 1)
    links.claim("host1", (TCP, 80))
    with pytest.raises(OSError, match="buffer space") as refused:
        links.claim("host1", (TCP, 81))
    assert refused.value.errno == errno.ENOBUFS
    for number in range(3, LINKS_MAX + 1):
        links.add(port(number))
    with pytest.raises(ValueError, match=f"room for {LINKS_MAX}"):
        links.add(port(200))


def host_pod(world, number, *claims):
    """Add a pod in the network of node 1, which has bound *claims*."""
    entry = link(number)
    node = world.nodes[1]
    world.controls[1].link_replace([entry])
    node.ports[entry.name].connected = True
    host = Host(
        mac=parse_mac(entry.mac),
        address=IPv4Interface(f"{NODE}/32"),
        gateway=IPv4Address("169.254.1.1"),
        mtu=1450,
        rng=random.Random(number),
    )
    host.choose_ports(node.host_links.ephemeral(entry.name))
    world.stacks[entry.name] = node, node.ports[entry.name], host
    for claim in claims:
        node.host_links.claim(entry.name, claim)
    world.run(3.0)
    return host


def accepted(listener):
    connection = listener.accept()
    return None if connection is None else str(connection.remote[0])


def test_pods_nodes_and_the_outside_reach_what_it_serves(world):
    host = host_pod(world, 1, (TCP, 80))
    near, far = world.pod(1, 5), world.pod(2, 5)
    listener = host.tcp_listen(None, 80)
    assert world.connect(near, NODE, 80).established
    assert accepted(listener) == "10.244.1.5"
    assert world.connect(far, NODE, 80).established
    assert accepted(listener) == "192.168.64.2"
    assert world.connect(world.nodes[1].outside, NODE, 80).established
    assert accepted(listener) == "192.168.64.254"
    assert world.connect(world.nodes[2].stack, NODE, 80).established
    assert accepted(listener) == "192.168.64.2"
    refused = world.connect(near, NODE, 81)
    assert isinstance(refused.error, ConnectionRefusedError)  # The node's own stack says so.


def test_it_reaches_pods_services_and_the_outside_as_the_node(world):
    host = host_pod(world, 1)
    near, far = world.pod(1, 5), world.pod(2, 5)
    world.service("10.96.0.9", 80, [("10.244.2.5", 8080)])
    for pod, address, dialled in (
        (near, "10.244.1.5", 8080),
        (far, "10.244.2.5", 8080),
        (far, "10.96.0.9", 80),
    ):
        listener = pod.tcp_listen(None, 8080)
        assert world.connect(host, address, dialled).established
        assert accepted(listener) in (NODE, "10.244.1.0", "10.244.1.1")
        listener.close(world.now)
    outside = world.nodes[1].outside.tcp_listen(None, 443)
    assert world.connect(host, "192.168.64.254", 443).established
    assert accepted(outside) == NODE
    assert world.ping(host, "10.244.2.5")
    assert world.ping(host, "192.168.64.254")


def test_pods_of_one_node_reach_each_other_and_themselves_by_a_service(world):
    one, two = host_pod(world, 1, (TCP, 80)), host_pod(world, 2)
    world.service("10.96.0.9", 80, [(NODE, 80)])
    listener = one.tcp_listen(None, 80)
    for host in (one, two):
        connection = world.connect(host, "10.96.0.9", 80)
        assert connection.established
        assert accepted(listener) == "10.244.1.1"
        assert connection.write(b"hello", world.now) == 5


def test_the_gateway_means_the_node(world):
    """localhostNodePorts, and neighbours in the node's network."""
    one, two = host_pod(world, 1, (TCP, 80)), host_pod(world, 2)
    far, listener = world.pod(2, 5), one.tcp_listen(None, 80)
    backend = far.tcp_listen(None, 8080)
    world.service("", 30080, [("10.244.2.5", 8080)])
    by_node_port = world.connect(two, "169.254.1.1", 30080)
    assert by_node_port.established
    assert accepted(backend) in (NODE, "10.244.1.0", "10.244.1.1")
    assert by_node_port.write(b"hello", world.now) == 5
    assert world.connect(two, "169.254.1.1", 80).established
    assert accepted(listener) == "10.244.1.1"
    nobody = world.connect(two, "169.254.1.1", 81)
    assert isinstance(nobody.error, ConnectionRefusedError)
    elsewhere = world.connect(world.pod(1, 6), "169.254.1.1", 80)
    assert not elsewhere.established, "it is nobody's address but to these pods"


def test_host_ports_of_127_0_0_1_are_for_the_nodes_network_alone(world):
    """Three pods, one port, two addresses and two protocols, as upstream's conformance has it."""
    host = host_pod(world, 1)
    one, two = world.pod(1, 5), world.pod(1, 6)
    rows = [
        {"address": "127.0.0.1", "target": "10.244.1.5", "protocol": "TCP"},
        {"address": NODE, "target": "10.244.1.6", "protocol": "TCP"},
        {"address": NODE, "target": "10.244.1.6", "protocol": "UDP"},
    ]
    entries = [tables.HostPort(port=54323, pod="d/p", target_port=80, **row) for row in rows]
    world.controls[1].host_port_replace(entries)
    first, second = one.tcp_listen(None, 80), two.tcp_listen(None, 80)
    asking = world.connect(host, "169.254.1.2", 54323)  # What the pod calls 127.0.0.1.
    assert asking.established
    assert asking.write(b"hello", world.now) == 5
    assert (accepted(first) is not None, accepted(second)) == (True, None)
    assert world.connect(host, "169.254.1.1", 54323).established
    assert (accepted(first), accepted(second) is not None) == (None, True)
    assert world.connect(world.pod(2, 5), NODE, 54323).established
    assert (accepted(first), accepted(second) is not None) == (None, True)
    nobody = world.connect(host, "169.254.1.2", 54324)
    assert isinstance(nobody.error, ConnectionRefusedError)


def test_datagrams_find_their_pod_and_answers_come_back(world):
    host = host_pod(world, 1, ("UDP", 53))
    pod = world.pod(2, 5)
    server, asking = host.udp_bind(None, 53), pod.udp_bind(None, 0)
    asking.send(b"question", (IPv4Address(NODE), 53), world.now)
    world.run(1.0)
    question = server.receive()
    assert question is not None
    server.send(b"answer", question.remote, world.now)
    world.run(1.0)
    answer = asking.receive()
    assert answer is not None
    assert answer.data == b"answer"


def test_it_is_no_port_of_the_bridge_and_speaks_for_nobody_else(world):
    host = host_pod(world, 1)
    pod = world.pod(1, 5)
    world.ping(pod, "10.244.1.99")  # A broadcast looks for it.
    row = next(each for each in listing.links(world.nodes[1]) if each["name"] == "host1")
    assert (row["kind"], row["address"]) == ("host", f"{NODE}/32")
    node_port = world.nodes[1].ports["host1"]
    sent = node_port.rx_packets
    spoofing = Host(
        mac=host.mac,
        address=IPv4Interface("10.244.1.5/32"),
        gateway=IPv4Address("169.254.1.1"),
        mtu=1450,
        rng=random.Random(9),
    )
    world.stacks["host1"] = world.nodes[1], node_port, spoofing
    assert not world.ping(spoofing, "10.244.2.1")
    assert node_port.rx_packets > sent
    assert node_port.drops[DropReason.MARTIAN] > 0


def test_a_link_that_goes_gives_its_ports_back(world):
    host_pod(world, 1, (TCP, 80))
    world.controls[1].link_delete(["host1"])
    assert not world.nodes[1].host_links
    with pytest.raises(ValueError, match="IPv4 alone"):
        world.controls[1].link_replace([link(2, address6="fd00::1/128")])
    assert "host2" not in world.nodes[1].ports
