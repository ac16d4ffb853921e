"""What the fast path does to a connection is what the slow path would have done."""

from __future__ import annotations

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

from nodeagent.datapath.conntrack.connection import Connection
from nodeagent.datapath.conntrack.table import ConntrackTable
from nodeagent.datapath.conntrack.tcp import TIMEOUT_S
from nodeagent.datapath.packet import CtState, Direction, Packet


def segment(direction, flags):
    ends = [("10.0.0.1", 1000), ("10.1.0.1", 80)]
    (source, sport), (destination, dport) = ends if direction is Direction.ORIGINAL else ends[::-1]
    layers = IP(src=source, dst=destination) / TCP(sport=sport, dport=dport, flags=flags)
    return Packet.parse(bytes(Ether() / layers), "cni0")


def in_table(state, *, seen_reply):
    table = ConntrackTable()
    flow = segment(Direction.ORIGINAL, 2).flow
    connection = Connection(flow, flow.inverted(), 60.0, 0.0, 0.0, seen_reply=seen_reply)
    connection.enter(state)
    assert table.confirm(connection)
    return table, connection


@pytest.mark.parametrize("state", TIMEOUT_S)
@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("seen_reply", [False, True])
def test_following_is_tracking(state, direction, seen_reply):
    for flags in range(64):
        _, followed = in_table(state, seen_reply=seen_reply)
        before = followed.tcp_state, followed.timeout_s, followed.assured, followed.steady
        table, tracked = in_table(state, seen_reply=seen_reply)
        packet = segment(direction, flags)
        table.track(packet, 0.0)
        if followed.follow(direction, packet.tcp_segment, packet.octets):
            assert packet.connection is tracked
            assert packet.state is not CtState.INVALID
            assert not tracked.forgotten
            for name in ("tcp_state", "timeout_s", "assured", "steady"):
                assert getattr(followed, name) == getattr(tracked, name), (flags, name)
        else:
            after = followed.tcp_state, followed.timeout_s, followed.assured, followed.steady
            assert after == before
