"""IPv6 packets that arrive: extension headers, fragments, martians; what each is counted as."""

from __future__ import annotations

import random
from ipaddress import IPv6Address, IPv6Interface

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import UDP
from scapy.layers.inet6 import (
    HBHOptUnknown,
    ICMPv6EchoRequest,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
    RouterAlert,
)
from scapy.packet import Raw

from netstack import ip6_fragment, ip_fragment
from netstack.drops import DropReason
from netstack.ip_host import IpHost
from netstack.wire.icmpv6 import Icmpv6, Icmpv6View, ParameterProblem, TimeExceeded, Type
from netstack.wire.ipv6 import EXTENSIONS_MAX, Ipv6View

HOST, PEER = IPv6Address("fd00::1"), IPv6Address("fd00::2")
ECHO = ICMPv6EchoRequest(id=7, seq=9, data=b"hello")


def make():
    return IpHost(
        address=None, address6=IPv6Interface(f"{HOST}/64"), mtu=1500, rng=random.Random(1)
    )


@pytest.fixture
def host():
    return make()


def build(*layers, **fields):
    stack = IPv6(**({"src": str(PEER), "dst": str(HOST)} | fields))
    for each in layers:
        stack = stack / each
    return bytes(stack)


def answers(host, octets, now=1.0):
    host.receive_packet(octets, now)
    views = [Ipv6View(each) for each in host.packets_to_send()]
    return [
        Icmpv6.parse(
            Icmpv6View(view.payload), IPv6Address(view.source), IPv6Address(view.destination)
        )
        for view in views
    ]


@pytest.mark.parametrize(
    "layers",
    [
        [],
        [IPv6ExtHdrHopByHop(options=[RouterAlert()])],
        [IPv6ExtHdrDestOpt(options=[HBHOptUnknown(otype=0x1E, optdata=b"skip me")])],
        [IPv6ExtHdrRouting(type=0, segleft=0)],
        [IPv6ExtHdrFragment(id=3)],  # Atomic: RFC 6946.
        [IPv6ExtHdrHopByHop(), IPv6ExtHdrDestOpt(), IPv6ExtHdrRouting(), IPv6ExtHdrFragment()],
    ],
)
def test_echo_request_behind_extension_headers_is_answered(host, layers):
    [reply] = answers(host, build(*layers, ECHO))
    assert (reply.type, reply.body) == (Type.ECHO_REPLY, b"hello")
    assert not host.drops


def problem(host, octets):
    [error] = answers(host, octets)
    assert error.type == Type.PARAMETER_PROBLEM
    assert error.body == octets
    return ParameterProblem(error.code), error.rest


def test_routing_header_with_segments_left_is_refused(host):
    octets = build(IPv6ExtHdrRouting(type=0, addresses=["fd00::9"], segleft=1), ECHO)
    assert problem(host, octets) == (ParameterProblem.FIELD, 42)
    assert host.drops == {DropReason.ROUTING_HEADER_REFUSED: 1}


def test_unknown_next_header_is_a_parameter_problem(host):
    octets = build(IPv6ExtHdrDestOpt(nh=200), Raw(b"what is this"))
    assert problem(host, octets) == (ParameterProblem.NEXT_HEADER, 40)
    assert host.drops == {DropReason.IP_PROTOCOL_UNKNOWN: 1}


def test_no_next_header_is_nothing_to_talk_about(host):
    assert answers(host, build(nh=59)) == []
    assert host.drops == {DropReason.IP_PROTOCOL_UNKNOWN: 1}


def test_hop_by_hop_header_that_is_not_first_is_a_parameter_problem(host):
    octets = build(IPv6ExtHdrDestOpt(), IPv6ExtHdrHopByHop(), ECHO)
    assert problem(host, octets) == (ParameterProblem.NEXT_HEADER, 40)
    assert host.drops == {DropReason.EXTENSION_HEADER_BAD: 1}


