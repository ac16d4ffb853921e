"""Calls for probes, against two stacks on one event loop."""

from __future__ import annotations

import asyncio
import random
from ipaddress import IPv4Interface

import msgspec
import pytest

from componentbase.clock import monotonic
from netdev.probing import Probing
from netstack.ip_host import IpHost

HERE, THERE = "10.0.0.1", "10.0.0.2"


@pytest.fixture
def pair():
    return [
        IpHost(address=IPv4Interface(f"{text}/24"), mtu=1450, rng=random.Random(1))
        for text in (HERE, THERE)
    ]


@pytest.fixture
def probing(pair):
    here, there = pair

    def flush():
        for _ in range(3):
            there.receive_packets(here.packets_to_send(), monotonic())
            here.receive_packets(there.packets_to_send(), monotonic())

    return Probing(here, monotonic, lambda: asyncio.get_running_loop().call_soon(flush))


@pytest.mark.asyncio
async def test_every_probe_of_a_call_has_its_own_answer(probing, pair):
    done = await probing.probe({"address": THERE, "count": 3, "sequence": 65535, "timeout_s": 5})
    assert done["source"] == HERE
    assert done["numbers"] == [0, 0, 0]
    assert [each["kind"] for each in done["answers"]] == ["reply"] * 3
    assert all(0 < each["rtt_s"] < 5 and each["ttl"] == 64 for each in done["answers"])
    again = await probing.probe({"address": THERE, "flow": done["flow"], "timeout_s": 5})
    assert again["flow"] == done["flow"]
    socket = pair[1].udp_bind(None, 1001)
    done = await probing.probe(
        {"address": THERE, "method": "udp", "port": 1000, "count": 2, "timeout_s": 0.05}
    )
    assert [each and each["kind"] for each in done["answers"]] == ["refused", None]
    assert len(socket.receive().data) == 0
    done = await probing.probe({"address": THERE, "method": "tcp", "port": 80, "timeout_s": 5})
    assert done["answers"][0]["kind"] == "refused"
    assert done["numbers"][0] > 0


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({}, "address"),
        ({"address": "nobody"}, "nobody"),
        ({"address": THERE, "unknown": 1}, "unknown"),
        ({"address": THERE, "method": "sctp"}, "sctp"),
        ({"address": THERE, "count": 17}, "count"),
        ({"address": THERE, "hop_limit": 0}, "hop_limit"),
        ({"address": THERE, "timeout_s": float("nan")}, "timeout_s"),
        ({"address": THERE, "method": "udp"}, "needs a port"),
        ({"address": THERE, "method": "tcp", "port": 80, "count": 2}, "one by one"),
    ],
)
async def test_nonsense_is_refused(probing, params, says):
    with pytest.raises((ValueError, msgspec.ValidationError), match=says):
        await probing.probe(params)
