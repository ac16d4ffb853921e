"""A packet's way, told by nodes and a stack that answer as ours do."""

from __future__ import annotations

import asyncio
import json

import pytest
from click.testing import CliRunner
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

from podwire.cli import root
from podwire.cli import trace as module
from podwire.cli.capture_names import InterfaceNames
from podwire.cli.trace import Probe, outcome, split_target, table
from podwire.cluster.layout import Cluster, Layout, UsageError

from .test_views import serve, typed

PROBE = Probe("a", "10.96.0.9", module.Method.TCP, 80, 1.0)
REPLY = {"kind": "reply", "address": "10.96.0.9", "rtt_s": 0.002, "code": 0}


@pytest.fixture
def layout(tmp_path, monkeypatch):
    monkeypatch.setenv("PODWIRE_HOME", str(tmp_path))
    layout = Layout.of("podwire")
    layout.make_directories()
    layout.write_cluster(Cluster(name="podwire", block=1, nodes=1))
    layout.node("node-1").mkdir(parents=True)
    monkeypatch.setattr(module, "interface_names", lambda *_: InterfaceNames({}))
    monkeypatch.setattr(module, "_SETTLE_S", 0.0)
    return layout


def syn(number, **fields):
    fields = {"sport": 4000, "dport": 80, "flags": "S", "seq": number} | fields
    return bytes(Ether() / IP(src="10.244.1.5", dst="10.96.0.9") / TCP(**fields))


@pytest.mark.asyncio
async def test_only_the_packet_that_was_sent_is_shown_in_order_of_time(layout):
    reader, other = [], syn(99)
    number = 0x12345678
    back = syn(1, flags="SA", ack=number + 1)

    def probe(_connection, params):
        assert (params["method"], params["port"], params["payload"]) == ("tcp", 80, b"")
        items = [
            (3_000_000, "veth1", "in", syn(number), 60, "slow path; ct NEW; dropped: ip-martian"),
            (5_000_000, "veth1", "out", back, 60, ""),
            (2_000_000, "cni0", "in", other, 60, ""),
            (1_000_000, "eth0", "in", syn(number), 60, "slow path"),
        ]
        reader[0].tell("packets", {"items": items, "dropped": {}})
        return {"flow": 1, "source": "x", "numbers": [number], "answers": [None]}

    datapath = await serve(
        layout.node("node-1") / "netlink.sock",
        capture_open=lambda connection, params: reader.append(connection),
        probe=probe,
    )
    result = asyncio.to_thread(
        CliRunner().invoke, root, ("trace", "node-1", "10.96.0.9:80", "-o", "json")
    )
    try:
        done = await result
    finally:
        await datapath.close()
    assert done.exit_code == 1
    told = json.loads(done.stdout)
    assert [(row["at_ms"], row["interface"]) for row in told["hops"]] == [
        (0.0, "node-1/eth0"),
        (2.0, "node-1/veth1"),
        (4.0, "node-1/veth1"),
    ]
    assert [row["is_answer"] for row in told["hops"]] == [False, False, True]
    assert told["outcome"].startswith("dropped on node-1: ip-martian (")


def hop(interface, direction, verdict="", **more):
    return {"at_ms": 1.0, "node": interface.partition("/")[0], "interface": interface,
            "direction": direction, "packet": "p", "tunnel": "", "is_answer": False,
            "verdict": verdict, **more}  # fmt: skip


def test_verdict_is_said_once_for_each_frame():
    lines = table(
        [
            hop("node-1/cni0", "in", "slow path; forwarded"),
            hop("node-1/eth0", "out", "slow path; forwarded", tunnel="a > b"),
            hop("node-2/eth0", "in", "slow path; forwarded"),
        ]
    )
    assert [line.split() for line in lines] == [
        ["1.000", "ms", "node-1/cni0", "in", "p"],
        ["node-1:", "slow", "path;", "forwarded"],
        ["1.000", "ms", "node-1/eth0", "out", "p", "(vxlan", "a", ">", "b)"],
        ["1.000", "ms", "node-2/eth0", "in", "p"],
        ["node-2:", "slow", "path;", "forwarded"],
    ]
    assert table([]) == []


def test_outcome_is_the_answer_the_drop_or_the_last_place():
    assert outcome(PROBE, REPLY, []) == "answered by 10.96.0.9 after 2.000 ms: SYN+ACK"
    dropped = hop("node-2/eth0", "in", "slow path; dropped: network-policy at FORWARD; by x")
    assert outcome(PROBE, None, [hop("node-1/eth0", "out"), dropped]) == (
        "dropped on node-2 at FORWARD: network-policy "
        "(a policy denies it: see `policies:`, and podwire policy explain --help)"
    )
    told = {**REPLY, "kind": "unreachable", "address": "10.244.1.1"}
    assert outcome(PROBE, told, []) == "10.244.1.1 says unreachable"
    assert "seen last at node-1/eth0 (out)" in outcome(PROBE, None, [hop("node-1/eth0", "out")])
    back = hop("node-2/eth0", "out", is_answer=True)
    assert outcome(PROBE, None, [back]).startswith("lost: the answer was seen last at node-2/eth0")
    assert outcome(PROBE, None, []).startswith("seen nowhere: a did not send it")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("default/a", ("default/a", 0)),
        ("svc/web:80", ("svc/web", 80)),
        ("10.0.0.1:65535", ("10.0.0.1", 65535)),
        ("fd00::1", ("fd00::1", 0)),
        ("[fd00::1]", ("fd00::1", 0)),
        ("[fd00::1]:443", ("fd00::1", 443)),
    ],
)
def test_target_is_a_name_and_a_port(text, found):
    assert split_target(text) == found


@pytest.mark.parametrize("text", ["a:", ":80", "a:0", "a:65536", "a:http", "[fd00::1]x"])
def test_target_that_is_none_is_refused(text):
    with pytest.raises(UsageError, match="a target is NAME"):
        split_target(text)


@pytest.mark.asyncio
async def test_datagram_without_a_port_is_refused(layout):
    with pytest.raises(UsageError, match="a datagram needs a port"):
        await typed("trace", "--udp", "node-1", "10.0.0.1")


def test_rows_are_plain(layout):
    seen = module.Seen(5, "node-1", "eth0", "in", syn(1), "slow path")
    row = module._row(seen, 5, InterfaceNames({}))
    assert json.loads(json.dumps(row)) == row
    assert row["packet"] == "10.244.1.5:4000 > 10.96.0.9:80 TCP [SYN] ttl 64"
