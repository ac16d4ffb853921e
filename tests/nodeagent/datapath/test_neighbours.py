"""Neighbour states: who is asked when, and what becomes of packets that wait."""

from __future__ import annotations

import math

import pytest
from scapy.layers.inet import IP
from scapy.layers.l2 import Ether

from netstack.neighbour import GC_THRESH1, STALE_S
from nodeagent.datapath.neighbours import ENTRIES_MAX, Neighbour, NeighbourTable, Probe, State
from nodeagent.datapath.packet import Packet

MAC, OTHER_MAC, POD = b"\x02aaaaa", b"\x02bbbbb", 0x0AF40105


@pytest.fixture
def packet():
    return Packet.parse(bytes(Ether() / IP()), "cni0")


@pytest.fixture
def table():
    return NeighbourTable()


def state_of(table) -> Neighbour:
    ((_, entry),) = table.entries()
    return entry


def test_unknown_is_asked_for_and_packets_wait(table, packet):
    resolution = table.resolve("cni0", POD, packet, 0.0)
    assert (resolution.mac, resolution.probe) == (None, Probe("cni0", POD, None))
    assert table.resolve("cni0", POD, packet, 0.1).probe is None
    assert table.confirm("cni0", POD, MAC, 0.2) == [packet, packet]
    assert table.resolve("cni0", POD, packet, 0.3).mac == MAC
    assert state_of(table).state is State.REACHABLE


def test_after_three_questions_the_packets_come_back(table, packet):
    table.resolve("cni0", POD, packet, 0.0)
    assert table.due(1.0) == ([Probe("cni0", POD, None)], [])
    assert table.due(2.0) == ([Probe("cni0", POD, None)], [])
    assert table.due(2.5) == ([], [])
    assert table.due(3.0) == ([], [packet])
    assert table.entries() == []
    assert table.deadline() == math.inf


def test_stale_is_used_and_asked_again_by_name(table, packet):
    table.resolve("cni0", POD, packet, 0.0)
    table.confirm("cni0", POD, MAC, 0.0)
    stale_at = table.deadline()
    table.due(stale_at)
    assert state_of(table).state is State.STALE
    assert table.deadline() == stale_at + STALE_S
    resolution = table.resolve("cni0", POD, packet, 50.0)
    assert (resolution.mac, resolution.probe) == (MAC, Probe("cni0", POD, MAC))
    table.confirm("cni0", POD, OTHER_MAC, 50.1)
    assert table.mac_of("cni0", POD) == OTHER_MAC


def test_an_answer_that_nobody_asked_for_is_ignored(table):
    assert table.confirm("cni0", POD, MAC, 0.0) == []
    assert table.entries() == []


def test_who_asks_is_learned(table):
    assert table.learn("cni0", POD, MAC, 0.0) == []
    assert (state_of(table).state, state_of(table).mac) == (State.STALE, MAC)


def test_a_permanent_entry_is_not_overruled(table, packet):
    table.replace("flannel.1", POD, MAC)
    assert table.learn("flannel.1", POD, OTHER_MAC, 0.0) == []
    assert table.resolve("flannel.1", POD, packet, 1e9).mac == MAC
    assert table.delete("flannel.1", POD)
    assert not table.delete("flannel.1", POD)


def test_the_table_and_its_queues_are_bounded(table, packet):
    for _ in range(150):
        last = table.resolve("cni0", POD, packet, 0.0)
    assert last.refused
    for number in range(ENTRIES_MAX):
        last = table.resolve("cni0", number, packet, 0.0)
    assert last.refused
    table.confirm("cni0", POD, MAC, 0.0)
    assert not table.resolve("cni0", 0xFFFFFFF0, packet, 0.0).refused  # A known one made room.


def test_of_many_those_are_forgotten_that_nobody_uses(table):
    for number in range(GC_THRESH1 + 100):
        table.learn("cni0", number, b"\x0a" * 6, 10.0)
    assert table.deadline() == 10.0 + STALE_S
    assert table.due(10.0 + STALE_S) == ([], [])
    assert len(table.entries()) == GC_THRESH1
    assert table.deadline() == math.inf


def test_of_few_nobody_is_forgotten(table):
    table.learn("cni0", 7, b"\x0a" * 6, 10.0)
    table.due(10.0 + STALE_S)
    assert [entry.state for _, entry in table.entries()] == [State.STALE]
    assert table.deadline() == math.inf


def test_what_is_used_is_asked_for_and_stays(table, packet):
    for number in range(GC_THRESH1 + 1):
        table.learn("cni0", number, b"\x0a" * 6, 10.0)
    assert table.resolve("cni0", 5, packet, 69.9).probe is not None
    table.confirm("cni0", 5, b"\x0a" * 6, 69.9)
    table.due(10.0 + STALE_S)
    assert table.mac_of("cni0", 5)
    assert len(table.entries()) == GC_THRESH1
