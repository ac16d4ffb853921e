"""traceroute's lines, from answers that are written here."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from netdev.traceroute import Style, Traceroute, is_last
from netstack.probe import Method

TARGET = ip_address("10.244.2.5")


def answer(address, kind="time-exceeded", rtt_s=0.0005, **more):
    return {"kind": kind, "address": address, "code": 0, "rtt_s": rtt_s, "ttl": None, "mtu": None,
            **more}  # fmt: skip


HOPS = [
    [answer("10.244.1.1"), answer("10.244.1.1", rtt_s=0.00025), answer("10.244.1.1")],
    [answer("10.244.2.0"), None, answer("10.244.3.0")],
    [None, None, None],
    [answer("10.244.2.5", "refused", 0.0015)] * 3,
    [answer("10.244.2.5", "refused")] * 3,
]


class Road:
    """Answers by hop."""

    def __init__(self, hops=HOPS):
        self.hops, self.asked = hops, []

    async def ask(self, params):
        self.asked.append(params)
        count = params.get("count", 1)
        return {"flow": 1, "answers": self.hops[params["hop_limit"] - 1][:count]}


@pytest.mark.asyncio
async def test_lines_are_linuxs_and_end_at_the_target():
    road, lines = Road(), []
    asked = Traceroute(address=TARGET, name="b", names={"10.244.1.1": "node-1/cni0"}, wait_s=2.0)
    rows = await asked.run(road.ask, lines.append)
    assert asked.title() == "traceroute to b (10.244.2.5), 30 hops max, 60 byte packets"
    assert lines == [
        " 1  node-1/cni0 (10.244.1.1)  0.500 ms  0.250 ms  0.500 ms",
        " 2  10.244.2.0 (10.244.2.0)  0.500 ms * 10.244.3.0 (10.244.3.0)  0.500 ms",
        " 3  * * *",
        " 4  10.244.2.5 (10.244.2.5)  1.500 ms  1.500 ms  1.500 ms",
    ]
    assert [row["hop"] for row in rows] == [1, 2, 3, 4]
    assert [each["port"] for each in road.asked] == [33434, 33437, 33440, 33443]
    assert [len(each["payload"]) for each in road.asked] == [32] * 4


@pytest.mark.asyncio
async def test_busybox_leaves_more_blanks_and_numbers_stand_alone():
    lines = []
    asked = Traceroute(address=TARGET, name="b", style=Style.BUSYBOX, numeric=True, hops=3)
    await asked.run(Road().ask, lines.append)
    assert lines == [
        " 1  10.244.1.1  0.500 ms  0.250 ms  0.500 ms",
        " 2  10.244.2.0  0.500 ms  *  10.244.3.0  0.500 ms",
        " 3  *  *  *",
    ]


@pytest.mark.asyncio
async def test_echoes_count_and_syns_go_one_by_one():
    road = Road()
    await Traceroute(address=TARGET, name="b", method=Method.ICMP, first_hop=2).run(road.ask, print)
    assert [(each["sequence"], each["port"]) for each in road.asked] == [(1, 0), (4, 0), (7, 0)]
    road = Road()
    asked = Traceroute(address=TARGET, name="b", method=Method.TCP, queries=2, port=443)
    rows = await asked.run(road.ask, print)
    assert len(road.asked) == 8
    assert {(each["port"], each["payload"]) for each in road.asked} == {(443, b"")}
    assert len(rows[-1]["answers"]) == 2


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("found", "note"),
    [
        (answer("10.0.0.1", "unreachable", code=1), " !H"),
        (answer("10.0.0.1", "unreachable", code=13), " !X"),
        (answer("10.0.0.1", "unreachable", code=11), " !<11>"),
        (answer("fd00::1", "unreachable", code=0), " !N"),
        (answer("fd00::1", "too-big", mtu=1280), " !F-1280"),
    ],
)
async def test_who_says_that_there_is_no_way_ends_it(found, note):
    lines = []
    await Traceroute(address=TARGET, name="b", queries=1).run(Road([[found]]).ask, lines.append)
    assert lines == [f" 1  {found['address']} ({found['address']})  0.500 ms{note}"]


def test_one_doubt_is_no_end():
    assert not is_last([answer("10.0.0.1"), None, None], TARGET)
    lost = answer("10.0.0.1", "unreachable")
    assert not is_last([lost, None, None], TARGET)
    assert is_last([lost, lost, None], TARGET)