@pytest.mark.parametrize(("kind", "to_us", "to_group"), [(0x5E, 0, 0), (0x9E, 1, 1), (0xDE, 1, 0)])
def test_unknown_option_is_treated_as_it_asks(host, kind, to_us, to_group):
    option = IPv6ExtHdrDestOpt(options=[HBHOptUnknown(otype=kind, optdata=b"xy")])
    assert len(answers(host, build(option, ECHO))) == to_us
    assert len(answers(host, build(option, ECHO, dst="ff02::1"))) == to_group
    assert host.drops == {DropReason.OPTION_UNKNOWN: 2}


def test_unknown_option_is_pointed_at(host):
    octets = build(IPv6ExtHdrDestOpt(options=[HBHOptUnknown(otype=0x9E, optdata=b"xy")]), ECHO)
    assert problem(host, octets) == (ParameterProblem.OPTION, 42)


def test_chain_that_is_too_long_is_dropped(host):
    octets = build(*[IPv6ExtHdrDestOpt() for _ in range(EXTENSIONS_MAX + 1)], ECHO)
    assert answers(host, octets) == []
    assert host.drops == {DropReason.EXTENSION_HEADERS_TOO_MANY: 1}


def test_extension_header_that_leaves_the_packet_is_dropped(host):
    assert answers(host, build(Raw(bytes((58, 9)) + bytes(6)), nh=60)) == []
    assert host.drops == {DropReason.EXTENSION_HEADER_BAD: 1}


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (b"\x60" + bytes(38), DropReason.IP_MALFORMED),
        (b"\x60\0\0\0\0\x01" + bytes(34), DropReason.IP_MALFORMED),
        (b"\x70" + build(ECHO)[1:], DropReason.IP_MALFORMED),
        (build(ECHO, dst="fd00::7"), DropReason.IP_NOT_FOR_US),
        (build(ECHO, dst="::1"), DropReason.IP_NOT_FOR_US),
        (build(ECHO, dst="ff02::2"), DropReason.IP_NOT_FOR_US),
        (build(ECHO, src="ff02::1"), DropReason.IP_MARTIAN),
        (build(ECHO, src="::1"), DropReason.IP_MARTIAN),
        (build(ECHO, src="::"), DropReason.IP_MARTIAN),
        (build(ECHO, src="::ffff:10.0.0.1"), DropReason.IP_MARTIAN),
        (build(ECHO, src=str(HOST)), DropReason.IP_MARTIAN),
        (build(ECHO, src=str(HOST), hlim=255), DropReason.ADDRESS_CONFLICT),
        (build(UDP(), src="::", dst="ff02::1"), DropReason.IP_MARTIAN),
    ],
)
def test_what_makes_no_sense_is_counted(host, octets, reason):
    assert answers(host, octets) == []
    assert host.drops == {reason: 1}


# Fragments.


def fragment(payload, offset=0, more=True, identification=5, protocol=58, **fields):
    header = IPv6ExtHdrFragment(offset=offset // 8, m=int(more), id=identification, nh=protocol)
    return build(header, Raw(payload), **fields)


WHOLE = bytes(IPv6(build(ICMPv6EchoRequest(id=7, seq=9, data=b"x" * 100))).payload)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0), (0, 0, 1, 1, 2)])
def test_fragments_in_any_order_are_whole(host, order):
    pieces = [
        fragment(WHOLE[:48]),
        fragment(WHOLE[48:96], 48),
        fragment(WHOLE[96:], 96, more=False),
    ]
    replies = [each for number in order for each in answers(host, pieces[number])]
    assert [each.body for each in replies] == [b"x" * 100]
    assert not host.drops


def test_overlapping_fragments_are_dropped(host):
    answers(host, fragment(bytes(64)))
    answers(host, fragment(bytes(64), 32))
    assert host.drops == {DropReason.FRAGMENT_BAD: 1}


