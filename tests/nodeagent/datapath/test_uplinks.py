"""Faults on the wire between nodes: in memory, bit by bit, and between real processes."""

from __future__ import annotations

import asyncio
import random
from ipaddress import IPv4Address

import msgspec
import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from componentbase import rpc
from componentbase.clock import monotonic
from netdev.transport_map import TransportMap
from netstack import offload
from netstack.wire.ethernet import format_mac
from nodeagent.datapath import tables
from nodeagent.datapath.uplinks import Carriers, Uplinks

TWO = IPv4Address("192.168.64.2")
MAC = b"\xee\0\0\0\0\x02"


class Sockets:
    """Remembers what was sent, and in which batches."""

    def __init__(self) -> None:
        self.vxlan: list[list[bytes]] = []
        self.bare: list[list[bytes]] = []

    def send_vxlan(self, to, datagrams, header) -> None:
        assert to == IPv4Address("127.9.9.2")
        self.vxlan.append([header + bytes(each) for each in datagrams])

    def send_laid_out(self, to, octets, size) -> None:
        self.send_vxlan(to, [octets[at : at + size] for at in range(0, len(octets), size)], b"")

    def send_bare(self, to, datagrams, header) -> None:
        self.bare.append([header + bytes(each) for each in datagrams])


@pytest.fixture
def sockets():
    return Sockets()


@pytest.fixture
def uplinks(world, sockets):
    networks = TransportMap({"192.168.64.0/24": "127.9.9.0/24"})
    carriers = Carriers(sockets.send_vxlan, sockets.send_laid_out, sockets.send_bare, 8285)
    return Uplinks(world.nodes[1], networks, carriers)


def entry(**wanted) -> tables.Impairment:
    return tables.Impairment(remote=str(TWO), **wanted)


def test_a_whole_wire_takes_the_frames_themselves(world, uplinks, sockets):
    header = world.nodes[1].vtep.header
    uplinks.vxlan(TWO).transmit([b"one", b"two"], 0.0)
    assert sockets.vxlan == [[header + b"one", header + b"two"]]
    assert uplinks.rows() == []


def tcp_frame(octets: int) -> bytearray:
    packet = IP(src="10.244.1.5", dst="10.244.2.5", flags="DF") / TCP(sport=1, dport=2, flags="A")
    return bytearray(bytes(Ether() / packet / Raw(bytes(octets))))


def partial(frame: bytearray) -> bytearray:
    frame[50:52] = b"??"
    return frame


@pytest.mark.parametrize("known", [False, True])
def test_what_is_offloaded_leaves_open_only_for_nodes_of_ours(world, uplinks, sockets, known):
    vtep, whole = world.nodes[1].vtep, tcp_frame(100)
    entry = tables.Fdb(mac=format_mac(MAC), device=vtep.name, remote=str(TWO), offload=known)
    world.controls[1].fdb_replace([entry])
    output = uplinks.vxlan(TWO)
    output.queue_for(0).append(partial(tcp_frame(100)))
    output.queue_for(40).append(partial(tcp_frame(100)))
    output.transmit_offloaded(0.0)
    if known:
        expected = offload.cut(partial(tcp_frame(100)), 40, partial=True)
        assert {each[0] for run in sockets.vxlan for each in run} == {0x0C}
        whole = partial(whole)
    else:
        expected = offload.cut(tcp_frame(100), 40, partial=False)
    header = vtep.partial_header if known else vtep.header
    assert sockets.vxlan == [[header + whole], [header + each for each in expected]]
    world.controls[1].fdb_delete([(format_mac(MAC), vtep.name)])
    assert not vtep.offload_remotes


def test_a_wire_with_a_fault_carries_what_is_complete(world, uplinks, sockets):
    world.nodes[1].vtep.set_offload(MAC, TWO)
    uplinks.impair([entry(loss=0)], 0.0)
    output, header = uplinks.vxlan(TWO), world.nodes[1].vtep.header
    output.queue_for(0).append(partial(tcp_frame(100)))
    output.queue_for(40).append(partial(tcp_frame(100)))
    output.transmit_offloaded(0.0)
    sent = [each for run in sockets.vxlan for each in run]
    pieces = offload.cut(tcp_frame(100), 40, partial=False)
    assert sent == [header + each for each in (tcp_frame(100), *pieces)]


