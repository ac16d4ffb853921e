"""IPv6 between our host and Linux: whole and in pieces, TCP, a narrow path (RFC 8201)."""

from __future__ import annotations

import asyncio
import random
import socket
from ipaddress import IPv6Address

import kernel_icmp
import kernel_tcp
import pytest
from length import LIMIT_S
from station import KERNEL6, OURS6, Station
from wireshark import FULL_WINDOWS, REPAIRS, RESETS

from componentbase.clock import monotonic
from netdev.impairment import Impairment

SIZES = (0, 56, 1452, 1453, 2904, 8000, 65_000)
DATA = random.Random(9).randbytes(400_000)
SHUFFLED = Impairment(delay_s=0.002, jitter_s=0.002, reorder=0.2, duplicate=0.2)
BAD = Impairment(delay_s=0.002, jitter_s=0.001, loss=0.01, duplicate=0.02, reorder=0.02)
FAR, NARROW = "fd98::2", 1280


async def echo(stream):
    while data := await stream.read():
        await stream.write(data)


async def exchange(stream, data):
    async def say():
        await stream.write(data)
        stream.end()

    received, _ = await asyncio.gather(stream.read_all(), say())
    return received


@pytest.mark.parametrize("wire", [Impairment(), SHUFFLED], ids=["clean", "shuffled"])
@pytest.mark.asyncio
async def test_pings_and_datagrams_of_every_size_come_back(tap_namespace, judge, wire):
    loop = asyncio.get_running_loop()
    async with Station(tap_namespace, ipv6=True) as station:
        station.impair(wire)
        station.reflect(53)
        raw = tap_namespace.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
        with raw, tap_namespace.udp(socket.AF_INET6) as datagrams:
            for size in SIZES:
                payload = random.Random(size).randbytes(size)
                assert await station.ping(payload, to=KERNEL6) == payload
                assert await kernel_icmp.ping6(raw, OURS6, payload) == payload
                await loop.sock_sendto(datagrams, payload, (OURS6, 53))
                async with asyncio.timeout(LIMIT_S):
                    while await loop.sock_recv(datagrams, 1 << 16) != payload:
                        pass  # What came twice.
        await station.silence()
        judge(station)


@pytest.mark.parametrize("wire", [None, BAD], ids=["clean", "bad wire"])
@pytest.mark.asyncio
async def test_tcp_carries_every_octet_both_ways(tap_namespace, judge, wire):
    async with Station(tap_namespace, ipv6=True, patient=wire is None) as station:
        station.impair(wire)
        station.serve(7, echo)
        async with kernel_tcp.serving(tap_namespace, kernel_tcp.echo, address=KERNEL6) as port:
            assert await exchange(await station.connect(port, to=KERNEL6), DATA) == DATA
        with await kernel_tcp.connect(tap_namespace, 7, to=OURS6) as connection:
            assert await kernel_tcp.exchange(connection, DATA) == DATA
        await station.silence()
        judge(station, FULL_WINDOWS, (*REPAIRS, *RESETS) if wire else ())


@pytest.mark.asyncio
async def test_our_segments_shrink_to_the_path(tap_namespace, new_namespace, judge):
    """A router of Linux's says Packet Too Big, of a host that says nothing of it in its MSS."""
    far = new_namespace(tap_namespace)
    tap_namespace.ip(f"link add far0 type veth peer name near0 netns {far.pid}")
    tap_namespace.sysctl("net.ipv6.conf.all.forwarding=1")
    for namespace, device in ((tap_namespace, "far0"), (far, "near0")):
        settings = ("accept_dad=0", "disable_ipv6=0")
        namespace.sysctl(*(f"net.ipv6.conf.{device}.{each}" for each in settings))
    tap_namespace.ip(f"link set far0 mtu {NARROW} up", "address add fd98::1/64 dev far0 nodad")
    far.ip(
        "link set near0 up",
        f"address add {FAR}/64 dev near0 nodad",
        f"route add fd99::/64 via fd98::1 mtu lock {NARROW} advmss 1440",
    )
    async with Station(tap_namespace, ipv6=True) as station:
        async with kernel_tcp.serving(far, kernel_tcp.echo, address=FAR) as port:
            assert await exchange(await station.connect(port, to=FAR), DATA) == DATA
            sizes = [len(each.octets) - 14 for each in station.seen if each.direction == "out"]
            assert max(sizes) == 1500, "nobody had told us"
            told = len(station.seen)
            assert await exchange(await station.connect(port, to=FAR), DATA) == DATA
        assert max(len(each.octets) - 14 for each in station.seen[told:]) == NARROW
        judge(station, FULL_WINDOWS, REPAIRS)


@pytest.mark.asyncio
async def test_a_closed_port_is_an_error_on_either_side(tap_namespace, judge):
    loop = asyncio.get_running_loop()
    async with Station(tap_namespace, ipv6=True) as station:
        with tap_namespace.udp(socket.AF_INET6) as kernel:
            kernel.connect((OURS6, 99))
            await loop.sock_sendall(kernel, b"anybody?")
            with pytest.raises(ConnectionRefusedError):
                async with asyncio.timeout(LIMIT_S):
                    await loop.sock_recv(kernel, 100)
        ours = station.host.udp_bind(IPv6Address(OURS6), 0)
        ours.connect((IPv6Address(KERNEL6), 99))
        ours.send(b"anybody?", None, monotonic())
        station.pump()
        await station.until(lambda: isinstance(ours.error, ConnectionRefusedError))
        with pytest.raises(ConnectionRefusedError):
            await kernel_tcp.connect(tap_namespace, 99, to=OURS6)
        with pytest.raises(ConnectionRefusedError):
            await station.connect(99, to=KERNEL6)
        judge(station, RESETS)
