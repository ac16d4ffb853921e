"""Which addresses there are beyond eth0, and how pods of a real datapath reach them."""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address

import pytest

from componentbase import rpc
from nodeagent.datapath import outside_world, tables
from nodeagent.datapath.output import Output
from nodeagent.datapath.outside_services import OutsideServices
from nodeagent.datapath.outside_world import OutsideWorld, service_of

HOST, SITE = IPv4Address("192.168.64.254"), "203.0.113.1"
NEAR = IPv4Network("198.51.100.0/24")  # As between containers: what carries the nodes themselves.


def row(**changes):
    return {"address": SITE, "port": 80, "protocol": "TCP", "target": "127.0.0.1:1"} | changes


def entry(**changes):
    return tables.OutsideService(**row(**changes))


@pytest.fixture
def node(world):
    return world.nodes[1]


@pytest.fixture
def beyond(node):
    services = OutsideServices(node.outside, lambda _asking: "", lambda: 0.0, lambda: None)
    return OutsideWorld(node, services, [HOST], is_near=NEAR.__contains__)


def destinations(node):
    return [str(route.destination) for route in node.routes.entries()]


def test_an_address_comes_with_its_first_service_and_goes_with_its_last(beyond, node):
    beyond.replace([entry(), entry(protocol="UDP"), entry(address="203.0.113.2")])
    assert beyond.has(ip_address(SITE))
    assert {"203.0.113.1/32", "203.0.113.2/32"} <= set(destinations(node))
    beyond.delete([(SITE, 80, "TCP"), ("203.0.113.2", 80, "TCP")])
    assert beyond.has(ip_address(SITE))
    assert not beyond.has(ip_address("203.0.113.2"))
    assert "203.0.113.2/32" not in destinations(node)
    assert beyond.rows() == [row(protocol="UDP")]
    beyond.delete([(SITE, 80, "UDP"), (SITE, 81, "UDP")])
    assert not beyond.has(ip_address(SITE))
    assert beyond.has(HOST)


@pytest.mark.parametrize("target", ["192.0.2.1:80", "127.0.0.1", "127.0.0.1:0", "[::1]:80", ""])
def test_nothing_leads_beyond_the_loopback(beyond, node, target):
    with pytest.raises(ValueError, match="no socket of this machine's loopback"):
        beyond.replace([entry(), entry(address="203.0.113.2", target=target)])
    assert beyond.rows() == []
    assert "203.0.113.1/32" not in destinations(node)


def test_a_row_becomes_a_value():
    for target in (("127.0.9.9", 53), ("198.51.100.254", 80)):
        text = "{}:{}".format(*target)
        assert service_of(entry(target=text), NEAR.__contains__).target == target


def segment(beyond, *, port, flags=0x02, protocol=6, to=HOST):
    """Let a packet leave, and return which ports of the host are open then."""
    tcp = bytes((0x9C, 0x40, port >> 8, port & 255)) + bytes(8) + bytes((0x50, flags)) + bytes(6)
    head = bytes((0x45, 0)) + bytes(7) + bytes((protocol,)) + bytes(2) + bytes((10, 244, 1, 5))
    output = Output("outside", lambda _frames, _now: None)
    beyond.open_any_port(output)
    output.transmit([bytes(14) + head + to.packed + tcp], 0.0)
    return [(each["protocol"], each["port"], each["target"]) for each in beyond.rows()]


def test_any_port_of_the_host_opens_when_somebody_begins_to_speak_to_it(beyond):
    assert segment(beyond, port=80, flags=0x12) == []
    assert segment(beyond, port=80, flags=0x10) == []
    assert segment(beyond, port=0) == []
    assert segment(beyond, port=80, protocol=1) == []
    assert segment(beyond, port=80, to=IPv4Address("192.168.64.251")) == []
    assert segment(beyond, port=80) == [("TCP", 80, "127.0.0.1:80")]
    assert segment(beyond, port=53, protocol=17) == [
        ("TCP", 80, "127.0.0.1:80"),
        ("UDP", 53, "127.0.0.1:53"),
    ]


def test_any_port_of_the_hosts_address_of_ipv6_opens_too(dual):
    node, host6 = dual.nodes[1], IPv6Address("fd00:192:168:64::fe")
    services = OutsideServices(node.outside, lambda _asking: "", lambda: 0.0, lambda: None)
    beyond = OutsideWorld(node, services, [HOST, host6], is_near=NEAR.__contains__)
    output = Output("outside", lambda _frames, _now: None)
    beyond.open_any_port(output)
    tcp = bytes((0x9C, 0x40, 0, 80)) + bytes(8) + bytes((0x50, 2)) + bytes(6)
    head = bytes((0x60, 0, 0, 0, 0, len(tcp), 6, 64)) + bytes(16) + host6.packed
    output.transmit([bytes(14) + head + tcp], 0.0)
    assert [row["address"] for row in beyond.rows()] == [str(host6)]


def test_ports_that_are_open_are_bounded(beyond, monkeypatch):
    monkeypatch.setattr(outside_world, "_OPENED_MAX", 2)
    for port in (1, 2, 3, 3):
        opened = segment(beyond, port=port)
    assert [port for _, port, _ in opened] == [2, 3]


async def answer(reader, writer):
    writer.write(await reader.readexactly(1) + writer.get_extra_info("peername")[0].encode())
    writer.close()


@pytest.mark.asyncio
@pytest.mark.parametrize("any_port", [False, True], ids=["mapped", "any"])
async def test_pods_reach_what_is_mapped_and_any_port_where_that_is_wanted(
    tmp_path, cluster, prefix, any_port
):
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    more = {"outside_services": [row(target=f"127.0.0.1:{port}")], "outside_any": any_port}
    number = 44 + any_port
    async with cluster(tmp_path, number, 1, **more) as (one,):
        pod = await one.add_pod(5)
        settings = {"cluster_cidr": "10.244.0.0/16", "masquerade_cidr": "10.244.0.0/16"}
        await one.netlink.call("settings", settings)
        node = f"{prefix}.{number}.1".encode()
        request = await pod.fetch(SITE, 80)
        assert request[1:] == node
        other = row(address="203.0.113.2", target=f"127.0.0.1:{port}")
        await one.netlink.call("outside_service_replace", {"entries": [other]})
        assert (await pod.fetch("203.0.113.2", 80))[1:] == node
        await one.netlink.call("settings", settings | {"non_masquerade_cidrs": ["203.0.113.0/30"]})
        assert (await pod.fetch("203.0.113.2", 80))[1:] == b"127.0.0.1"  # A pod's address.
        if any_port:
            assert (await pod.fetch(str(HOST), port))[1:] == node
        else:
            with pytest.raises(ConnectionRefusedError):
                await pod.fetch(str(HOST), port)
        bad = {"entries": [row(target="192.0.2.1:80")]}
        with pytest.raises(rpc.RpcError, match="no socket of this machine's loopback"):
            await one.netlink.call("outside_service_replace", bad)
        assert len(await one.netlink.call("outside_service_list")) >= 2
    server.close()
