"""Echoes and datagrams of every size between our host and Linux, whole and in pieces."""

from __future__ import annotations

import asyncio
import random
from ipaddress import IPv4Address

import kernel_icmp
import pytest
from length import LIMIT_S
from station import MTU, OURS, Station

from componentbase.clock import monotonic
from netdev.impairment import Impairment

IPV4 = b"\x08\x00"
PAYLOAD_MAX = 65507
WHOLE = MTU - 28  # What fits into one packet behind ICMP's or UDP's header.
SIZES = (0, 1, 7, 56, WHOLE - 1, WHOLE, WHOLE + 1, 2 * WHOLE, 8191, 65506, PAYLOAD_MAX)
#: Nothing is lost, so everything must arrive; twice, in any order.
SHUFFLED = Impairment(delay_s=0.002, jitter_s=0.002, reorder=0.2, duplicate=0.2)


def payloads():
    chance = random.Random(5)
    return [chance.randbytes(size) for size in (*SIZES, *chance.sample(range(PAYLOAD_MAX), 20))]


def is_a_later_piece(seen):
    """Tell whether a frame is a fragment other than the first."""
    frame = seen.octets
    return frame[12:14] == IPV4 and int.from_bytes(frame[20:22], "big") & 0x1FFF != 0


@pytest.mark.parametrize("wire", [Impairment(), SHUFFLED], ids=["clean", "shuffled"])
@pytest.mark.asyncio
async def test_pings_of_every_size_come_back(tap_namespace, judge, wire):
    async with Station(tap_namespace) as station:
        station.impair(wire)
        with kernel_icmp.open_raw(tap_namespace) as raw:
            for payload in payloads():
                assert await station.ping(payload) == payload
                assert await kernel_icmp.ping(raw, OURS, payload) == payload
        await station.silence()
        assert any(is_a_later_piece(each) for each in station.seen)
        judge(station)


@pytest.mark.parametrize("wire", [Impairment(), SHUFFLED], ids=["clean", "shuffled"])
@pytest.mark.asyncio
async def test_datagrams_of_every_size_come_back(tap_namespace, judge, wire):
    loop = asyncio.get_running_loop()
    async with Station(tap_namespace) as station:
        station.impair(wire)
        station.reflect(53)
        arrived = asyncio.Queue()
        ours = station.udp(54)

        def take():
            while (datagram := ours.receive()) is not None:
                arrived.put_nowait(datagram)

        ours.on_ready = take
        with tap_namespace.udp() as kernel:
            kernel.bind((station.kernel, 0))
            for payload in payloads():
                await loop.sock_sendto(kernel, payload, (OURS, 53))
                assert await next_of(lambda: loop.sock_recv(kernel, 1 << 16), payload)
                ours.send(
                    payload, (IPv4Address(station.kernel), kernel.getsockname()[1]), monotonic()
                )
                station.pump()
                assert await next_of(lambda: loop.sock_recv(kernel, 1 << 16), payload)
                await loop.sock_sendto(kernel, payload, (OURS, 54))
                assert await next_of(arrived.get, payload)
        await station.silence()
        judge(station)


async def next_of(receive, payload):
    """Tell whether *payload* comes; what comes twice may be in front of it."""
    async with asyncio.timeout(LIMIT_S):
        while True:
            received = await receive()
            if getattr(received, "data", received) == payload:
                return True


@pytest.mark.asyncio
async def test_a_closed_port_is_an_error_on_either_side(tap_namespace, judge):
    loop = asyncio.get_running_loop()
    async with Station(tap_namespace) as station:
        with tap_namespace.udp() as kernel:
            kernel.connect((OURS, 99))
            await loop.sock_sendall(kernel, b"anybody?")
            with pytest.raises(ConnectionRefusedError):
                async with asyncio.timeout(LIMIT_S):
                    await loop.sock_recv(kernel, 100)
        ours = station.udp(0)
        ours.connect((IPv4Address(station.kernel), 99))
        ours.send(b"anybody?", None, monotonic())
        station.pump()
        await station.until(lambda: isinstance(ours.error, ConnectionRefusedError))
        judge(station)


@pytest.mark.asyncio
async def test_pieces_that_never_come_are_reported(tap_namespace, judge):
    """Linux tells us, after its ipfrag_time, that our datagram's rest did not come."""
    tap_namespace.sysctl("net.ipv4.ipfrag_time=1")
    async with Station(tap_namespace) as station:
        station.loses = is_a_later_piece  # Without the first nobody could be told.
        frames = len(station.seen)
        ours = station.udp(0)
        ours.send(bytes(40_000), (IPv4Address(station.kernel), 99), monotonic())
        station.pump()

        def reported() -> bool:
            return any(
                each.octets[23] == 1 and each.octets[34:36] == bytes((11, 1))
                for each in station.seen[frames:]
                if each.direction == "in" and each.octets[12:14] == IPV4
            )

        await station.until(reported)
        judge(station)
