"""A pod's stack and the outside's, joined in memory; behind them a service on the loopback."""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager
from ipaddress import IPv4Address, IPv4Interface

import pytest

from componentbase.clock import monotonic
from netstack.ip_host import IpHost
from nodeagent.datapath.outside_services import OutsideService, OutsideServices

POD, HOST = IPv4Address("10.244.0.5"), IPv4Address("192.168.64.254")
PORT, CARRIER = 53, "127.0.70.5"
BOUND_S = 5.0


def stack(address):
    return IpHost(
        address=IPv4Interface((address, 32)),
        mtu=1450,
        rng=random.Random(1),
        source_for=lambda _destination: address,
    )


class Echo(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        self.transport.sendto(b"answer to " + data + b" of " + addr[0].encode(), addr)


async def serve_tcp(reader, writer):
    asking = writer.get_extra_info("peername")[0].encode()
    writer.write(b"answer to " + await reader.readexactly(5) + b" of " + asking)
    writer.close()


@asynccontextmanager
async def world(*, upstream=None):
    """Yield the pod's stack and the gateway; what either says is carried to the other."""
    pod, outside = stack(POD), stack(HOST)
    loop = asyncio.get_running_loop()
    server = await asyncio.start_server(serve_tcp, "127.0.0.1", 0)
    where = server.sockets[0].getsockname()
    transport, _ = await loop.create_datagram_endpoint(Echo, local_addr=where)

    def carry():
        while (said := pod.packets_to_send()) + (heard := outside.packets_to_send()):
            outside.receive_packets(said, monotonic())
            pod.receive_packets(heard, monotonic())

    gateway = OutsideServices(
        outside, lambda _asking: CARRIER, monotonic, lambda: loop.call_soon(carry)
    )
    target = upstream or where
    gateway.add(OutsideService(HOST, PORT, protocol, target) for protocol in ("UDP", "TCP"))
    pod.carry = carry
    try:
        yield pod, gateway
    finally:
        await gateway.close()
        transport.close()
        server.close()


async def until(condition):
    async with asyncio.timeout(BOUND_S):
        while not condition():
            await asyncio.sleep(0.005)


@pytest.mark.asyncio
async def test_a_question_by_udp_is_answered():
    async with world() as (pod, gateway):
        heard = []
        for number in range(3):
            asking = pod.udp_bind(POD, 0)
            asking.on_ready = lambda asking=asking: heard.append(asking.receive())
            asking.send(f"ask {number}".encode(), (HOST, PORT), monotonic())
        pod.carry()
        await until(lambda: len(heard) == 3)
        assert {each.data for each in heard} == {
            b"answer to ask %d of 127.0.70.5" % n for n in range(3)
        }
        assert {each.remote for each in heard} == {(HOST, PORT)}
        assert gateway.drops == 0


@pytest.mark.asyncio
async def test_a_question_by_tcp_is_answered():
    async with world() as (pod, _):
        connection = pod.tcp_connect((HOST, PORT), monotonic(), local=(POD, 0))
        pod.carry()
        assert connection.write(b"ask 1", monotonic()) == 5
        pod.carry()
        await until(lambda: connection.readable_octets == 29)
        assert connection.read(100, monotonic()) == b"answer to ask 1 of 127.0.70.5"
        connection.close(monotonic())
        pod.carry()
        await until(lambda: connection.closed)


@pytest.mark.asyncio
async def test_a_resolver_that_is_not_there_is_counted_and_resets():
    gone = await asyncio.start_server(serve_tcp, "127.0.0.1", 0)
    upstream = gone.sockets[0].getsockname()
    gone.close()
    await gone.wait_closed()
    async with world(upstream=upstream) as (pod, gateway):
        asking = pod.udp_bind(POD, 0)
        for _ in range(3):  # The first one finds out; the kernel tells the next.
            asking.send(b"ask", (HOST, PORT), monotonic())
            pod.carry()
            await asyncio.sleep(0)
        await until(lambda: gateway.drops > 0)
        connection = pod.tcp_connect((HOST, PORT), monotonic(), local=(POD, 0))
        pod.carry()
        await until(lambda: connection.closed)


@pytest.mark.asyncio
async def test_many_askers_make_room_for_each_other(monkeypatch):
    monkeypatch.setattr("nodeagent.datapath.outside_services._CLIENTS_MAX", 4)
    async with world() as (pod, gateway):
        heard = []
        for _ in range(20):
            asking = pod.udp_bind(POD, 0)
            asking.on_ready = lambda asking=asking: heard.append(asking.receive())
            asking.send(b"ask", (HOST, PORT), monotonic())
            pod.carry()
        await until(lambda: len(heard) >= 4)
        assert len(gateway._clients) <= 4


@pytest.mark.asyncio
async def test_what_is_removed_takes_nobody_new():
    async with world() as (pod, gateway):
        gateway.remove([(HOST, PORT, "TCP"), (HOST, PORT, "UDP"), (HOST, 80, "TCP")])
        assert gateway.offered() == []
        connection = pod.tcp_connect((HOST, PORT), monotonic(), local=(POD, 0))
        pod.carry()
        await until(lambda: connection.closed)
        assert isinstance(connection.error, ConnectionRefusedError)


@pytest.mark.asyncio
async def test_another_target_takes_the_place_of_the_first():
    async with world() as (_, gateway):
        (first, *_) = gateway.offered()
        gateway.add([OutsideService(HOST, PORT, first.protocol, ("127.0.0.1", 1))])
        assert [each.target for each in gateway.offered() if each.key == first.key] == [
            ("127.0.0.1", 1)
        ]
