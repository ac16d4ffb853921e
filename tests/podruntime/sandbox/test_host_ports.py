"""Ports of the node, as a pod asks for them; the answering side is the datapath's own."""

from __future__ import annotations

import asyncio
import errno
import random
import socket
from ipaddress import IPv4Address, IPv4Interface, IPv6Address

import pytest

from componentbase.clock import monotonic
from netstack.host import Host
from nodeagent.datapath import tables
from nodeagent.datapath.devices import Port
from nodeagent.datapath.host_links import HostLinks
from nodeagent.datapath.host_port_claims import HostPortClaims
from nodeagent.datapath.output import Output
from podruntime.sandbox.host_ports import HostPorts
from podruntime.sandbox.interface import NetworkInterface

NODE = "192.168.64.1/32"


def new_links(*names):
    links = HostLinks()
    for name in names:
        entry = tables.Link(name=name, kind="host", mac="0a:59:00:00:00:01", address=NODE)
        links.add(Port(entry, Output(name, lambda _frames, _now: None)))
    return links


async def asked(function, *arguments):
    """Call what waits for an answer of this very loop."""
    return await asyncio.to_thread(function, *arguments)


@pytest.mark.asyncio
async def test_ports_are_taken_on_trust_while_nobody_answers_and_claimed_later(tmp_path):
    pod, other, nobody = (HostPorts(tmp_path / "s", f"host{number}") for number in (1, 2, 9))
    pod.claim("TCP", 80)
    assert pod.again() is None
    links = new_links("host1", "host2")
    claims = HostPortClaims(links, lambda: None, lambda _protocol, _port: False)
    await claims.start(tmp_path / "s")
    try:
        own = await asked(pod.again)
        assert own == links.ephemeral("host1")
        assert links.claims() == [("TCP", 80)]
        await asked(pod.claim, "TCP", own.first)
        await asked(pod.claim, "TCP", 80)
        assert links.claims() == [("TCP", 80)]
        with pytest.raises(OSError, match="in use") as refused:
            await asked(other.claim, "TCP", 80)
        assert refused.value.errno == errno.EADDRINUSE
        assert await asked(nobody.again) is None
    finally:
        for each in (pod, other, nobody):
            each.close()
        claims.close()


def interface(claim):
    """Return a pod's interface that asks *claim* about ports."""
    address = IPv4Interface(NODE)
    host = Host(mac=bytes(6), address=address, gateway=None, mtu=1450, rng=random.Random(1))
    made = NetworkInterface(host, asyncio.get_running_loop(), monotonic)
    made.claim = claim
    return made


@pytest.mark.asyncio
async def test_binding_asks_for_what_is_not_the_pods_alone():
    asked_for = []

    def claim(protocol, port):
        asked_for.append((protocol, port))
        if port == 81:
            raise OSError(errno.EADDRINUSE, "taken")

    eth0 = interface(claim)
    eth0.reserve((None, 80), v6only=False)
    eth0.reserve((IPv4Address("127.0.0.1"), 90), v6only=False)
    eth0.bind_datagrams((None, 53), v6only=False)
    assert asked_for == [("TCP", 80), ("UDP", 53)]
    with pytest.raises(OSError, match="taken"):
        eth0.reserve((None, 81), v6only=False)
    with pytest.raises(OSError, match="taken"):
        eth0.bind_datagrams((None, 81), v6only=False)
    eth0.claim = None
    eth0.reserve((None, 81), v6only=False)  # What was refused is not kept.
    eth0.bind_datagrams((None, 81), v6only=False)
    eth0.close()


@pytest.mark.asyncio
async def test_what_the_pod_does_not_serve_is_the_nodes():
    made = interface(lambda _protocol, _port: None)
    node, own, loopback = (IPv4Address(each) for each in ("169.254.1.1", NODE[:-3], "127.0.0.1"))
    stream, datagram = socket.SOCK_STREAM, socket.SOCK_DGRAM
    assert made.beyond((loopback, 30080), stream) == (loopback, 30080), "a network of its own"
    made.node = node
    assert made.beyond((loopback, 30080), stream) == (node + 1, 30080)
    assert made.beyond((own, 30080), stream) == (node, 30080)
    assert made.beyond((own, 53), datagram) == (node, 53)
    far, six = IPv4Address("10.96.0.1"), IPv6Address("::1")
    assert made.beyond((far, 443), stream) == (far, 443)
    assert made.beyond((six, 443), stream) == (six, 443)
    listener = made.host.tcp_listen(None, 8080)
    made.udp_sockets[made.bind_datagrams((None, 53), v6only=False)] = None
    assert made.beyond((loopback, 8080), stream) == (loopback, 8080)
    assert made.beyond((own, 8080), datagram) == (node, 8080)
    assert made.beyond((own, 53), datagram) == (own, 53)
    listener.close(made.now())
    made.close()
