"""Every octet arrives, between our TCP and Linux', whatever the wire does and they agree on."""

from __future__ import annotations

import asyncio
import random
from collections import deque

import kernel_tcp
import pytest
from length import TIMES
from station import Segment, Station, Stream
from wireshark import FULL_WINDOWS, KEEPALIVES, REPAIRS, RESETS

from netdev.impairment import Impairment
from netstack.drops import DropReason

DATA = random.Random(1).randbytes(400_000 * TIMES)
MUCH = random.Random(2).randbytes(1_000_000)
#: Octets on the wire per octet of DATA, at most: what was lost, and what was believed to be.
WASTE_MAX = 1.5
WIRES = {
    "lossy": Impairment(loss=0.02),
    "bursts": Impairment(loss_gemodel=(0.005, 0.3), delay_s=0.001),
    "reordering": Impairment(delay_s=0.003, reorder=0.05),
    "jittery": Impairment(delay_s=0.003, jitter_s=0.003),
    "duplicating": Impairment(duplicate=0.1),
    "all at once": Impairment(
        delay_s=0.002, jitter_s=0.001, loss=0.01, duplicate=0.02, reorder=0.02
    ),
}
MSS, WINDOW_SCALE, SACK_PERMITTED, TIMESTAMPS = 2, 3, 4, 8


async def echo(stream: Stream) -> None:
    while data := await stream.read():
        await stream.write(data)


async def exchange(stream: Stream, data: bytes) -> bytes:
    async def say() -> None:
        await stream.write(data)
        stream.end()

    received, _ = await asyncio.gather(stream.read_all(), say())
    return received


async def exchange_both_ways(station: Station, data: bytes = DATA) -> None:
    """Let each side connect to the other, and send *data* there and back."""
    station.serve(7, echo)
    async with kernel_tcp.serving(station.namespace, kernel_tcp.echo) as port:

        async def ours() -> bytes:
            return await exchange(await station.connect(port), data)

        async def theirs() -> bytes:
            with await kernel_tcp.connect(station.namespace, 7) as connection:
                return await kernel_tcp.exchange(connection, data)

        assert [each == data for each in await asyncio.gather(ours(), theirs())] == [True, True]
        await station.silence()


@pytest.mark.asyncio
async def test_a_long_wire_is_filled(tap_namespace, judge):
    """100 ms there and back: without window scaling only 64 KiB could be on the way."""
    async with Station(tap_namespace) as station:
        station.impair(Impairment(delay_s=0.05, limit=10_000))
        await exchange_both_ways(station, MUCH)
        for direction in ("out", "in"):
            assert most_in_a_round_trip(station, direction, 0.1) > 200_000, direction
        assert payload(station, "in") == 2 * len(MUCH)
        judge(station, FULL_WINDOWS)


def most_in_a_round_trip(station: Station, direction: str, seconds: float) -> int:
    """Return how much data of one connection passed us in that time at most."""
    passed: dict[tuple[int, int], deque[tuple[int, int]]] = {}
    most = 0
    for seen in station.seen:
        segment = seen.segment()
        if segment is None or not segment.length or seen.direction != direction:
            continue
        recent = passed.setdefault(segment.ports, deque())
        recent.append((seen.at_ns, segment.length))
        while recent[0][0] < seen.at_ns - seconds * 1e9:
            recent.popleft()
        most = max(most, sum(length for _, length in recent))
    return most


def payload(station: Station, direction: str) -> int:
    return sum(each.length for each in station.segments(direction))


@pytest.mark.asyncio
async def test_a_clean_wire_carries_each_octet_once(tap_namespace, judge):
    async with Station(tap_namespace) as station:
        await exchange_both_ways(station)
        assert payload(station, "in") == 2 * len(DATA)
        judge(station, FULL_WINDOWS)


@pytest.mark.parametrize("seed", range(1, TIMES + 1))
@pytest.mark.parametrize("name", WIRES)
@pytest.mark.asyncio
async def test_a_bad_wire_carries_every_octet(tap_namespace, judge, name, seed):
    async with Station(tap_namespace, patient=False, seed=seed) as station:
        station.impair(WIRES[name])
        await exchange_both_ways(station)
        for direction in ("out", "in"):
            assert payload(station, direction) < WASTE_MAX * 2 * len(DATA), direction
        # Late copies meet a closed port; what a FIN overtook looks like a keep-alive.
        judge(station, REPAIRS, FULL_WINDOWS, RESETS, KEEPALIVES)


@pytest.mark.asyncio
async def test_damaged_segments_are_dropped_by_both(tap_namespace):
    async with Station(tap_namespace, patient=False) as station:
        await station.ping(b"")  # Without ARP's checksums, a wrong bit makes a wrong neighbour.
        damage = Impairment(corrupt=0.05)
        station.impair(damage)
        await exchange_both_ways(station)
        assert station.to_us.counters.corrupted > 10
        assert station.to_kernel.counters.corrupted > 10
        assert station.host.drops[DropReason.TCP_CHECKSUM] > 5


@pytest.mark.parametrize("loss", [0.0, 0.02])
@pytest.mark.parametrize(
    "off",
    [
        {"tcp_sack", "tcp_timestamps", "tcp_window_scaling"},
        {"tcp_sack"},
        {"tcp_timestamps"},
        {"tcp_window_scaling"},
    ],
    ids=lambda off: "no " + " ".join(sorted(off)),
)
@pytest.mark.asyncio
async def test_what_the_kernel_does_not_offer_is_not_used(tap_namespace, judge, off, loss):
    tap_namespace.sysctl(*(f"net.ipv4.{name}=0" for name in off))
    async with Station(tap_namespace, patient=not loss) as station:
        await station.ping(b"")
        station.impair(Impairment(loss=loss))
        await exchange_both_ways(station)
        answers = [
            each
            for each in station.segments("out")
            if each.flags & (Segment.SYN | Segment.ACK) == Segment.SYN | Segment.ACK
        ]
        options = {
            "tcp_sack": SACK_PERMITTED,
            "tcp_timestamps": TIMESTAMPS,
            "tcp_window_scaling": WINDOW_SCALE,
        }
        assert answers
        for answer in answers:
            assert answer.option(MSS) is not None
            for name, kind in options.items():
                assert (answer.option(kind) is None) == (name in off), name
        # Without scaling, a window of 64 KiB that was read again looks as before.
        judge(station, (*REPAIRS, *RESETS) if loss else ("duplicate ack (#1)",), FULL_WINDOWS)
