"""The neighbour cache: the states of Linux neighbour.c and what moves them."""

from __future__ import annotations

import math
import random
from collections import Counter
from ipaddress import IPv4Address

import pytest

from netstack import neighbour
from netstack.drops import DropReason
from netstack.neighbour import Claim, NeighbourState, NeighbourTable
from netstack.timers import TimerHeap

MAC, OTHER, US = b"\x02" * 6, b"\x04" * 6, b"\x06" * 6
ADDRESS = IPv4Address("10.0.0.2")


class Link:
    """A table whose every effect is written down."""

    def __init__(self):
        self.now = 0.0
        self.questions, self.sent, self.failed = [], [], []
        self.timers, self.drops = TimerHeap(), Counter()
        self.table = NeighbourTable(
            timers=self.timers,
            rng=random.Random(1),
            drops=self.drops,
            from_us=US + b"\x08\x00",
            solicit=lambda address, mac: self.questions.append(mac),
            transmit=self.sent.append,
            fail=lambda packet, now: self.failed.append(packet),
            confirmed_at=lambda _: self.confirmed_at,
        )
        self.confirmed_at = -math.inf

    def send(self, packet=b"packet"):
        self.table.send(packet, ADDRESS.packed, self.now)
        return self.state

    def answer(self, mac=MAC, *, solicited=True, override=True, router=False):
        claim = Claim(mac=mac, solicited=solicited, override=override, router=router)
        self.table.advertised(ADDRESS.packed, claim, self.now)
        return self.state

    def asked(self, mac=MAC):
        self.table.learn(ADDRESS.packed, mac, self.now)
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
    assert link.questions == [None]
    assert link.sent == []


def test_incomplete_answer_releases_packets_in_order(link):
    link.send(b"one")
    link.send(b"two")
    assert link.answer() is NeighbourState.REACHABLE
    header = MAC + US + b"\x08\x00"
    assert link.sent == [header + b"one", header + b"two"]
    assert link.questions == [None]


def test_incomplete_silence_asks_three_times_then_fails(link):
    link.send(b"one")
    assert link.wait(2.9) is NeighbourState.INCOMPLETE
    assert link.wait(0.2) is NeighbourState.FAILED
    assert link.questions == [None] * 3
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


def test_reachable_unused_turns_stale_and_stays_while_there_are_few(link):
    link.send()
    link.answer()
    assert link.wait(46) is NeighbourState.STALE
    assert link.wait(1000) is NeighbourState.STALE
    assert link.timers.deadline() == math.inf


def test_stale_packet_is_sent_and_delays_a_probe(link):
    link.send()
    link.answer()
    link.wait(46)
    assert link.send() is NeighbourState.DELAY
    assert len(link.sent) == 2
    assert link.wait(5.1) is NeighbourState.PROBE
    assert link.questions == [None, MAC]
    assert link.answer() is NeighbourState.REACHABLE


def test_probe_silence_fails(link):
    link.send()
    link.answer()
    link.wait(46)
    link.send()
    assert link.wait(9) is NeighbourState.FAILED
    assert link.questions == [None, MAC, MAC, MAC]


def test_stranger_who_asks_is_stale(link):
    assert link.asked() is NeighbourState.STALE
    assert link.asked(OTHER) is NeighbourState.STALE
    assert link.table.get(ADDRESS).mac == OTHER


def test_reachable_change_is_locked_for_a_second(link):
    link.send()
    link.answer()
    assert link.table.is_locked(ADDRESS.packed, OTHER, link.now)
    assert not link.table.is_locked(ADDRESS.packed, MAC, link.now)
    link.wait(2)
    assert not link.table.is_locked(ADDRESS.packed, OTHER, link.now)


# RFC 4861 §7.2.5 and its appendix C: what an advertisement changes.


def test_incomplete_without_mac_waits_on(link):
    link.send()
    assert link.answer(None) is NeighbourState.INCOMPLETE


def test_incomplete_unsolicited_turns_stale_and_releases(link):
    link.send()
    assert link.answer(solicited=False) is NeighbourState.DELAY  # Stale, and used at once.
    assert len(link.sent) == 1


def test_reachable_other_mac_without_override_turns_stale_and_keeps_the_old(link):
    link.send()
    link.answer()
    assert link.answer(OTHER, override=False) is NeighbourState.STALE
    assert link.table.get(ADDRESS).mac == MAC


def test_stale_other_mac_without_override_changes_nothing(link):
    link.asked()
    assert link.answer(OTHER, override=False) is NeighbourState.STALE
    assert link.table.get(ADDRESS).mac == MAC


def test_reachable_other_mac_with_override_is_believed(link):
    link.send()
    link.answer()
    assert link.answer(OTHER) is NeighbourState.REACHABLE
    assert link.answer(MAC, solicited=False) is NeighbourState.STALE
    assert link.table.get(ADDRESS).mac == MAC


def test_stale_same_mac_solicited_is_reachable_and_may_be_a_router(link):
    link.asked()
    assert link.answer(override=False, router=True) is NeighbourState.REACHABLE
    assert link.table.get(ADDRESS).is_router
    assert link.answer(None) is NeighbourState.REACHABLE  # And no longer a router.
    assert not link.table.get(ADDRESS).is_router


def test_unknown_advertisement_makes_no_entry(link):
    assert link.answer() is None


# Upper layers confirm (RFC 4861 §7.3.1).


def test_reachable_confirmed_is_not_asked(link):
    link.send()
    link.answer()
    for _ in range(40):
        link.wait(5)
        link.send()
        link.confirmed_at = link.now
    assert link.state is NeighbourState.REACHABLE
    assert link.questions == [None]


def test_delay_confirmed_is_reachable_again(link):
    link.asked()
    assert link.send() is NeighbourState.DELAY
    link.wait(4)
    link.confirmed_at = link.now
    assert link.wait(2) is NeighbourState.REACHABLE
    assert link.questions == []


# Garbage (Linux gc_thresh1, 2 and 3).


def fill(link, count):
    for number in range(count):
        link.table.learn(number.to_bytes(4, "big"), MAC, link.now)


def test_more_than_thresh1_loses_what_is_stale_and_unused(link):
    fill(link, neighbour.GC_THRESH1)
    link.wait(50)
    link.send()
    link.answer()
    link.wait(30)
    assert [each.address for each in link.table.entries()] == [ADDRESS.packed]
    link.wait(30)
    assert link.timers.deadline() == math.inf


def test_thresh2_makes_room_for_the_new_after_five_seconds(link):
    fill(link, neighbour.GC_THRESH2 + 100)
    assert len(link.table.entries()) == neighbour.GC_THRESH2 + 100
    link.wait(6)
    link.send()
    assert len(link.table.entries()) == neighbour.GC_THRESH2 + 1


def test_thresh3_refuses_and_counts(link):
    fill(link, neighbour.GC_THRESH3 + 5)
    assert len(link.table.entries()) == neighbour.GC_THRESH3
    assert link.drops[DropReason.NEIGHBOURS_FULL] == 5
    assert link.send() is None
    link.wait(6)
    assert link.send() is NeighbourState.INCOMPLETE
    assert len(link.table.entries()) == neighbour.GC_THRESH2 + 1


def test_what_is_waited_for_is_never_collected(link):
    for number in range(neighbour.GC_THRESH3):
        link.table.send(b"x", number.to_bytes(4, "big"), link.now)
    assert link.send() is None
    link.wait(10)  # All have failed.
    assert link.send() is NeighbourState.INCOMPLETE
