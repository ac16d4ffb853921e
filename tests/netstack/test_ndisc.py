"""Neighbour discovery of a host: what it answers, announces, believes and counts (RFC 4861)."""

from __future__ import annotations

import random
from ipaddress import IPv6Address, IPv6Interface

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netstack import neighbour
from netstack.drops import DropReason
from netstack.host import Host
from netstack.ip6_addresses import group_mac, solicited_node
from netstack.ip6_output import header
from netstack.neighbour import NeighbourState
from netstack.wire.ethernet import ETHERTYPE_IPV6, Ethernet, EthernetView
from netstack.wire.icmpv6 import Icmpv6, Icmpv6View, Type, echo
from netstack.wire.ipv6 import Ipv6View, NextHeader
from netstack.wire.ndp import (
    NeighbourAdvertisement,
    NeighbourSolicitation,
    Options,
    RouterAdvertisement,
    RouterSolicitation,
)

OWN, OTHER = bytes([2, 0, 0, 0, 0, 1]), bytes([2, 0, 0, 0, 0, 2])
A, B = IPv6Address("fd00::1"), IPv6Address("fd00::2")
LINK_LOCAL, ROUTER = IPv6Address("fe80::ff:fe00:1"), IPv6Address("fe80::99")
ALL_NODES, NOBODY = IPv6Address("ff02::1"), IPv6Address("::")
TO_OUR_GROUP = IPv6Address(solicited_node(A.packed))


def make(**options):
    defaults = {
        "mac": OWN,
        "address": None,
        "gateway": None,
        "address6": IPv6Interface(f"{A}/64"),
        "mtu": 1500,
        "rng": random.Random(3),
    }
    return Host(**(defaults | options))


@pytest.fixture
def host():
    made = make()
    made.frames_to_send()
    return made


def frame(message, source=B, destination=A, *, hop_limit=255, to=None):
    octets = message.emit(source, destination)
    endpoints = (source.packed, destination.packed)
    packet = header(NextHeader.ICMPV6, endpoints, len(octets), hop_limit) + octets
    if to is None:
        to = group_mac(destination.packed) if destination.is_multicast else OWN
    return Ethernet(to, OTHER, ETHERTYPE_IPV6).emit() + packet


def said(host):
    """Return what the host sends: MACs, addresses and messages."""
    found = []
    for each in host.frames_to_send():
        view = EthernetView(each)
        packet = Ipv6View(view.payload)
        source, destination = IPv6Address(packet.source), IPv6Address(packet.destination)
        message = Icmpv6.parse(Icmpv6View(packet.payload), source, destination)
        assert packet.hop_limit == (255 if message.type >= 133 else 64)
        found.append((view.destination, source, destination, message))
    return found


ASK = NeighbourSolicitation(A, Options(source_mac=OTHER)).emit()
ANSWER = NeighbourAdvertisement(
    target=B, solicited=True, override=True, options=Options(target_mac=OTHER)
)


def test_new_host_announces_its_addresses():
    announced = said(make())
    assert [each[1] for each in announced] == [A, LINK_LOCAL]
    for mac, source, destination, message in announced:
        assert (mac, destination) == (bytes.fromhex("333300000001"), ALL_NODES)
        answer = NeighbourAdvertisement.parse(message)
        assert (answer.target, answer.solicited, answer.override) == (source, False, True)
        assert answer.options.target_mac == OWN


def test_host_without_ipv6_address_speaks_no_ipv6():
    host = make(address6=None)
    assert host.frames_to_send() == []
    host.receive_frame(frame(ASK, destination=TO_OUR_GROUP), 1.0)
    host.receive_frame(frame(echo(Type.ECHO_REQUEST, 1, 1, b"")), 1.0)
    assert host.drops == {DropReason.FRAME_NOT_FOR_US: 1, DropReason.ETHERTYPE_UNKNOWN: 1}


def test_solicitation_is_answered_and_remembered(host):
    host.receive_frame(frame(ASK, destination=TO_OUR_GROUP), 1.0)
    [(mac, source, destination, message)] = said(host)
    assert (mac, source, destination) == (OTHER, A, B)
    answer = NeighbourAdvertisement.parse(message)
    assert (answer.target, answer.solicited, answer.override) == (A, True, True)
    assert host.neighbours6.get(B).state is NeighbourState.STALE


def test_solicitation_without_mac_asks_back(host):
    host.receive_frame(frame(NeighbourSolicitation(A).emit()), 1.0)
    [(mac, _, _, message)] = said(host)
    assert mac == group_mac(solicited_node(B.packed))
    assert NeighbourSolicitation.parse(message).options.source_mac == OWN
    host.receive_frame(frame(ANSWER.emit()), 1.0)
    [(mac, _, _, message)] = said(host)
    assert (mac, message.type) == (OTHER, Type.NEIGHBOUR_ADVERTISEMENT)


