"""Which segments conntrack believes: a conversation of two ends, and those who guess."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

from nodeagent.datapath.conntrack import window
from nodeagent.datapath.conntrack.table import ConntrackTable
from nodeagent.datapath.conntrack.tcp import TcpState
from nodeagent.datapath.packet import CtState, Direction, Packet

TO, FRO = Direction.ORIGINAL, Direction.REPLY
ISN = {TO: 0xFFFFFF00, FRO: 5000}  # One wraps around.
WINDOW, SCALE = 1000, 7


class Conversation:
    """One connection in a table; sequence numbers count from each side's ISN."""

    def __init__(self, *, scale=True):
        self.table = ConntrackTable()
        self.options = [("MSS", 1410), ("NOP", None), ("WScale", SCALE)] if scale else []

    def say(self, way, flags, seq, ack=0, data=0):
        """Track a segment and return what conntrack says of it."""
        ends = [("10.0.0.1", 1000), ("10.1.0.1", 80)]
        (source, sport), (destination, dport) = ends if way is TO else ends[::-1]
        layers = IP(src=source, dst=destination) / TCP(
            sport=sport,
            dport=dport,
            flags=flags,
            seq=(ISN[way] + seq) % 2**32,
            ack=(ISN[FRO if way is TO else TO] + ack) % 2**32 if "A" in flags else 0,
            window=WINDOW,
            options=self.options if "S" in flags else [],
        )
        packet = Packet.parse(bytes(Ether() / layers / bytes(data)), "cni0")
        self.table.track(packet, 0.0)
        if packet.connection is not None and not packet.connection.confirmed:
            assert self.table.confirm(packet.connection)
        return packet.state

    @property
    def connection(self):
        (connection,) = self.table
        return connection

    @property
    def state(self):
        return self.connection.tcp_state


@pytest.fixture
def talk():
    talk = Conversation()
    assert talk.say(TO, "S", 0) is CtState.NEW
    assert talk.say(FRO, "SA", 0, 1) is CtState.ESTABLISHED
    assert talk.say(TO, "A", 1, 1) is CtState.ESTABLISHED
    assert talk.say(TO, "PA", 1, 1, data=500) is CtState.ESTABLISHED
    assert talk.say(FRO, "A", 1, 501) is CtState.ESTABLISHED
    assert talk.state is TcpState.ESTABLISHED
    return talk


def test_an_exact_reset_is_believed(talk):
    assert talk.say(TO, "R", 501) is CtState.ESTABLISHED
    assert talk.state is TcpState.CLOSE


def test_a_reset_in_the_window_passes_without_being_believed(talk):
    assert talk.say(TO, "R", 700) is CtState.ESTABLISHED
    assert talk.state is TcpState.ESTABLISHED


@pytest.mark.parametrize("sequence", [-200_000, 0, 500, 1 << 20, 1 << 30])
def test_a_blind_reset_is_invalid(talk, sequence):
    assert talk.say(TO, "R", sequence) is CtState.INVALID
    assert talk.state is TcpState.ESTABLISHED


def test_a_reset_behind_the_last_segment_is_believed(talk):
    talk.say(TO, "PA", 501, 1, data=19)
    assert talk.say(TO, "R", 520) is CtState.ESTABLISHED
    assert talk.state is TcpState.CLOSE


def test_a_fin_must_fit(talk):
    assert talk.say(FRO, "FA", 1 << 21, 501) is CtState.INVALID
    assert talk.say(FRO, "FA", 1, 1 << 21) is CtState.INVALID
    assert talk.say(FRO, "FA", 1, 501 - 200_000) is CtState.INVALID
    assert talk.state is TcpState.ESTABLISHED
    assert talk.say(FRO, "FA", 1, 501) is CtState.ESTABLISHED
    assert talk.state is TcpState.FIN_WAIT


def test_windows_are_scaled_only_where_both_offer_it():
    for scale, far in ((True, WINDOW << SCALE), (False, WINDOW)):
        talk = Conversation(scale=scale)
        talk.say(TO, "S", 0)
        talk.say(FRO, "SA", 0, 1)
        talk.say(TO, "A", 1, 1)
        talk.say(FRO, "A", 1, 1)
        assert talk.say(TO, "FA", 1 + far + 1, 1) is CtState.INVALID
        assert talk.say(TO, "FA", 1 + far, 1) is CtState.ESTABLISHED


def test_a_refusal_names_the_syn():
    talk = Conversation()
    talk.say(TO, "S", 0)
    assert talk.say(FRO, "RA", -ISN[FRO], 77) is CtState.INVALID
    assert talk.state is TcpState.SYN_SENT
    assert talk.say(FRO, "RA", -ISN[FRO], 1) is CtState.ESTABLISHED
    assert len(talk.table) == 0


def test_what_was_picked_up_in_the_middle_is_judged_liberally():
    talk = Conversation()
    assert talk.say(TO, "A", 70_000, 9) is CtState.NEW
    assert talk.say(FRO, "A", 1 << 22, 70_000) is CtState.ESTABLISHED
    assert talk.say(TO, "FA", 1 << 29, 9) is CtState.ESTABLISHED
    assert talk.say(FRO, "FA", 1 << 22, 70_000) is CtState.ESTABLISHED


def test_segments_that_the_fast_path_noted_count(talk):
    sides, segment = talk.connection.sides, window.SEGMENT
    far = (501 + 90_000) % 2**32
    sides[TO].segment = segment.pack((ISN[TO] + far) % 2**32, ISN[FRO] + 1, 0x5010, WINDOW)
    sides[TO].octets = 1450
    sides[FRO].segment = segment.pack(ISN[FRO] + 1, (ISN[TO] + far) % 2**32, 0x5010, WINDOW)
    sides[FRO].octets = 40
    assert talk.say(TO, "R", far) is CtState.ESTABLISHED
    assert talk.state is TcpState.CLOSE


@given(st.binary(max_size=40))
def test_any_octets_are_options(octets):
    assert window.scale_of(octets) in (None, *range(15))


@pytest.mark.parametrize(
    ("octets", "scale"),
    [
        (b"", None),
        (b"\x01\x03\x03\x05", 5),
        (b"\x03\x03\xff", 14),
        (b"\x02\x04\x05\xb4\x03\x03\x07", 7),
        (b"\x00\x03\x03\x07", None),
        (b"\x02\x00\x03\x03\x07", None),
        (b"\x03\x03", None),
    ],
)
def test_the_scale_that_a_syn_offers(octets, scale):
    assert window.scale_of(octets) == scale
