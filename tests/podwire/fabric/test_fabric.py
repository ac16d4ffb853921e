"""Connections through the fabric, over whole links and bad ones: real sockets at both ends."""

from __future__ import annotations

import asyncio
import random
import resource
import socket
import struct

import pytest

from componentbase import process
from componentbase.clock import monotonic
from podwire.fabric import fabric, syn_filter
from podwire.fabric.balancer import Finding, State
from podwire.fabric.config import Door, Topology

RESET = struct.pack("ii", 1, 0)
pytestmark = pytest.mark.asyncio


async def ask(reader, writer, octets: bytes, *, timeout_s: float = 10.0) -> bytes:
    """Send octets and the end; return everything that comes back."""

    async def send() -> None:
        writer.write(octets)
        await writer.drain()
        writer.write_eof()

    async with asyncio.timeout(timeout_s):
        _, answer = await asyncio.gather(send(), reader.read())
    return answer


async def test_octets_pass_both_ways_and_the_target_sees_who_dials(network, open_):
    await network.master.listen(6443)
    octets = random.Random(1).randbytes(3_000_000)
    async with open_(network.node.dial(network.api)) as (reader, writer):
        assert await ask(reader, writer, octets) == octets
    assert network.master.peers == [network.node.near]


async def test_the_api_server_reaches_a_kubelet_and_the_status_names_both(network, open_, wait):
    await network.other_node.listen(10250)
    async with open_(network.master.dial((network.other_node.far, 10250))) as (reader, writer):
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        (row,) = network.connections()
        assert row == {
            "source": "control-plane-1",
            "host": "node-2",
            "octets_in": 5,
            "octets_out": 5,
            "impaired": False,
        }
    await wait(lambda: not network.connections())


async def test_an_unknown_dialler_is_outside(network, open_):
    await network.master.listen(6443)
    async with open_(asyncio.open_connection(*network.api)) as (reader, writer):
        writer.write(b"x")
        await reader.readexactly(1)
        assert network.connections()[0]["source"] == "outside"


async def test_half_close_passes_while_the_other_way_goes_on(network, open_):
    async def serve(reader, writer):
        received = await reader.read()
        writer.write(b"%d octets" % len(received))

    await network.master.listen(6443, serve)
    async with open_(network.node.dial(network.api)) as (reader, writer):
        assert await ask(reader, writer, bytes(1_000_000)) == b"1000000 octets"


@pytest.mark.parametrize("wanted", [None, {"delay_s": 0.001}])
async def test_a_reset_passes_as_a_reset_in_both_directions(network, open_, wait, wanted):
    await network.master.listen(6443)
    if wanted:
        network.impair_both(**wanted)
    for breaks in ("target", "dialler"):
        async with open_(network.node.dial(network.api)) as (reader, writer):
            writer.write(b"x")
            await reader.readexactly(1)
            there = network.master.accepted[-1]
            breaker, other = (there[1], reader) if breaks == "target" else (writer, there[0])
            sock = breaker.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            breaker.transport.abort()
            await wait(other.exception)
            assert isinstance(other.exception(), ConnectionResetError)
    await wait(lambda: not network.connections())


@pytest.mark.parametrize("wanted", [None, {"delay_s": 0.001}])
async def test_a_reset_is_noticed_while_a_full_socket_is_waited_for(network, wait, wanted):
    async def serve(_reader, writer):
        while True:
            writer.write(bytes(1 << 16))
            await writer.drain()

    await network.master.listen(6443, serve)
    if wanted:
        network.impair_both(**wanted)
    _, writer = await network.node.dial(network.api)
    writer.transport.pause_reading()
    seen = -1
    while (now := sum(row["octets_out"] for row in network.connections())) > seen or not now:
        seen = now
        await asyncio.sleep(0.2)
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    writer.transport.abort()
    await wait(lambda: not network.connections())


async def read_all(dialling) -> bytes:
    reader, writer = await dialling
    try:
        return await reader.read()
    finally:
        writer.transport.abort()


