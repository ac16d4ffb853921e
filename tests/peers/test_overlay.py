"""Two Linux kernels as pods of two of our nodes: iperf3, faults, a narrow overlay."""

from __future__ import annotations

import asyncio
import json
import random
from contextlib import asynccontextmanager

import kernel_icmp
import kernel_tcp
import netns
import pytest
import wireshark
from length import TIMES
from overlay import MTU, overlay
from wireshark import FULL_WINDOWS, RESETS

DATA = random.Random(7).randbytes(3_000_000 * TIMES)
FAULTS = {"loss": 0.01, "delay_s": 0.001, "jitter_s": 0.001, "duplicate": 0.01, "reorder": 0.01}
NARROW = 1000
OCTETS = 5_000_000 * TIMES
LOST_MAX, TRIES = 0.05, 3


@pytest.fixture
def nodes(needs, new_namespace, tmp_path):
    """Run two nodes with a kernel as the pod of each."""
    needs("netns", "tap")

    def run():
        underlay = new_namespace()
        return overlay(tmp_path, underlay, [new_namespace(), new_namespace()])

    return run


@asynccontextmanager
async def echoing(node):
    async with kernel_tcp.serving(node.pod.namespace, kernel_tcp.echo) as port:
        yield node.pod.address, port


async def exchange(node, address, port):
    with await kernel_tcp.connect(node.pod.namespace, port, to=address) as connection:
        return await kernel_tcp.exchange(connection, DATA)


def judge(pod, file, *accepted):
    if why := netns.missing("tshark"):
        pytest.skip(f"{why}; all else held")
    texts = [text for each in accepted for text in each]
    assert wireshark.findings(pod.save(file), texts) == []


@pytest.mark.asyncio
async def test_octets_and_pings_cross(nodes, tmp_path):
    async with nodes() as (one, two):
        with kernel_icmp.open_raw(one.pod.namespace) as raw:
            for size in (0, 56, MTU - 28, MTU - 27, 20_000, 65_507):
                payload = random.Random(size).randbytes(size)
                assert await kernel_icmp.ping(raw, two.pod.address, payload) == payload
        for near, far in ((one, two), (two, one)):
            async with echoing(far) as (address, port):
                assert await exchange(near, address, port) == DATA
        counters = await one.netlink.call("counters", {})
        assert not counters["drops"], counters
        judge(one.pod, tmp_path / "seen.pcapng", FULL_WINDOWS)


@pytest.mark.asyncio
async def test_octets_cross_a_bad_wire(nodes, tmp_path):
    async with nodes() as (one, two):
        for node in (one, two):
            node.pod.impatient()
            await node.replace("impairment", remote=f"192.168.64.{3 - node.number}", **FAULTS)
        async with echoing(two) as (address, port):
            assert await exchange(one, address, port) == DATA
        (counted,) = await one.netlink.call("impairment_list", {})
        assert counted["lost"] > 5
        assert counted["duplicated"] > 5
        judge(one.pod, tmp_path / "seen.pcapng", FULL_WINDOWS, RESETS, wireshark.REPAIRS)


@pytest.mark.asyncio
async def test_we_tell_kernels_of_a_narrow_overlay(nodes):
    async with nodes() as (one, two):
        for node in (one, two):
            await node.vtep(NARROW)
        async with echoing(two) as (address, port):
            assert await exchange(one, address, port) == DATA
        for near, far in ((one, two), (two, one)):
            learned = near.pod.namespace.run("ip", "route", "get", far.pod.address)
            assert f"mtu {NARROW}" in learned


@pytest.mark.asyncio
async def test_iperf3_measures_through_us(needs, nodes):
    needs("iperf3")
    async with nodes() as (one, two):
        two.pod.namespace.start("iperf3", "--server")
        async with asyncio.timeout(20):
            while not listens(two.pod.namespace, 5201):
                await asyncio.sleep(0.02)

        async def measure(*way):
            said = await one.pod.namespace.call(
                "iperf3", "--client", two.pod.address, "--bytes", str(OCTETS), "--json", *way
            )
            found = json.loads(said)
            assert "error" not in found, found["error"]
            return found["end"]

        # A machine that is busy elsewhere lets a socket's buffer run over now and then.
        lost = 1.0
        for _ in range(TRIES):
            datagrams = (await measure("--udp", "--bitrate", "8M"))["sum"]
            assert datagrams["packets"] >= OCTETS / MTU
            lost = min(lost, datagrams["lost_packets"] / datagrams["packets"])
            if lost <= LOST_MAX:
                break
        assert lost <= LOST_MAX
        for node in (one, two):
            node.pod.impatient()
            await node.replace("impairment", remote=f"192.168.64.{3 - node.number}", **FAULTS)
        for way in ((), ("--reverse",)):
            end = await measure(*way)
            assert end["sum_sent"]["bytes"] >= OCTETS
            assert end["sum_received"]["bytes"] > OCTETS / 2  # The rest was still on its way.


def listens(namespace, port):
    return f":{port:04X} " in namespace.run("sh", "-c", "cat /proc/net/tcp /proc/net/tcp6")