def test_probe_of_somebody_is_answered_to_all(host):
    probe = NeighbourSolicitation(A).emit()
    host.receive_frame(frame(probe, source=NOBODY, destination=TO_OUR_GROUP), 1.0)
    [(_, source, destination, message)] = said(host)
    assert (source, destination) == (A, ALL_NODES)
    assert not NeighbourAdvertisement.parse(message).solicited


def test_packet_asks_the_group_and_waits_for_the_answer(host):
    host.ping(B, identifier=1, sequence=2, payload=b"x", now=1.0)
    [(mac, source, destination, _)] = said(host)
    assert (mac, source) == (group_mac(solicited_node(B.packed)), A)
    assert destination == IPv6Address(solicited_node(B.packed))
    host.receive_frame(frame(ANSWER.emit()), 1.0)
    [(mac, _, destination, message)] = said(host)
    assert (mac, destination, message.type) == (OTHER, B, Type.ECHO_REQUEST)
    assert host.neighbours6.get(B).state is NeighbourState.REACHABLE


def test_off_link_packets_go_to_the_gateway():
    host = make(gateway6=IPv6Address("fd00::99"))
    host.frames_to_send()
    host.ping(IPv6Address("2001:db8::1"), identifier=1, sequence=1, payload=b"", now=1.0)
    [(_, _, _, message)] = said(host)
    assert NeighbourSolicitation.parse(message).target == IPv6Address("fd00::99")


def test_off_link_without_gateway_is_unreachable(host):
    with pytest.raises(OSError, match="no route to 2001:db8::1"):
        host.tcp_connect((IPv6Address("2001:db8::1"), 80), 1.0)


def test_on_link_host_that_is_absent_is_unreachable(network):
    host = network.host6(1)
    connection = host.tcp_connect((IPv6Address("fd00::9"), 80), network.now)
    network.run(until=lambda: connection.closed, limit_s=10)
    assert connection.error.strerror == "No route to host"
    assert host.drops[DropReason.NEIGHBOUR_FAILED] > 0


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (frame(ASK, hop_limit=254), DropReason.NDP_NOT_A_NEIGHBOUR),
        (frame(ANSWER.emit(), hop_limit=64), DropReason.NDP_NOT_A_NEIGHBOUR),
        (frame(ANSWER.emit(), destination=ALL_NODES), DropReason.NDP_MALFORMED),
        (frame(ASK, source=NOBODY, destination=TO_OUR_GROUP), DropReason.NDP_MALFORMED),
        (frame(NeighbourSolicitation(A).emit(), source=NOBODY, destination=ALL_NODES),
         DropReason.NDP_MALFORMED),
        (frame(NeighbourSolicitation(B).emit()), DropReason.NDP_UNHEEDED),
        (frame(Icmpv6(Type.NEIGHBOUR_SOLICITATION, 0, 0, b"")), DropReason.NDP_MALFORMED),
        (frame(RouterSolicitation().emit()), DropReason.NDP_UNHEEDED),
        (frame(Icmpv6(Type.REDIRECT, 0, 0, bytes(32))), DropReason.NDP_UNHEEDED),
        (frame(RouterAdvertisement().emit()), DropReason.NDP_MALFORMED),
        (frame(ANSWER.emit(), to=b"\xff" * 6), DropReason.FRAME_NOT_FOR_US),
        (frame(ANSWER.emit(), to=b"\x33\x33\0\0\0\x02"), DropReason.FRAME_NOT_FOR_US),
    ],
)  # fmt: skip
def test_what_no_neighbour_says_is_counted(host, octets, reason):
    host.receive_frame(octets, 1.0)
    assert host.drops == {reason: 1}
    assert host.frames_to_send() == []
    assert host.neighbours6.entries() == []


def test_unasked_advertisement_makes_no_entry(host):
    host.receive_frame(frame(ANSWER.emit()), 1.0)
    assert host.neighbours6.entries() == []


def test_spoofed_advertisement_of_our_address_is_counted(host):
    spoofed = NeighbourAdvertisement(target=A, override=True, options=Options(target_mac=OTHER))
    host.receive_frame(frame(spoofed.emit(), destination=ALL_NODES), 1.0)
    host.receive_frame(frame(spoofed.emit(), source=A, destination=ALL_NODES), 1.0)
    assert host.drops == {DropReason.ADDRESS_CONFLICT: 2}
    host.receive_frame(frame(echo(Type.ECHO_REQUEST, 1, 1, b"still us?")), 1.0)
    assert said(host)