@pytest.mark.parametrize("wanted", [None, {"delay_s": 0.01}])
async def test_a_refused_connection_is_reset(network, wanted):
    if wanted:
        network.impair_both(**wanted)
    async with asyncio.timeout(5):
        with pytest.raises(ConnectionResetError):
            await read_all(network.node.dial(network.api))


async def test_a_reader_that_stops_stops_the_writer_and_neither_loses_an_octet(network, open_):
    sent = []

    async def serve(_reader, writer):
        for number in range(20_000):
            writer.write(number.to_bytes(4, "big") * 256)
            sent.append(number)
            await writer.drain()

    await network.master.listen(6443, serve)
    async with open_(network.node.dial(network.api)) as (reader, writer):
        writer.transport.pause_reading()
        seen = -1
        while seen < len(sent):
            seen = len(sent)
            await asyncio.sleep(0.1)
        assert 0 < seen < 20_000
        writer.transport.resume_reading()
        async with asyncio.timeout(20):
            received = await reader.read()
    assert received == b"".join(number.to_bytes(4, "big") * 256 for number in range(20_000))


async def test_hundreds_of_connections_at_once(network):
    process.allow_many_files()
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(400, files // 6)  # Each is four files here: two of the fabric, one at each end.
    await network.master.listen(6443)
    opened = await asyncio.gather(*(network.node.dial(network.api) for _ in range(wanted)))
    for _, writer in opened:
        writer.write(b"ping")
    async with asyncio.timeout(20):
        for reader, _ in opened:
            assert await reader.readexactly(4) == b"ping"
    assert len(network.connections()) == wanted
    for _, writer in opened:
        writer.transport.abort()


# Bad links.


async def test_a_delay_is_felt_once_each_way(network, open_):
    await network.master.listen(6443)
    network.impair_both(delay_s=0.1)
    async with open_(network.node.dial(network.api)) as (reader, writer):
        writer.write(b"x")
        await reader.readexactly(1)
        before = monotonic()
        writer.write(b"y")
        assert await reader.readexactly(1) == b"y"
        assert 0.2 <= monotonic() - before < 1
        assert network.connections()[0]["impaired"]


async def test_a_bad_link_loses_no_octet(network, open_):
    await network.master.listen(6443)
    faults = {"loss": 0.03, "corrupt": 0.03, "duplicate": 0.03, "reorder": 0.1}
    network.impair_both(delay_s=0.002, jitter_s=0.001, **faults)
    octets = random.Random(2).randbytes(300_000)
    async with open_(network.node.dial(network.api)) as (reader, writer):
        assert await ask(reader, writer, octets, timeout_s=40) == octets
    for row in network.fabric.rules.rows():
        assert row["packets"] > 100
        assert row["reordered"]
        assert row["lost"] + row["corrupted"] + row["duplicated"]


async def test_a_rate_holds(network, open_):
    await network.master.listen(6443)
    network.impair(("node-1", "control-plane-1"), rate_bit_s=4_000_000)
    octets = bytes(200_000)
    async with open_(network.node.dial(network.api)) as (reader, writer):
        before = monotonic()
        assert await ask(reader, writer, octets) == octets
        assert 0.4 <= monotonic() - before < 3


async def test_running_connections_move_onto_the_wire_without_losing_an_octet(network, open_, wait):
    await network.master.listen(6443)
    octets = random.Random(3).randbytes(20_000_000)
    async with open_(network.node.dial(network.api)) as (reader, writer):
        received = bytearray()

        async def receive() -> None:
            while piece := await reader.read(1 << 20):
                received.extend(piece)

        async def send() -> None:
            for at in range(0, len(octets), 1 << 17):
                writer.write(octets[at : at + (1 << 17)])
                await writer.drain()
            writer.write_eof()

        async with asyncio.timeout(60):
            transfer = asyncio.gather(send(), receive())
            await wait(lambda: len(received) > 2_000_000)
            network.impair_both(delay_s=0.001, limit=100_000)
            assert network.connections()[0]["impaired"]
            await wait(lambda: len(received) > 5_000_000, timeout_s=30)
            network.heal()
            assert network.connections()[0]["impaired"]  # Until it ends.
            await transfer
    assert bytes(received) == octets


async def test_a_half_closed_connection_moves_too(network, open_):
    go_on = asyncio.Event()

    async def serve(reader, writer):
        received = await reader.read()
        await go_on.wait()
        writer.write(received * 2)

    await network.master.listen(6443, serve)
    async with open_(network.node.dial(network.api)) as (reader, writer):
        writer.write(b"once")
        writer.write_eof()
        await asyncio.sleep(0.05)
        network.impair_both(delay_s=0.01)
        go_on.set()
        async with asyncio.timeout(5):
            assert await reader.read() == b"onceonce"


async def test_a_partition_is_silence_and_healing_is_felt_soon(network, open_):
    await network.master.listen(6443)
    async with open_(network.node.dial(network.api)) as (reader, writer):
        writer.write(b"x")
        await reader.readexactly(1)
        network.impair_both(loss=1)
        writer.write(b"y")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2.5):  # Past several retransmissions.
                await reader.read(1)
        network.heal()
        before = monotonic()
        async with asyncio.timeout(5):
            assert await reader.readexactly(1) == b"y"
        assert monotonic() - before < 3


