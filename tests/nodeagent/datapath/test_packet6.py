"""Rewriting IPv6 packets, with scapy as the judge of every checksum."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6DestUnreach,
    ICMPv6EchoReply,
    ICMPv6EchoRequest,
    ICMPv6ND_NS,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
)
from scapy.layers.l2 import Ether

from netstack.wire.malformed import MalformedPacket
from nodeagent.datapath import packet6
from nodeagent.datapath.packet import FlowTuple, Packet
from nodeagent.datapath.packet6 import Packet6

ETHER = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")  # Scapy would ask for one.
A, B = "fd00:10:244:1::5", "fd00:10:244:2::5"
ports, addresses = st.integers(0, 0xFFFF), st.integers(1 << 32, (1 << 128) - 1)
layers = st.sampled_from([TCP(), UDP(), ICMPv6EchoRequest(id=7)])
extensions = st.sampled_from(
    [None, IPv6ExtHdrHopByHop(), IPv6ExtHdrDestOpt(), IPv6ExtHdrFragment(id=5)]
)


def fresh(frame):
    """Return what scapy would make of the same packet, with sums of its own."""
    again = Ether(bytes(frame))
    for kind, field in ((TCP, "chksum"), (UDP, "chksum"), (ICMPv6EchoRequest, "cksum")):
        if kind in again:
            again[kind].delfieldval(field)
    return bytes(again)


@given(layers, extensions, addresses, addresses, ports, ports, st.binary(max_size=40))
def test_checksums_stay_right(layer, extension, source, destination, sport, dport, payload):
    header = IPv6(src=A, dst=B) if extension is None else IPv6(src=A, dst=B) / extension
    frame = bytes(ETHER / header / layer.copy() / payload)
    packet = Packet6.parse(frame, "cni0")
    target = FlowTuple(packet.protocol, source, sport, destination, dport)
    if packet.protocol == 58:
        target = target._replace(destination_port=0)  # Who answers an echo has no port.
    packet.translate_source(target)
    packet.translate_destination(target)
    packet.decrement_ttl()
    assert (packet.source, packet.destination, packet.ttl) == (source, destination, 63)
    assert packet.checksum_holds()
    assert fresh(packet.frame) == bytes(packet.frame)
    assert packet.flow == target
    assert packet.as_arrived() == frame[14:]


@given(layers, st.integers(0, 7), st.binary())
def test_one_wrong_bit_is_noticed(layer, bit, payload):
    frame = bytearray(bytes(ETHER / IPv6(src=A, dst=B) / layer.copy() / payload))
    assert Packet6.parse(frame, "cni0").checksum_holds()
    frame[54] ^= 1 << bit
    assert not Packet6.parse(frame, "cni0").checksum_holds()


@pytest.mark.parametrize(
    ("layer", "flow"),
    [
        (TCP(sport=1, dport=2), (6, 1, 2)),
        (UDP(sport=3, dport=4), (17, 3, 4)),
        (ICMPv6EchoRequest(id=9), (58, 9, 0)),
        (ICMPv6EchoReply(id=9), (58, 0, 9)),
        (IPv6ExtHdrHopByHop() / IPv6ExtHdrRouting() / TCP(sport=1, dport=2), (6, 1, 2)),
        (IPv6ExtHdrFragment(m=0, offset=0) / UDP(sport=3, dport=4), (17, 3, 4)),  # Atomic.
        (IPv6(), (41, 0, 0)),  # A tunnel.
    ],
)
def test_the_flow_of_a_packet(layer, flow):
    frame = bytes(ETHER / IPv6(src="1::1", dst="1::2") / layer)
    protocol, source_port, destination_port = flow
    first = 1 << 112
    assert Packet6.parse(frame, "cni0").flow == FlowTuple(
        protocol, first + 1, source_port, first + 2, destination_port
    )


@pytest.mark.parametrize("offset", [0, 10])
def test_fragments_and_errors_name_no_flow(offset):
    header = IPv6() / IPv6ExtHdrFragment(m=1, offset=offset, nh=17)
    fragment = Packet6.parse(bytes(ETHER / header / UDP() / bytes(8)), "cni0")
    assert (fragment.flow, fragment.is_fragment, fragment.protocol) == (None, True, 17)
    assert fragment.is_first is not bool(offset)
    error = Packet6.parse(bytes(ETHER / IPv6() / ICMPv6DestUnreach() / IPv6() / UDP()), "cni0")
    assert (error.flow, error.is_icmp_error, error.is_discovery) == (None, True, False)
    discovery = Packet6.parse(bytes(ETHER / IPv6(hlim=255) / ICMPv6ND_NS()), "cni0")
    assert (discovery.flow, discovery.is_icmp_error, discovery.is_discovery) == (None, False, True)


def test_what_is_too_big_is_never_cut_unless_it_came_in_pieces():
    packet = Packet6.parse(bytes(ETHER / IPv6() / UDP() / bytes(1400)), "cni0")
    assert not packet.may_be_cut
    assert packet.is_too_big(1447)
    assert not packet.is_too_big(1448)
    packet.longest_fragment = 1300
    assert packet.may_be_cut
    assert not packet.is_too_big(1300)
    assert packet.is_too_big(1299)


def test_padding_is_cut_off():
    packet = Packet6.parse(bytes(ETHER / IPv6() / UDP() / b"x") + bytes(20), "cni0")
    assert packet.octets == 49


@pytest.mark.parametrize(
    "packet",
    [
        IPv6(version=4) / UDP(),
        IPv6(plen=9) / UDP(),
        IPv6(nh=6) / bytes(19),
        IPv6(nh=6),
        IPv6(nh=17) / bytes(3),
        IPv6(nh=58),
        IPv6(nh=44) / b"\x11\0\0\0\0\0\0\1",  # Atomic, and nothing in it.
        IPv6(nh=0) / b"\x06\xff" / bytes(30),
        IPv6(nh=44) / b"\x06",
        IPv6(nh=44) / b"\x06\0\0\1\0\0\0\1" / bytes(8),  # No whole TCP header (RFC 7112).
        IPv6(nh=44) / b"\x2c\0\0\1\0\0\0\1" / b"\x11\0\0\1\0\0\0\2" / bytes(80),
        IPv6(nh=60) / (b"\x3c\0\1\4" + bytes(4)) / (b"\x3c\0\1\4" + bytes(4)) / bytes(80),
    ],
)
def test_malformed(packet):
    octets = bytes(packet)
    if packet.nh == 60:
        octets = octets[:40] + (b"\x3c\0\1\4" + bytes(4)) * 10  # More headers than anybody needs.
    with pytest.raises(MalformedPacket):
        Packet6.from_ip(octets, "cni0")


@given(st.binary(max_size=120))
def test_any_octets_are_a_packet_or_malformed(octets):
    for make in (Packet6.parse, Packet6.from_ip, packet6.from_ip):
        try:
            make(octets, "cni0")
        except MalformedPacket:
            pass


def test_the_family_of_bare_octets():
    assert type(packet6.from_ip(bytes(IPv6() / UDP()), "eth0")) is Packet6
    with pytest.raises(MalformedPacket):
        packet6.from_ip(b"", "eth0")
    assert Packet.version == 4