def test_own_words_that_come_back_are_nobodys():
    host = make(dad_transmits=1)
    now = 1.0
    while host.addresses6.tentative:
        host.handle_deadline(now)
        host.receive_frames(host.frames_to_send(), now)
        now += 0.5
        assert now < 10
    assert host.drops.keys() == {DropReason.FRAME_NOT_FOR_US}
    assert host.addresses6.is_own(A.packed)


def test_flood_of_advertisements_leaves_nothing(host):
    for number in range(2000):
        answer = NeighbourAdvertisement(
            target=IPv6Address(int(B) + number), options=Options(target_mac=OTHER)
        )
        host.receive_frame(frame(answer.emit()), 1.0)
    assert host.neighbours6.entries() == []
    assert host.frames_to_send() == []


def test_flood_of_solicitations_is_bounded(host):
    ask = NeighbourSolicitation(A, Options(source_mac=OTHER)).emit()
    count = neighbour.GC_THRESH3 + 50
    for number in range(count):
        source = IPv6Address(int(B) + number)
        host.receive_frame(frame(ask, source=source), 1.0)
    assert len(host.neighbours6.entries()) == neighbour.GC_THRESH3
    assert host.drops == {DropReason.NEIGHBOURS_FULL: 50}


@settings(max_examples=100)
@given(
    st.lists(
        st.tuples(
            st.sampled_from((133, 134, 135, 136, 137)),
            st.integers(0, 0xFFFFFFFF),
            st.sampled_from((b"", A.packed, B.packed, LINK_LOCAL.packed)),
            st.binary(max_size=40),
            st.sampled_from((NOBODY, A, B, ROUTER)),
            st.sampled_from((A, ALL_NODES, TO_OUR_GROUP)),
        ),
        max_size=20,
    )
)
def test_no_message_can_raise(messages):
    host, now = make(dad_transmits=len(messages) % 2), 1.0
    for kind, rest, target, tail, source, destination in messages:
        before = host.drops.total()
        message = Icmpv6(kind, 0, rest, target + tail)
        host.receive_frame(frame(message, source=source, destination=destination), now)
        assert host.drops.total() <= before + 1
        host.handle_deadline(now)
        now += 0.7
    assert len(host.neighbours6.entries()) <= 3
    assert len(host.frames_to_send()) <= 10 + 3 * len(messages)


# Routers.


def advertise(host, now=1.0, source=ROUTER, **fields):
    message = RouterAdvertisement(**({"lifetime_s": 1800} | fields)).emit()
    host.receive_frame(frame(message, source=source, destination=ALL_NODES), now)


def test_router_is_used_until_its_lifetime_ends(host):
    advertise(host, options=Options(source_mac=OTHER))
    assert host.gateway6 == ROUTER
    host.ping(IPv6Address("2001:db8::1"), identifier=1, sequence=1, payload=b"", now=2.0)
    [(mac, source, _, _)] = said(host)
    assert (mac, source) == (OTHER, A)
    assert host.neighbours6.get(ROUTER).is_router
    host.receive_frame(frame(ASK, source=ROUTER, destination=TO_OUR_GROUP), 2.0)
    assert host.neighbours6.get(ROUTER).is_router  # A question says nothing of that.
    advertise(host, now=2.0, source=IPv6Address("fe80::77"))
    assert host.gateway6 == ROUTER
    host.handle_deadline(1801.5)
    assert host.gateway6 is None


def test_router_that_leaves_is_left(host):
    advertise(host)
    advertise(host, lifetime_s=0)
    assert host.gateway6 is None
    advertise(host)
    host.receive_frame(frame(NeighbourAdvertisement(target=ROUTER).emit(), source=ROUTER), 1.0)
    assert host.gateway6 is None


def test_configured_gateway_is_kept():
    host = make(gateway6=B)
    advertise(host)
    advertise(host, lifetime_s=0)
    assert host.gateway6 == B


def test_configured_gateway_may_be_link_local():
    host = make(gateway6=ROUTER)
    said(host)
    host.ping(IPv6Address("2001:db8::1"), identifier=1, sequence=1, payload=b"", now=2.0)
    [(_, source, destination, question)] = said(host)
    assert (source, destination) == (LINK_LOCAL, IPv6Address(solicited_node(ROUTER.packed)))
    assert NeighbourSolicitation.parse(question).target == ROUTER
    answer = NeighbourAdvertisement(
        target=ROUTER, router=True, solicited=True, options=Options(target_mac=OTHER)
    )
    host.receive_frame(frame(answer.emit(), source=ROUTER), 2.0)
    [(mac, source, destination, _)] = said(host)
    assert (mac, source, destination) == (OTHER, A, IPv6Address("2001:db8::1"))