async def test_a_one_way_partition_stops_one_way(network, open_, wait):
    received = bytearray()

    async def serve(reader, writer):
        while octets := await reader.read(100):
            received.extend(octets)
            writer.write(octets)

    await network.master.listen(6443, serve)
    async with open_(network.node.dial(network.api)) as (reader, writer):
        writer.write(b"x")
        await reader.readexactly(1)
        network.impair(("control-plane-1", "node-1"), loss=1)
        writer.write(b"y")
        await wait(lambda: received == b"xy")  # The data arrives, its answer does not.
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await reader.read(1)
        network.heal()
        async with asyncio.timeout(20):
            assert await reader.readexactly(1) == b"y"


async def test_nobody_answers_a_handshake_over_a_partitioned_link(network, unanswered):
    await network.master.listen(6443)
    network.impair(("control-plane-1", "node-1"), loss=1)
    await unanswered(network.node.dial(network.api))
    reader, writer = await network.other_node.dial(network.api)  # Another link.
    writer.write(b"x")
    assert await reader.readexactly(1) == b"x"
    writer.transport.abort()
    asyncio.get_running_loop().call_later(0.1, network.heal)
    async with asyncio.timeout(20):  # The kernel sends its SYN again after a second.
        _, writer = await network.node.dial(network.api)
    writer.transport.abort()


async def test_where_users_may_not_filter_nothing_is_answered_until_the_link_heals(
    network, monkeypatch, unanswered
):
    monkeypatch.setattr(syn_filter, "_SO_ATTACH_FILTER", -1)  # As a kernel that knows none.
    await network.master.listen(6443)
    network.impair(("control-plane-1", "node-1"), loss=1)
    reader, writer = await network.node.dial(network.api)
    writer.write(b"x")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await reader.read(1)
    await unanswered(network.node.dial(network.api))
    network.heal()
    async with asyncio.timeout(20):
        assert await reader.readexactly(1) == b"x"
    writer.transport.abort()


@pytest.mark.parametrize("seed", [1, 2])
async def test_transfers_are_whole_however_faults_come_and_go(network, open_, wait, seed):
    await network.master.listen(6443)
    chance = random.Random(seed)
    ways = [
        way
        for node in ("node-1", "node-2")
        for way in ((node, "control-plane-1"), ("control-plane-1", node))
    ]
    faults = (
        {"delay_s": 0.005},
        {"loss": 0.02, "delay_s": 0.002, "jitter_s": 0.002},
        {"loss": 1},
        {"corrupt": 0.05, "duplicate": 0.05},
        {},
    )
    over = asyncio.Event()

    async def flap() -> None:
        while not over.is_set():
            some = [way for way in ways if chance.random() < 0.5]
            network.impair(*some, **chance.choice(faults))
            await asyncio.sleep(chance.random() * 0.2)
        network.heal()

    async def transfer(number: int) -> None:
        host = (network.node, network.other_node)[number % 2]
        octets = random.Random(number).randbytes(chance.choice((1, 5000, 300_000)))
        async with open_(host.dial(network.api)) as (reader, writer):
            assert await ask(reader, writer, octets, timeout_s=30) == octets

    async with asyncio.TaskGroup() as group:
        group.create_task(flap())
        await asyncio.gather(*(transfer(number) for number in range(24)))
        over.set()
    await wait(lambda: not network.connections())


