"""ARP conflict detection (RFC 5227): probe, announce, defend; and what of ARP is not heeded."""

from __future__ import annotations

import random
from ipaddress import IPv4Address, IPv4Interface

import pytest

from netstack import arp, neighbour
from netstack.drops import DropReason
from netstack.host import Host
from netstack.neighbour import NeighbourState
from netstack.wire.arp import Arp, ArpView, Operation
from netstack.wire.ethernet import BROADCAST, ETHERTYPE_ARP, Ethernet

OWN, OTHER = bytes([2, 0, 0, 0, 0, 1]), bytes([2, 0, 0, 0, 0, 2])
A, B, NOBODY = IPv4Address("10.0.0.1"), IPv4Address("10.0.0.2"), IPv4Address(0)


def make(**options):
    return Host(
        mac=OWN,
        address=IPv4Interface(f"{A}/24"),
        gateway=None,
        mtu=1450,
        rng=random.Random(3),
        **options,
    )


def hear(host, now, operation=Operation.REQUEST, *, sender=B, target=A, mac=OTHER):
    octets = Arp(operation, mac, sender, bytes(6), target).emit()
    host.receive_frame(Ethernet(BROADCAST, mac, ETHERTYPE_ARP).emit() + octets, now)
    return said(host)


def said(host):
    frames = host.frames_to_send()
    return [Arp.parse(ArpView(each[14:])) for each in frames if each[12:14] == b"\x08\x06"]


@pytest.fixture
def host():
    made = make()
    made.frames_to_send()
    return made


@pytest.mark.parametrize("operation", Operation)
def test_claimed_address_is_defended_once_in_ten_seconds(host, operation):
    [defence] = hear(host, 100.0, operation, sender=A)
    assert defence == Arp(Operation.REQUEST, OWN, A, bytes(6), A)
    assert hear(host, 101.0, operation, sender=A) == []
    assert hear(host, 99.9 + arp.DEFEND_INTERVAL_S, operation, sender=A) == []
    assert len(hear(host, 100.0 + arp.DEFEND_INTERVAL_S, operation, sender=A)) == 1
    assert host.drops == {DropReason.ADDRESS_CONFLICT: 4}
    assert host.address == A


def test_own_words_that_come_back_are_no_conflict(host):
    assert hear(host, 1.0, sender=A, mac=OWN) == []
    assert not host.drops


def test_two_hosts_that_defend_do_not_quarrel(network):
    first = network.host(1)
    second = network.host(2, address=first.addresses.primary)
    network.run(limit_s=60)
    first.arp.announce(first.address.packed)
    network.sent.clear()
    network.run(limit_s=9)
    assert len(network.sent) <= 3
    for host in (first, second):
        assert host.drops[DropReason.ADDRESS_CONFLICT] >= 1


def test_probed_address_is_asked_for_three_times_then_announced():
    host = make(arp_probes=3)
    assert host.frames_to_send() == []
    now, seen = 10.0, []
    while not host.addresses:
        assert now < 20
        host.handle_deadline(now)
        seen += said(host)
        now = max(now + 0.01, min(host.deadline(), now + 1))
    *probes, announcement = seen
    assert [each.sender_address for each in probes] == [NOBODY] * 3
    assert {each.target_address for each in probes} == {A}
    assert announcement == Arp(Operation.REQUEST, OWN, A, bytes(6), A)


@pytest.mark.parametrize(
    "words", [{"sender": A, "operation": Operation.REPLY}, {"sender": NOBODY, "target": A}]
)
def test_probed_address_of_somebody_else_is_not_used(words):
    host = make(arp_probes=3)
    host.handle_deadline(1.0)
    hear(host, 1.1, **words)
    for now in range(2, 12):
        host.handle_deadline(float(now))
    assert host.drops == {DropReason.ADDRESS_DUPLICATE: 1}
    assert not host.addresses


def test_answer_to_our_question_is_believed_and_locked(host):
    host.ping(B, identifier=1, sequence=1, payload=b"", now=1.0)
    host.frames_to_send()
    hear(host, 1.0, Operation.REPLY)
    assert host.neighbours.get(B).state is NeighbourState.REACHABLE
    hear(host, 1.5, Operation.REPLY, mac=b"\x02" * 6)
    assert host.neighbours.get(B).mac == OTHER
    hear(host, 3.0, Operation.REPLY, mac=b"\x02" * 6)
    assert host.neighbours.get(B).mac == b"\x02" * 6


def test_gratuitous_change_turns_stale(host):
    hear(host, 1.0)
    assert hear(host, 3.0, sender=B, target=B, mac=b"\x02" * 6) == []
    assert host.neighbours.get(B).mac == b"\x02" * 6
    assert host.neighbours.get(B).state is NeighbourState.STALE


def test_flood_of_requests_is_bounded(host):
    for number in range(neighbour.GC_THRESH3 + 50):
        hear(host, 1.0, sender=IPv4Address(int(IPv4Address("10.0.1.0")) + number))
    assert len(host.neighbours.entries()) == neighbour.GC_THRESH3
    assert host.drops == {DropReason.NEIGHBOURS_FULL: 50}
