"""Faults between pods and their node: in memory, and between a real process and its pods."""

from __future__ import annotations

import asyncio
import math
import random

import msgspec
import pytest

from componentbase import rpc
from componentbase.clock import monotonic
from nodeagent.datapath import tables, veth_faults
from nodeagent.datapath.drops import DropReason
from nodeagent.datapath.veth_faults import Receivers, VethFaults

LINK = "veth1-5"


class Veths:
    """The faults of node 1's veths, and what its pods and its bridge were given."""

    def __init__(self, world) -> None:
        self.node, self.sent, self.exchanged = world.nodes[1], [], []
        self.faults = VethFaults(
            self.node,
            lambda name, frames: self.sent.append((name, [bytes(each) for each in frames])),
            lambda name, frames, segment: self.sent.append((name, segment)),
            self.exchanged.append,
        )
        world.pod(1, 5)
        self.port = self.node.ports[LINK]
        self.port.output.transmit = self.faults.transmitter(LINK)

    def impair(self, direction: str, now: float = 0.0, **wanted) -> None:
        entry = tables.LinkImpairment(name=LINK, direction=direction, **wanted)
        self.faults.impair([entry], now)


@pytest.fixture
def veths(world):
    return Veths(world)


def test_a_whole_veth_is_as_it_was(veths):
    node = veths.node
    assert veths.faults.receivers(LINK) == Receivers(node.receive_port, node.receive_offloaded)
    veths.faults.offloader(LINK)([bytearray(60)], 1000, 0.0)
    assert veths.sent.pop() == (LINK, 1000)
    veths.port.output.transmit([b"frame"], 0.0)
    assert veths.sent == [(LINK, [b"frame"])]
    assert veths.faults.deadline() == math.inf


def test_frames_to_a_pod_are_copied_wait_and_leave_as_one_batch(veths):
    veths.impair("to-pod", delay_s=0.1)
    buffer = bytearray(b"abcdef")
    veths.port.output.transmit([memoryview(buffer)[:3], memoryview(buffer)[3:]], 1.0)
    buffer[:] = b"______"
    veths.faults.handle_deadline(1.05)
    assert veths.sent == []
    assert veths.faults.deadline() == pytest.approx(1.1)
    veths.faults.handle_deadline(1.1)
    assert veths.sent == [(LINK, [b"abc", b"def"])]
    assert veths.exchanged == [], "nothing is wrong with the other direction"


def test_frames_of_a_pod_reach_the_bridge_late_and_may_be_changed_there(veths, world):
    veths.impair("from-pod", delay_s=0.2)
    assert veths.exchanged == [LINK]
    other = world.pod(1, 6)
    _, port, host = world.stacks[LINK]
    host.ping(other.address, identifier=1, sequence=1, payload=b"x" * 8, now=world.now)
    frames = [memoryview(each) for each in host.frames_to_send()]
    before = port.rx_packets
    veths.faults.receivers(LINK).ordinary(port, frames, world.now)
    assert port.rx_packets == before
    veths.faults.handle_deadline(world.now + 0.2)
    assert port.rx_packets == before + len(frames)


def test_a_rule_that_is_healed_gives_back_what_waits_and_its_drops_stay_counted(veths):
    veths.impair("to-pod", delay_s=30, limit=1)
    veths.port.output.transmit([b"first", b"second"], 0.0)
    veths.faults.heal([(LINK, "to-pod")], 1.0)
    assert veths.sent == [(LINK, [b"first"])]
    veths.port.output.transmit([b"third"], 1.0)
    assert veths.sent[1] == (LINK, [b"third"])
    assert dict(veths.faults.drops) == {"impairment-overlimit": 1}
    assert veths.faults.rows() == []
    veths.faults.heal([(LINK, "to-pod")], 1.0)  # What is whole stays so.


def test_a_rule_may_come_before_its_link_and_outlives_it(veths, world):
    entry = tables.LinkImpairment(name="veth1-9", direction="to-pod", delay_s=1)
    veths.faults.impair([entry], 0.0)
    veths.faults.transmitter("veth1-9")([b"early"], 0.0)
    veths.faults.link_gone("veth1-9")
    assert veths.node.drops[DropReason.LINK_DOWN] == 1
    assert veths.faults.deadline() == math.inf
    assert [row["name"] for row in veths.faults.rows()] == ["veth1-9"]
    veths.faults.transmitter("veth1-9")([b"later"], 2.0)
    assert veths.faults.deadline() == 3.0


def test_the_list_shows_both_directions_with_their_counters(veths):
    veths.impair("to-pod", loss=1)
    veths.impair("from-pod", delay_s=1)
    veths.port.output.transmit([b"x"] * 3, 0.0)
    veths.impair("to-pod", loss=1, corrupt=0.5)  # A change keeps them.
    to, of = veths.faults.rows()
    assert (to["name"], to["direction"], to["corrupt"]) == (LINK, "to-pod", 0.5)
    assert (to["packets"], to["lost"], of["packets"]) == (3, 3, 0)
    assert dict(veths.faults.drops) == {"impairment-loss": 3}