async def test_an_etcd_and_its_control_plane_share_addresses_and_have_a_link(
    network, open_, unanswered
):
    await network.master.listen(2379)
    listen = network.api[0], 23791
    door = Door(
        listen=listen,
        target=(network.master.near, 2379),
        host="etcd-1",
        source="control-plane-1",
    )
    hosts = {network.master.near: "control-plane-1"}
    network.fabric.configure(Topology(hosts=hosts, doors=[door]))
    network.impair(("control-plane-1", "etcd-1"), ("etcd-1", "control-plane-1"), delay_s=0.05)
    async with open_(asyncio.open_connection(*listen)) as (reader, writer):
        writer.write(b"x")
        async with asyncio.timeout(5):
            await reader.readexactly(1)
        (row,) = network.connections()
        assert (row["source"], row["host"]) == ("control-plane-1", "etcd-1")
        assert row["impaired"]
    network.impair(("etcd-1", "control-plane-1"), loss=1)
    await unanswered(asyncio.open_connection(*listen))


async def test_a_link_of_other_hosts_is_left_alone(network, open_):
    await network.master.listen(6443)
    network.impair(("node-1", "control-plane-1"), loss=1)
    async with open_(network.other_node.dial(network.api)) as (reader, writer):
        writer.write(b"x")
        await reader.readexactly(1)
        assert not network.connections()[0]["impaired"]


async def test_connections_that_wait_for_the_wire_are_carried_when_it_is_whole(network):
    await network.master.listen(6443)
    network.impair_both(loss=0.999)  # Not silent to a handshake of the kernel's.
    reader, writer = await network.node.dial(network.api)
    writer.write(b"x")
    await asyncio.sleep(0.3)
    assert network.connections() == []
    network.heal()
    async with asyncio.timeout(4):
        assert await reader.readexactly(1) == b"x"
    writer.transport.abort()


# The balanced endpoint.


async def answer_name(network, *masters: str) -> None:
    """Let API servers say who they are, then echo."""

    def serve(name: str):
        async def answer(reader, writer):
            writer.write(name.encode())
            while octets := await reader.read(100):
                writer.write(octets)

        return answer

    for name in masters:
        await network.hosts[name].listen(6443, serve(name))


async def reached(network, host, times: int) -> list[str]:
    """Return which API server each of some connections found, in no order."""
    found = []
    for _ in range(times):
        reader, writer = await host.dial(network.endpoint)
        async with asyncio.timeout(5):
            found.append((await reader.readexactly(len("control-plane-1"))).decode())
        writer.transport.abort()
    return sorted(found)


async def test_when_a_target_refuses_the_next_is_tried_before_the_dialler_notices(network):
    await answer_name(network, "control-plane-1", "control-plane-3")
    assert set(await reached(network, network.node, 6)) == {"control-plane-1", "control-plane-3"}
    row, _near = network.fabric.status()["balancers"]
    assert [each["live"] for each in row["targets"]] == [True, False, True]
    assert row["targets"][1]["error"] == "Connection refused"


async def test_a_dialler_that_is_cut_off_from_one_target_gets_another(network, unanswered):
    names = ("control-plane-1", "control-plane-2", "control-plane-3")
    await answer_name(network, *names)
    network.impair(("node-1", "control-plane-1"), ("control-plane-2", "node-1"), loss=1)
    assert set(await reached(network, network.node, 4)) == {"control-plane-3"}
    assert set(await reached(network, network.other_node, 3)) == set(names)
    network.impair(*(("node-1", name) for name in names), loss=1)
    await unanswered(network.node.dial(network.endpoint))


