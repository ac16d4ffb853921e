"""Rewriting packets, with scapy as the judge of every checksum."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from netstack.wire.malformed import MalformedPacket
from nodeagent.datapath.packet import FlowTuple, Packet

ports, addresses = st.integers(0, 0xFFFF), st.integers(1, 0xFFFFFFFF)
layers = st.sampled_from([TCP(), UDP(), ICMP(), Raw(b"")])


@given(layers, addresses, addresses, ports, ports, st.binary(max_size=40))
def test_checksums_stay_right(layer, source, destination, source_port, destination_port, payload):
    frame = bytes(Ether(src="02:00:00:00:00:01") / IP() / layer.copy() / payload)
    packet = Packet.parse(frame, "cni0")
    target = FlowTuple(packet.protocol, source, source_port, destination, destination_port)
    if packet.protocol == 1:
        target = target._replace(destination_port=0)  # Who answers an echo has no port.
    packet.translate_source(target)
    packet.translate_destination(target)
    packet.decrement_ttl()
    assert (packet.source, packet.destination, packet.ttl) == (source, destination, 63)
    again = Ether(bytes(packet.frame))
    fresh = again.copy()
    for kind in (IP, TCP, UDP, ICMP):
        if kind in fresh:
            del fresh[kind].chksum
    assert bytes(fresh) == bytes(packet.frame)
    if isinstance(layer, TCP | UDP):
        assert (again.payload.payload.sport, again.payload.payload.dport) == (
            source_port,
            destination_port,
        )


@given(layers, addresses, addresses, ports, ports, st.binary(max_size=40))
def test_what_was_done_is_undone_for_errors(layer, source, destination, sport, dport, payload):
    frame = bytes(Ether() / IP(src="10.0.0.1", dst="10.0.0.2") / layer.copy() / payload)
    packet = Packet.parse(frame, "cni0")
    if packet.protocol in (1, 6, 17):
        target = FlowTuple(packet.protocol, source, sport, destination, dport)
        if packet.protocol == 1:
            target = target._replace(destination_port=0)
        packet.translate_source(target)
        packet.translate_destination(target)
    else:
        packet.set_source_address(source)
        packet.set_destination_address(destination)
    packet.decrement_ttl()
    assert packet.as_arrived() == frame[14:]


@given(layers.filter(lambda each: not isinstance(each, Raw)), st.integers(0, 7), st.binary())
def test_one_wrong_bit_is_noticed(layer, bit, payload):
    frame = bytearray(bytes(Ether() / IP() / layer.copy() / payload))
    assert Packet.parse(frame, "cni0").checksum_holds()
    frame[34] ^= 1 << bit
    assert not Packet.parse(frame, "cni0").checksum_holds()


def test_a_datagram_without_checksum_keeps_none():
    packet = Packet.parse(bytes(Ether() / IP() / UDP(chksum=0) / b"x"), "cni0")
    packet.set_source_address(5)
    packet.translate_destination(FlowTuple(17, 0, 0, 6, 7))
    assert Ether(bytes(packet.frame))[UDP].chksum == 0


def test_a_broken_checksum_stays_broken():
    packet = Packet.parse(bytes(Ether() / IP() / TCP(chksum=1) / b"x"), "cni0")
    packet.set_destination_address(0x0A000001)
    again = Ether(bytes(packet.frame))
    wrong = again[TCP].chksum
    del again[TCP].chksum
    assert Ether(bytes(again))[TCP].chksum != wrong


@pytest.mark.parametrize(
    ("layer", "flow"),
    [
        (TCP(sport=1, dport=2), (6, 1, 2)),
        (UDP(sport=3, dport=4), (17, 3, 4)),
        (ICMP(id=9), (1, 9, 0)),
        (ICMP(type=0, id=9), (1, 0, 9)),
    ],
)
def test_the_flow_of_a_packet(layer, flow):
    frame = bytes(Ether() / IP(src="0.0.0.1", dst="0.0.0.2") / layer)
    packet = Packet.parse(frame, "cni0")
    protocol, source_port, destination_port = flow
    assert packet.flow == FlowTuple(protocol, 1, source_port, 2, destination_port)
    assert packet.flow.inverted().inverted() == packet.flow


def test_fragments_and_errors_name_no_flow():
    fragment = Packet.parse(bytes(Ether() / IP(flags="MF") / UDP() / b"x"), "cni0")
    error = Packet.parse(bytes(Ether() / IP() / ICMP(type=3) / IP() / UDP()), "cni0")
    assert fragment.flow is None
    assert error.flow is None
    assert error.is_icmp_error


def test_padding_is_cut_off():
    packet = Packet.parse(bytes(Ether() / IP() / UDP() / b"x") + bytes(20), "cni0")
    assert packet.octets == 29


@given(st.binary(max_size=80))
def test_any_octets_are_a_packet_or_malformed(octets):
    for make in (Packet.parse, Packet.from_ip):
        try:
            make(octets, "cni0")
        except MalformedPacket:
            pass


@given(st.integers(0, 19), st.integers(0, 255))
def test_a_flipped_header_is_malformed_or_the_same(at, value):
    frame = bytearray(bytes(Ether() / IP() / UDP() / b"payload"))
    same = frame[14 + at] == value
    frame[14 + at] = value
    try:
        Packet.parse(frame, "cni0")
    except MalformedPacket:
        assert not same
    else:
        assert same
