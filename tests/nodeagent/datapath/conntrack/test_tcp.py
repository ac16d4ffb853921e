"""Conntrack's TCP table: complete, closed, and right about the lives that connections have."""

from __future__ import annotations

import pytest

from netstack.wire.tcp import Flag
from nodeagent.datapath.conntrack.tcp import (
    NEXT,
    STEADY,
    TIMEOUT_S,
    Signal,
    TcpState,
    signal_of,
    step,
)
from nodeagent.datapath.packet import Direction

TO, FRO = Direction.ORIGINAL, Direction.REPLY


def walk(*signals):
    state = TcpState.NONE
    states = []
    for direction, signal in signals:
        following = step(state, direction, signal)
        if following is None:
            return [*states, None]
        if following is not TcpState.IGNORED:
            state = following
        states.append(state)
    return states


def test_an_ordinary_connection():
    assert walk(
        (TO, Signal.SYN),
        (FRO, Signal.SYN_ACK),
        (TO, Signal.ACK),
        (TO, Signal.FIN),
        (FRO, Signal.ACK),
        (FRO, Signal.FIN),
        (TO, Signal.ACK),
    ) == ["SYN_SENT", "SYN_RECV", "ESTABLISHED", "FIN_WAIT", "CLOSE_WAIT", "LAST_ACK", "TIME_WAIT"]


def test_a_refused_connection_closes():
    assert walk((TO, Signal.SYN), (FRO, Signal.RST))[-1] == "CLOSE"


def test_a_simultaneous_open():
    assert walk((TO, Signal.SYN), (FRO, Signal.SYN), (TO, Signal.SYN_ACK), (TO, Signal.ACK))[
        -1
    ] == ("ESTABLISHED")


def test_a_connection_is_picked_up_in_the_middle_and_reopened():
    assert walk((TO, Signal.ACK)) == ["ESTABLISHED"]
    assert step(TcpState.TIME_WAIT, TO, Signal.SYN) is TcpState.SYN_SENT


@pytest.mark.parametrize("signal", [Signal.SYN_ACK, Signal.FIN, Signal.RST, Signal.NONE])
def test_nothing_else_begins_a_connection(signal):
    assert walk((TO, signal)) == [None]


def test_a_syn_in_the_middle_changes_nothing():
    assert step(TcpState.ESTABLISHED, TO, Signal.SYN) is TcpState.IGNORED


def test_every_state_that_is_reached_has_a_timeout():
    reached = {state for row in NEXT.values() for state in row.values()}
    assert reached - {TcpState.IGNORED} == set(TIMEOUT_S)
    assert {state for row in NEXT.values() for state in row} == set(TIMEOUT_S) | {TcpState.NONE}


def test_a_lone_ack_changes_nothing_in_steady_states():
    for state in STEADY:
        for direction in Direction:
            assert step(state, direction, Signal.ACK) is state


@pytest.mark.parametrize(
    ("flags", "signal"),
    [
        (Flag.SYN, Signal.SYN),
        (Flag.SYN | Flag.ACK, Signal.SYN_ACK),
        (Flag.FIN | Flag.ACK, Signal.FIN),
        (Flag.ACK | Flag.PSH, Signal.ACK),
        (Flag.RST | Flag.ACK, Signal.RST),
        (0, Signal.NONE),
        (Flag.FIN, Signal.NONE),
        (Flag.SYN | Flag.FIN, Signal.NONE),
        (Flag.FIN | Flag.PSH | Flag.URG, Signal.NONE),
    ],
)
def test_what_flags_amount_to(flags, signal):
    assert signal_of(flags) is signal