def test_the_output_that_flows_have_cached_follows_the_rule(world, uplinks, sockets):
    output, header = uplinks.vxlan(TWO), world.nodes[1].vtep.header
    uplinks.impair([entry(loss=1)], 0.0)
    output.transmit([b"lost"], 1.0)
    assert sockets.vxlan == []
    uplinks.heal([str(TWO)])
    assert uplinks.vxlan(TWO) is output
    output.transmit([b"found"], 2.0)
    assert sockets.vxlan == [[header + b"found"]]
    assert dict(uplinks.drops) == {"impairment-loss": 1}


def test_delayed_frames_are_copied_and_leave_as_one_batch(world, uplinks, sockets):
    uplinks.impair([entry(delay_s=0.1)], 0.0)
    buffer = bytearray(b"abcdef")
    uplinks.vxlan(TWO).transmit([memoryview(buffer)[:3], memoryview(buffer)[3:]], 1.0)
    buffer[:] = b"______"
    assert uplinks.deadline() == pytest.approx(1.1)
    uplinks.handle_deadline(1.05)
    assert sockets.vxlan == []
    uplinks.handle_deadline(1.1)
    header = world.nodes[1].vtep.header
    assert sockets.vxlan == [[header + b"abc", header + b"def"]]


def test_both_kinds_of_packets_share_the_wires_rate(uplinks, sockets):
    uplinks.impair([entry(rate_bit_s=8000)], 0.0)
    uplinks.vxlan(TWO).transmit([bytes(100)], 0.0)
    uplinks.bare(TWO).transmit([bytes(14) + bytes(108)], 0.0)
    uplinks.handle_deadline(0.16)
    assert (len(sockets.vxlan), len(sockets.bare)) == (1, 0)
    uplinks.handle_deadline(0.31)
    assert sockets.bare == [[bytes(108)]]


def test_healing_lets_everything_arrive_at_once(uplinks, sockets):
    uplinks.impair([entry(delay_s=30)], 0.0)
    uplinks.vxlan(TWO).transmit([b"late"], 0.0)
    uplinks.heal([str(TWO)])
    assert len(sockets.vxlan) == 1
    uplinks.heal([str(TWO)])  # What is whole stays so.


def test_a_rule_that_changes_keeps_its_counters_and_the_list_shows_them(uplinks):
    uplinks.impair([entry(loss=1, limit=5)], 0.0)
    uplinks.vxlan(TWO).transmit([b"x"] * 3, 0.0)
    uplinks.impair([entry(delay_s=1, limit=5)], 0.0)
    uplinks.vxlan(TWO).transmit([b"x"] * 7, 0.0)
    (row,) = uplinks.rows()
    assert row["remote"] == str(TWO)
    assert (row["delay_s"], row["loss"]) == (1, 0)
    assert (row["packets"], row["lost"], row["overlimit"]) == (10, 3, 2)
    assert dict(uplinks.drops) == {"impairment-loss": 3, "impairment-overlimit": 2}


@pytest.mark.parametrize("remote", ["10.9.8.7", "192.168.64.1"])
def test_an_entry_for_no_other_node_changes_nothing(uplinks, remote):
    bad = tables.Impairment(remote=remote, loss=1)
    with pytest.raises(ValueError, match="not another node"):
        uplinks.impair([entry(loss=1), bad], 0.0)
    assert uplinks.rows() == []


def test_an_entry_is_held_to_what_a_wire_can_be():
    for wrong in ({"remote": "192.168.64.2", "loss": 2}, {"loss": 1}, {"remote": "x", "los": 1}):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(wrong, tables.Impairment)


