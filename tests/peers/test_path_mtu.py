"""A narrow link behind the kernel: its routers tell us, and we heed them (RFC 1191)."""

from __future__ import annotations

import asyncio
import random
from ipaddress import IPv4Address

import kernel_tcp
import pytest
from station import NETWORK, Station
from wireshark import FULL_WINDOWS, REPAIRS

from componentbase.clock import monotonic

DATA = random.Random(6).randbytes(500_000)
FAR, NARROW = "10.98.0.2", 1000


@pytest.fixture
def far(tap_namespace, new_namespace):
    """A host behind a link of 1,000 octets, of which it says nothing in its MSS."""
    namespace = new_namespace(tap_namespace)
    tap_namespace.ip(f"link add far0 type veth peer name near0 netns {namespace.pid}")
    tap_namespace.ip(f"link set far0 mtu {NARROW} up", "address add 10.98.0.1/24 dev far0")
    tap_namespace.sysctl("net.ipv4.ip_forward=1")
    namespace.ip(
        "link set near0 up",
        f"address add {FAR}/24 dev near0",
        f"route add {NETWORK}.0/24 via 10.98.0.1 mtu lock {NARROW} advmss 1460",
    )
    return namespace


async def count(stream):
    await stream.write(b"%d" % len(await stream.read_all()))


def longest(station, direction):
    return max(
        int.from_bytes(each.octets[16:18], "big")
        for each in station.seen
        if each.direction == direction and each.octets[12:14] == b"\x08\x00"
    )


@pytest.mark.asyncio
async def test_our_segments_shrink_to_the_path(tap_namespace, far, judge):
    async with Station(tap_namespace) as station:
        async with kernel_tcp.serving(far, kernel_tcp.echo) as port:
            stream = await station.connect(port, to=FAR)
            await stream.write(DATA)
            stream.end()
            assert await stream.read_all() == DATA
            assert longest(station, "out") == 1500, "nobody had told us"
            told = len(station.seen)
            again = await station.connect(port, to=FAR)
            await again.write(DATA)
            again.end()
            assert await again.read_all() == DATA
        assert max(len(each.octets) - 14 for each in station.seen[told:]) == NARROW
        judge(station, FULL_WINDOWS, REPAIRS)


@pytest.mark.asyncio
async def test_our_datagrams_shrink_to_the_path(tap_namespace, far, judge):
    loop = asyncio.get_running_loop()
    async with Station(tap_namespace) as station:
        with far.udp() as theirs:
            theirs.bind((FAR, 53))
            ours = station.udp(0)
            for size in (1400, 1400, 5000):
                ours.send(DATA[:size], (IPv4Address(FAR), 53), monotonic())
                station.pump()
                await station.silence()
            async with asyncio.timeout(10):
                received = [await loop.sock_recv(theirs, 1 << 16) for _ in range(2)]
            # The first had DF and was too long: it went lost, and taught us.
            assert received == [DATA[:1400], DATA[:5000]]
        judge(station)


@pytest.mark.asyncio
async def test_linux_uses_what_we_offer_and_no_more(tap_namespace, judge):
    """Our MTU is smaller than the kernel's: our MSS says so, and its datagrams come in pieces."""
    async with Station(tap_namespace, mtu=NARROW) as station:
        tap_namespace.ip("link set tap0 mtu 1500")
        station.serve(80, count)
        with await kernel_tcp.connect(tap_namespace, 80) as connection:
            assert await kernel_tcp.exchange(connection, DATA) == b"%d" % len(DATA)
        assert longest(station, "in") == NARROW
        judge(station, FULL_WINDOWS)