def test_router_tells_of_mtu_and_timers(host):
    advertise(host, reachable_ms=10_000, retransmit_ms=2000, options=Options(mtu=1400))
    assert host.output6.mtu_towards(B.packed, 1.0) == 1400
    assert host.neighbours6.base_reachable_s == 10.0
    assert host.neighbours6.retransmit_s == 2.0
    advertise(host, options=Options(mtu=1200))
    advertise(host, options=Options(mtu=9000))
    advertise(host, reachable_ms=0xFFFFFFFF, retransmit_ms=1)
    assert host.output6.mtu_towards(B.packed, 1.0) == 1400
    assert host.neighbours6.base_reachable_s == 10.0
    assert host.neighbours6.retransmit_s == 2.0


# Neighbours in use.


@pytest.mark.parametrize("version", [4, 6])
def test_neighbour_whose_peer_acknowledges_is_not_probed(network, version):
    first, second = network.host6(1), network.host6(2)
    listener = second.tcp_listen(None, 80)
    target = second.address if version == 4 else second.address6
    near = first.tcp_connect((target, 80), network.now)
    network.run(until=lambda: listener.ready, limit_s=1)
    far = listener.accept()
    network.sent.clear()
    for _ in range(60):
        near.write(b"still there?", network.now)
        network.run(limit_s=2)
        far.read(100, network.now)
    asks = {each[6:12] for _, each in network.sent if is_question(each)}
    assert near.unacknowledged_octets == 0
    # Only the peer, whose acknowledgments nobody acknowledges, must ask.
    assert asks == {second.mac}


def is_question(octets):
    if octets[12:14] == b"\x08\x06":
        return octets[21] == 1
    return octets[12:14] == b"\x86\xdd" and octets[20] == 58 and octets[54] == 135


# Duplicate address detection (RFC 4862 §5.4).


def test_tentative_address_is_probed_for_then_announced():
    host = make(dad_transmits=2)
    assert host.frames_to_send() == []
    assert host.deadline() <= 10.0
    now, probes = 10.0, []
    with pytest.raises(OSError, match="no route"):
        host.ping(B, identifier=1, sequence=1, payload=b"", now=now)
    while host.addresses6.tentative:
        assert now < 15
        host.handle_deadline(now)
        probes += [each for each in said(host) if each[1] == NOBODY]
        now = max(now + 0.01, min(host.deadline(), now + 1))
    assert len(probes) == 4
    for _, _, destination, message in probes:
        question = NeighbourSolicitation.parse(message)
        assert question.options.source_mac is None
        assert destination == IPv6Address(solicited_node(question.target.packed))
    assert sorted(map(str, (each.ip for each in host.addresses6.interfaces))) == [
        str(A), str(LINK_LOCAL),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "answer",
    [
        frame(NeighbourAdvertisement(target=A, override=True).emit(), destination=ALL_NODES),
        frame(NeighbourAdvertisement(target=A).emit(), source=A, destination=ALL_NODES),
        frame(NeighbourSolicitation(A).emit(), source=NOBODY, destination=TO_OUR_GROUP),
    ],
)
def test_tentative_address_of_somebody_else_is_not_used(answer):
    host = make(dad_transmits=1)
    host.handle_deadline(1.0)
    host.receive_frame(answer, 1.5)
    for now in range(2, 10):
        host.handle_deadline(float(now))
    assert host.drops == {DropReason.ADDRESS_DUPLICATE: 1}
    assert [each.ip for each in host.addresses6.interfaces] == [LINK_LOCAL]


def test_question_for_a_tentative_address_is_no_conflict():
    host = make(dad_transmits=1)
    host.receive_frame(frame(ASK, destination=TO_OUR_GROUP), 1.0)
    assert host.frames_to_send() == []
    assert not host.drops


def test_removed_address_is_no_longer_probed_for():
    host = make(dad_transmits=1)
    host.remove_address(A)
    for now in range(1, 10):
        host.handle_deadline(float(now))
    assert [each.ip for each in host.addresses6.interfaces] == [LINK_LOCAL]


def test_two_hosts_with_one_address_notice(network):
    first = network.host6(1, dad_transmits=1)
    network.run(limit_s=5)
    second = network.host(2, address6=first.addresses6.primary, dad_transmits=1)
    network.run(limit_s=5)
    assert second.drops[DropReason.ADDRESS_DUPLICATE] == 1
    assert first.addresses6.is_own(first.address6.packed)
    assert not second.addresses6.is_own(first.address6.packed)