def test_the_table_has_an_end_and_nothing_is_half_applied(veths, monkeypatch):
    monkeypatch.setattr(veth_faults, "ENTRIES_MAX", 2)
    entries = [tables.LinkImpairment(name=f"veth{n}", direction="to-pod", loss=1) for n in range(3)]
    with pytest.raises(ValueError, match="2 faults between pods"):
        veths.faults.impair(entries, 0.0)
    assert veths.faults.rows() == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": LINK, "loss": 1},
        {"name": LINK, "direction": "up", "loss": 1},
        {"direction": "to-pod", "loss": 1},
        {"name": LINK, "direction": "to-pod", "loss": 2},
    ],
)
def test_an_entry_names_a_link_and_a_direction(wrong):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(wrong, tables.LinkImpairment)


# Between a process and its pods.


async def impair(node, pod, direction: str, **wanted) -> None:
    entry = {"name": pod.interface, "direction": direction, **wanted}
    await node.netlink.call("link_impairment_replace", {"entries": [entry]})


async def ping_s(pod, address: str) -> float:
    before = monotonic()
    assert await pod.ping(address)
    return monotonic() - before


@pytest.mark.asyncio
async def test_one_pods_veth_is_slow_in_either_direction_and_others_are_not(tmp_path, cluster):
    async with cluster(tmp_path, 24, nodes=1) as (one,):
        a, b = await one.add_pod(5), await one.add_pod(6)
        assert await ping_s(b, "10.244.1.5") < 0.1
        for direction in ("to-pod", "from-pod"):
            await impair(one, a, direction, delay_s=0.12)
            assert 0.12 <= await ping_s(b, "10.244.1.5") < 0.24
            await one.netlink.call("link_impairment_delete", {"keys": [[a.interface, direction]]})
        await impair(one, a, "to-pod", delay_s=0.12)
        await impair(one, a, "from-pod", delay_s=0.12)
        assert await ping_s(a, "10.244.1.6") >= 0.24
        assert await ping_s(b, "10.244.1.1") < 0.1
        rows = await one.netlink.call("link_impairment_list")
        assert all(row["delayed"] for row in rows)
        entry = {"name": a.interface, "direction": "to-pod", "loss": 1.5}
        with pytest.raises(rpc.RpcError, match="loss is a share") as refusal:
            await one.netlink.call("link_impairment_replace", {"entries": [entry]})
        assert refusal.value.code == "InvalidArgument"
        assert await one.netlink.call("link_impairment_list") == rows


@pytest.mark.asyncio
async def test_flipped_bits_are_caught_by_the_pods_checksums_and_silence_is_survived(
    tmp_path, cluster
):
    async with cluster(tmp_path, 25, nodes=1) as (one,):
        a, b = await one.add_pod(5), await one.add_pod(6)
        answer = random.Random(1).randbytes(200_000)
        a.serve_tcp(80, answer)
        assert await b.ping("10.244.1.5")
        await impair(one, b, "to-pod", corrupt=0.2, seed=3)
        assert await b.fetch("10.244.1.5", 80, timeout_s=30) == answer
        (row,) = await one.netlink.call("link_impairment_list")
        assert row["seed"] == 3
        assert row["corrupted"] > 5
        caught = {reason.value: count for reason, count in b.host.drops.items()}
        assert 0 < caught["tcp_checksum"] <= row["corrupted"]
        assert sum(caught.values()) >= 0.8 * row["corrupted"], "few hit the Ethernet header"
        await impair(one, b, "to-pod", loss=1)
        assert not await b.ping("10.244.1.5", timeout_s=0.2)
        await one.netlink.call("link_impairment_delete", {"keys": [[b.interface, "to-pod"]]})
        assert await b.fetch("10.244.1.5", 80, timeout_s=10) == answer
        counters = await one.netlink.call("counters")
        assert counters["drops"]["impairment-loss"] >= 1


@pytest.mark.asyncio
async def test_a_datapath_that_restarts_may_hear_of_faults_before_links(tmp_path, cluster):
    async with cluster(tmp_path, 27, nodes=1) as (one,):
        a = await one.add_pod(5)
        one.pods.remove(a)
        await one.restart([])
        await impair(one, a, "to-pod", delay_s=0.15)
        await one.netlink.call("link_replace", {"entries": [a.link]})
        one.pods.append(a)
        async with asyncio.timeout(10):
            while not await a.ping("10.244.1.1", timeout_s=0.5):
                pass
        assert await ping_s(a, "10.244.1.1") >= 0.15