async def test_a_target_that_cannot_be_heard_in_time_is_passed_over(network):
    await answer_name(network, "control-plane-1", "control-plane-2")
    network.impair(("node-1", "control-plane-2"), delay_s=20)
    before = monotonic()
    assert await reached(network, network.node, 1) == ["control-plane-1"]
    assert 0.9 <= monotonic() - before < 5


async def test_connections_of_a_target_that_goes_down_are_reset_on_any_link(network, wait):
    await answer_name(network, "control-plane-1", "control-plane-2", "control-plane-3")
    network.impair(("node-1", "control-plane-3"), delay_s=0.01)
    opened = {}
    for _ in range(3):
        reader, writer = await network.node.dial(network.endpoint)
        async with asyncio.timeout(5):
            name = await reader.readexactly(len("control-plane-1"))
        opened[name.decode()] = reader, writer
    for name in ("control-plane-2", "control-plane-3"):
        network.fabric.heard((network.hosts[name].near, 6443), Finding(State.DOWN, "/livez: 500"))
        reader, _ = opened[name]
        await wait(reader.exception)
        assert isinstance(reader.exception(), ConnectionResetError)
    await wait(lambda: [row["host"] for row in network.connections()] == ["control-plane-1"])
    reader, writer = opened["control-plane-1"]
    writer.write(b"still here")
    assert await reader.readexactly(10) == b"still here"
    for _, writer in opened.values():
        writer.transport.abort()


async def test_connections_stay_while_no_target_is_ready_and_go_over_to_one_that_is(network, wait):
    names = ("control-plane-1", "control-plane-2", "control-plane-3")
    await answer_name(network, *names)
    addresses = [(network.hosts[name].near, 6443) for name in names]
    unready = Finding(State.UNREADY, "/readyz: 500")
    for _ in range(3):
        for address in addresses:
            network.fabric.heard(address, unready)
    assert set(await reached(network, network.node, 3)) == set(names)
    opened = {}
    for _ in names:
        reader, writer = await network.node.dial(network.endpoint)
        opened[(await reader.readexactly(len(names[0]))).decode()] = reader, writer
    for _ in range(2):
        findings = (Finding(State.READY), unready, unready)
        for address, finding in zip(addresses, findings, strict=True):
            network.fabric.heard(address, finding)
    for name in names[1:]:
        await wait(opened[name][0].exception)
    assert await reached(network, network.node, 2) == [names[0]] * 2
    reader, writer = opened[names[0]]
    writer.write(b"still here")
    async with asyncio.timeout(5):
        assert await reader.readexactly(10) == b"still here"
    for _, writer in opened.values():
        writer.transport.abort()


async def test_a_balanced_connection_that_is_cut_off_ends_when_another_target_answers(
    network, wait, monkeypatch
):
    monkeypatch.setattr(fabric, "CUT_OFF_S", 0.2)
    await answer_name(network, "control-plane-1")
    reader, writer = await network.node.dial(network.endpoint)
    async with asyncio.timeout(5):
        await reader.readexactly(len("control-plane-1"))
    network.impair_both(loss=1)
    await asyncio.sleep(0.4)
    network.heal()
    writer.write(b"x")  # The others had failed: there was nowhere to go.
    async with asyncio.timeout(20):
        await reader.readexactly(1)
    await answer_name(network, "control-plane-2")
    network.fabric.heard((network.hosts["control-plane-2"].near, 6443), Finding(State.READY))
    network.impair_both(loss=1)
    await wait(reader.exception)
    assert isinstance(reader.exception(), ConnectionResetError)
    assert await reached(network, network.node, 2) == ["control-plane-2"] * 2
    writer.transport.abort()


async def test_when_no_target_is_left_the_dialler_is_reset(network):
    async with asyncio.timeout(5):
        with pytest.raises(ConnectionResetError):
            await read_all(network.node.dial(network.endpoint))