def test_any_flipped_bit_is_survived_and_counted_or_harmless(world):
    """Every bit of every datagram of a conversation, one at a time, into the receiving node."""
    a, c = world.pod(1, 5), world.pod(2, 5)
    world.service("10.96.0.10", 80, [("10.244.2.5", 80)])
    c.tcp_listen(None, 80)
    node, seen = world.nodes[2], []
    receive = node.receive_vxlan
    node.receive_vxlan = lambda sender, octets, stride, now: (
        seen.append((sender, bytes(octets))),
        receive(sender, octets, stride, now),
    )
    assert world.ping(a, "10.244.2.5")
    assert world.connect(a, "10.96.0.10", 80).established
    del node.receive_vxlan
    for sender, octets in seen:
        for bit in range(8 * len(octets)):
            changed = bytearray(octets)
            changed[bit // 8] ^= 1 << bit % 8
            node.receive_vxlan(sender, memoryview(changed), len(changed), world.now)
            node.flush(world.now)
        world.run()
    reasons = {str(reason) for reason in node.drops}
    assert {"malformed-vxlan", "foreign-vni", "otherhost", "malformed-packet"} <= reasons
    assert world.ping(a, "10.244.2.5")
    assert world.connect(a, "10.96.0.10", 80).established


async def impair(node, **wanted) -> None:
    await node.netlink.call("impairment_replace", {"entries": [wanted]})


@pytest.mark.asyncio
async def test_a_bad_wire_loses_nothing_that_tcp_carries(tmp_path, cluster):
    async with cluster(tmp_path, 20) as (one, two):
        a, c = await one.add_pod(5), await two.add_pod(5)
        answer = random.Random(1).randbytes(300_000)
        c.serve_tcp(80, answer)
        faults = {"loss": 0.03, "corrupt": 0.03, "duplicate": 0.03, "reorder": 0.1}
        timing = {"delay_s": 0.002, "jitter_s": 0.001}
        await impair(one, remote="192.168.64.2", **faults, **timing)
        await impair(two, remote="192.168.64.1", **faults, **timing)
        assert await a.fetch("10.244.2.5", 80, timeout_s=60) == answer
        (row,) = await two.netlink.call("impairment_list")
        assert row["packets"] > 200
        assert row["reordered"]
        assert row["lost"] + row["corrupted"] + row["duplicated"]
        counters = await two.netlink.call("counters")
        assert counters["drops"].get("impairment-loss", 0) >= row["lost"]


@pytest.mark.asyncio
async def test_a_partition_is_silent_and_healing_is_felt_at_once(tmp_path, cluster):
    async with cluster(tmp_path, 21) as (one, two):
        a, _ = await one.add_pod(5), await two.add_pod(5)
        assert await a.ping("10.244.2.5")
        await impair(one, remote="192.168.64.2", loss=1)
        assert not await a.ping("10.244.2.5", timeout_s=0.3)
        assert not await a.ping("192.168.64.2", timeout_s=0.3)  # Not only what VXLAN carries.
        await one.netlink.call("impairment_delete", {"keys": ["192.168.64.2"]})
        assert await a.ping("10.244.2.5", timeout_s=1)
        assert await one.netlink.call("impairment_list") == []
        await impair(two, remote="192.168.64.1", delay_s=0.2)  # The way back alone.
        before = monotonic()
        assert await a.ping("10.244.2.5")
        assert 0.2 <= monotonic() - before < 2


@pytest.mark.asyncio
async def test_captures_see_a_packet_before_the_wire_and_after_it(tmp_path, cluster):
    async with cluster(tmp_path, 22) as (one, two):
        a, _ = await one.add_pod(5), await two.add_pod(5)
        assert await a.ping("10.244.2.5")
        seen: dict[str, list[bytes]] = {"one": [], "two": []}
        clients = []
        for name, node, way in (("one", one, "out"), ("two", two, "in")):

            def packets(_connection, _method, params, name=name, way=way):
                seen[name] += [octets for _, _, each, octets, *_ in params["items"] if each == way]

            client = await rpc.Client.connect(node.directory / "netlink.sock", on_tell=packets)
            await client.call("capture_open", {"interface": "eth0", "snaplen": 0})
            clients.append(client)
        await impair(one, remote="192.168.64.2", loss=1)
        assert not await a.ping("10.244.2.5", timeout_s=0.2)
        await impair(one, remote="192.168.64.2", corrupt=1)
        await a.ping("10.244.2.5", timeout_s=0.2)  # Answered if nobody needs the bit.
        async with asyncio.timeout(5):
            while len(seen["one"]) < 2 or not seen["two"]:
                await asyncio.sleep(0.01)
        for client in clients:
            await client.close()
        sent, received = seen["one"][1], seen["two"][0]
        assert len(seen["two"]) == 1
        payload = 14 + 20 + 8
        differ = int.from_bytes(sent[payload:], "big") ^ int.from_bytes(received[payload:], "big")
        assert differ.bit_count() == 1


@pytest.mark.asyncio
async def test_nonsense_in_the_table_is_refused_by_name(tmp_path, cluster):
    async with cluster(tmp_path, 23, nodes=1) as (one,):
        for wrong in (
            {"remote": "192.168.64.2", "loss": 1.5},
            {"remote": "192.168.64.1", "loss": 1},
            {"remote": "nobody", "loss": 1},
            {"loss": 1},
        ):
            with pytest.raises(rpc.RpcError) as refusal:
                await impair(one, **wrong)
            assert refusal.value.code == "InvalidArgument"
        assert await one.netlink.call("impairment_list") == []