def test_first_fragment_without_all_headers_is_refused(host):
    octets = fragment(bytes((17, 0)) + bytes(6) + b"\0\1\0\2", protocol=60, more=False)[:-4]
    octets = octets[:5] + bytes((octets[5] - 4,)) + octets[6:]
    octets = octets[:43] + b"\x01" + octets[44:]  # More fragments.
    assert problem(host, octets) == (ParameterProblem.INCOMPLETE_CHAIN, 0)
    assert host.drops == {DropReason.FRAGMENT_BAD: 1}


def test_fragment_of_an_odd_length_is_a_parameter_problem(host):
    assert problem(host, fragment(WHOLE[:47])) == (ParameterProblem.FIELD, 4)


def test_fragment_that_ends_too_late_is_a_parameter_problem(host):
    assert problem(host, fragment(bytes(64), 65528, more=False)) == (ParameterProblem.FIELD, 42)


def test_fragments_in_fragments_are_dropped(host):
    inner = bytes(IPv6(fragment(bytes(8), identification=6)).payload)
    answers(host, fragment(inner, protocol=44))
    answers(host, fragment(bytes(8), len(inner), more=False, protocol=44))
    assert host.drops == {DropReason.FRAGMENT_BAD: 1}


def test_atomic_fragment_is_kept_apart(host):
    answers(host, fragment(WHOLE[:48]))
    [reply] = answers(host, build(IPv6ExtHdrFragment(id=5), ECHO))
    assert reply.body == b"hello"
    [reply] = answers(host, fragment(WHOLE[48:], 48, more=False))
    assert reply.body == b"x" * 100


def test_late_fragments_are_reported(host):
    answers(host, fragment(WHOLE[:48]))
    host.handle_deadline(1.0 + ip6_fragment.TIMEOUT_S)
    [packet] = host.packets_to_send()
    error = Icmpv6.parse(Icmpv6View(Ipv6View(packet).payload), HOST, PEER)
    assert (error.type, error.code) == (Type.TIME_EXCEEDED, TimeExceeded.REASSEMBLY)
    assert host.drops == {DropReason.FRAGMENTS_LATE: 1}


def test_fragment_flood_is_bounded(host):
    for number in range(ip_fragment.PACKETS_MAX + 100):
        answers(host, fragment(WHOLE[:48], identification=number))
    assert host.drops == {DropReason.FRAGMENTS_FULL: 100}


# Anything.

headers = st.sampled_from(
    [
        IPv6ExtHdrHopByHop(),
        IPv6ExtHdrDestOpt(options=[HBHOptUnknown(otype=0xC3, optdata=b"12")]),
        IPv6ExtHdrRouting(segleft=1),
        IPv6ExtHdrRouting(),
        IPv6ExtHdrFragment(m=1),
        IPv6ExtHdrFragment(offset=2),
        IPv6ExtHdrFragment(),
    ]
)


@settings(max_examples=150)
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=100),
            st.binary(max_size=100).map(
                lambda octets: b"\x60\0\0\0" + len(octets).to_bytes(2, "big")
                + octets[:1] + b"\x40" + PEER.packed + HOST.packed + octets
            ),
            st.lists(headers, max_size=10).map(lambda layers: build(*layers, ECHO)),
            st.tuples(st.lists(headers, max_size=4), st.integers(0, 200), st.integers(0, 255)),
        ),
        max_size=10,
    )
)  # fmt: skip
def test_no_packet_can_raise(packets):
    host, now = make(), 1.0
    for each in packets:
        if isinstance(each, tuple):
            layers, position, value = each
            mutated = bytearray(build(*layers, ECHO))
            mutated[position % len(mutated)] = value
            each = bytes(mutated)
        before = sum(host.drops.values())
        host.receive_packet(each, now)
        assert sum(host.drops.values()) <= before + 1
        now += 7.0
        if host.deadline() <= now:
            host.handle_deadline(now)
    host.packets_to_send()
