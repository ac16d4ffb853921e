"""The ARP cache: the states of Linux neighbour.c and what moves them."""

from __future__ import annotations

import random
from collections import Counter
from ipaddress import IPv4Address

import pytest

from netstack import neighbour
from netstack.drops import DropReason
from netstack.neighbour import NeighbourState, NeighbourTable
from netstack.timers import TimerHeap
from netstack.wire.arp import Arp, Operation

MAC, OTHER, US = b"\x02" * 6, b"\x04" * 6, b"\x06" * 6
ADDRESS = IPv4Address("10.0.0.2")


class Link:
    """A table whose every effect is written down."""

    def __init__(self):
        self.now = 0.0
        self.asked, self.sent, self.failed = [], [], []
        self.timers, self.drops = TimerHeap(), Counter()
        self.table = NeighbourTable(
            timers=self.timers,
            rng=random.Random(1),
            drops=self.drops,
            from_us=US + b"\x08\x00",
            solicit=lambda address, mac: self.asked.append(mac),
            transmit=self.sent.append,
            fail=lambda packet, now: self.failed.append(packet),
        )

    def send(self, packet=b"packet"):
        self.table.send(packet, ADDRESS.packed, self.now)
        return self.state

    def answer(self, mac=MAC, operation=Operation.REPLY, *, asks_us=True):
        arp = Arp(operation, mac, ADDRESS, US, IPv4Address("10.0.0.1"))
        self.table.arp_arrives(arp, self.now, asks_us=asks_us)
        return self.state

    def wait(self, seconds):
        end = self.now + seconds
        while self.timers.deadline() <= end:
            self.now = self.timers.deadline()
            self.timers.run(self.now)
        self.now = end
        return self.state

    @property
    def state(self):
        entry = self.table.get(ADDRESS)
        return entry and entry.state


@pytest.fixture
def link():
    return Link()


def test_unknown_packet_asks_everyone(link):
    assert link.send() is NeighbourState.INCOMPLETE
    assert link.asked == [None]
    assert link.sent == []


def test_incomplete_answer_releases_packets_in_order(link):
    link.send(b"one")
    link.send(b"two")
    assert link.answer() is NeighbourState.REACHABLE
    header = MAC + US + b"\x08\x00"
    assert link.sent == [header + b"one", header + b"two"]
    assert link.asked == [None]


def test_incomplete_silence_asks_three_times_then_fails(link):
    link.send(b"one")
    assert link.wait(2.9) is NeighbourState.INCOMPLETE
    assert link.wait(0.2) is NeighbourState.FAILED
    assert link.asked == [None] * 3
    assert link.failed == [b"one"]
    assert link.drops[DropReason.NEIGHBOUR_FAILED] == 1


def test_incomplete_full_queue_drops_the_oldest(link):
    for number in range(neighbour.QUEUE_MAX + 1):
        link.send(b"%d" % number)
    link.answer()
    assert len(link.sent) == neighbour.QUEUE_MAX
    assert link.sent[0].endswith(b"\x00" + b"1")
    assert link.drops[DropReason.NEIGHBOUR_QUEUE_FULL] == 1


def test_failed_packet_asks_again(link):
    link.send()
    link.wait(4)
    assert link.send() is NeighbourState.INCOMPLETE


def test_reachable_unused_turns_stale_and_is_forgotten(link):
    link.send()
    link.answer()
    assert link.wait(46) is NeighbourState.STALE
    assert link.wait(120) is None


def test_stale_packet_is_sent_and_delays_a_probe(link):
    link.send()
    link.answer()
    link.wait(46)
    assert link.send() is NeighbourState.DELAY
    assert len(link.sent) == 2
    assert link.wait(5.1) is NeighbourState.PROBE
    assert link.asked == [None, MAC]
    assert link.answer() is NeighbourState.REACHABLE


def test_probe_silence_fails(link):
    link.send()
    link.answer()
    link.wait(46)
    link.send()
    assert link.wait(9) is NeighbourState.FAILED
    assert link.asked == [None, MAC, MAC, MAC]


def test_reachable_other_mac_is_ignored_at_first_then_believed(link):
    link.send()
    link.answer()
    link.answer(OTHER)
    assert link.table.get(ADDRESS).mac == MAC
    link.wait(2)
    assert link.answer(OTHER) is NeighbourState.REACHABLE
    assert link.table.get(ADDRESS).mac == OTHER


def test_gratuitous_change_turns_stale(link):
    link.send()
    link.answer()
    link.wait(2)
    assert link.answer(OTHER, Operation.REQUEST, asks_us=False) is NeighbourState.STALE
    link.send()
    assert link.sent[-1].startswith(OTHER)


def test_unknown_unsolicited_answer_makes_no_entry(link):
    assert link.answer() is None
    assert link.answer(operation=Operation.REQUEST, asks_us=False) is None


def test_full_table_forgets_the_idle_and_refuses_otherwise(link, monkeypatch):
    monkeypatch.setattr(neighbour, "NEIGHBOURS_MAX", 2)
    link.table.send(b"x", bytes([10, 0, 0, 8]), 0.0)
    link.table.send(b"x", bytes([10, 0, 0, 9]), 0.0)
    assert link.send() is None
    assert link.drops[DropReason.NEIGHBOURS_FULL] == 1
    link.wait(10)
    assert link.send() is NeighbourState.INCOMPLETE
    assert len(link.table.entries()) == 2
