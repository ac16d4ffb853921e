"""IPv6's formats: parse(emit(x)) == x, any octets parse or are malformed, and scapy agrees."""

from __future__ import annotations

from ipaddress import IPv6Address

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scapy.layers.inet import TCP, UDP
from scapy.layers.inet6 import (
    HBHOptUnknown,
    ICMPv6EchoRequest,
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6ND_RA,
    ICMPv6ND_RS,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptMTU,
    ICMPv6NDOptPrefixInfo,
    ICMPv6NDOptSrcLLAddr,
    ICMPv6PacketTooBig,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
)
from scapy.packet import Raw

from netstack.wire import MalformedPacket, ipv6, ndp
from netstack.wire.icmpv6 import Icmpv6, Icmpv6View, Type, echo
from netstack.wire.ipv6 import Fragment, Ipv6, Ipv6View, NextHeader, TooManyExtensions
from netstack.wire.ndp import (
    NeighbourAdvertisement,
    NeighbourSolicitation,
    Options,
    RouterAdvertisement,
    RouterSolicitation,
)
from netstack.wire.tcp import Flag, Tcp, TcpView
from netstack.wire.udp import PAYLOAD6_OCTETS_MAX, Udp, UdpView

A, B = IPv6Address("fd00::5"), IPv6Address("2001:db8::9")
MAC = bytes([2, 0, 0, 0, 0, 7])

addresses = st.ip_addresses(v=6)
words = st.integers(0, 0xFFFFFFFF)
shorts = st.integers(0, 0xFFFF)
octets = st.integers(0, 255)
payloads = st.binary(max_size=64)
macs = st.binary(min_size=6, max_size=6).map(lambda mac: bytes([mac[0] & 0xFE]) + mac[1:])
targets = addresses.filter(lambda each: not each.is_multicast and not each.is_unspecified)

ipv6s = st.builds(
    Ipv6,
    source=addresses,
    destination=addresses,
    next_header=octets,
    payload_length=st.integers(0, 100),
    hop_limit=octets,
    traffic_class=octets,
    flow_label=st.integers(0, 0xFFFFF),
)
fragments = st.builds(
    Fragment,
    next_header=octets,
    offset=st.integers(0, 0x1FFF).map(lambda eighths: eighths * 8),
    more=st.booleans(),
    identification=words,
)
icmpv6s = st.builds(Icmpv6, octets, octets, words, payloads)
ndp_options = st.builds(
    Options, source_mac=st.none() | macs, target_mac=st.none() | macs, mtu=st.none() | words
)
solicitations = st.builds(NeighbourSolicitation, targets, ndp_options)
advertisements = st.builds(
    NeighbourAdvertisement,
    target=targets,
    router=st.booleans(),
    solicited=st.booleans(),
    override=st.booleans(),
    options=ndp_options,
)
router_solicitations = st.builds(RouterSolicitation, ndp_options)
router_advertisements = st.builds(
    RouterAdvertisement,
    hop_limit=octets,
    flags=octets,
    lifetime_s=shorts,
    reachable_ms=words,
    retransmit_ms=words,
    options=ndp_options,
)


@given(ipv6s)
def test_ipv6_survives_the_wire(header):
    packet = header.emit() + bytes(header.payload_length)
    assert Ipv6.parse(Ipv6View(packet)) == header


@given(fragments)
def test_fragment_header_survives_the_wire(header):
    assert Fragment.parse(header.emit()) == header
    assert header.is_atomic == (header.offset == 0 and not header.more)


@given(icmpv6s, addresses, addresses)
def test_icmpv6_survives_the_wire(message, source, destination):
    view = Icmpv6View(message.emit(source, destination))
    assert Icmpv6.parse(view, source, destination) == message


@given(icmpv6s, targets)
def test_icmpv6_of_other_addresses_is_malformed(message, other):
    assume(int(other) % 0xFFFF != int(B) % 0xFFFF)
    with pytest.raises(MalformedPacket, match="checksum"):
        Icmpv6.parse(Icmpv6View(message.emit(A, B)), A, other)


@given(st.one_of(solicitations, advertisements, router_solicitations, router_advertisements))
def test_neighbour_discovery_survives_the_wire(message):
    assert type(message).parse(message.emit()) == message


@given(st.binary(max_size=64), shorts, shorts)
def test_udp_and_tcp_survive_the_wire(payload, source_port, destination_port):
    datagram = Udp(source_port, destination_port, payload)
    assert Udp.parse(UdpView(datagram.emit(A, B)), A, B) == datagram
    segment = Tcp(
        source_port=source_port,
        destination_port=destination_port,
        sequence=1,
        flags=Flag.ACK,
        payload=payload,
    )
    assert Tcp.parse(TcpView(segment.emit(A, B)), A, B) == segment


def test_udp_without_checksum_is_malformed():
    with pytest.raises(MalformedPacket, match="IPv6 demands"):
        Udp.parse(UdpView(b"\0\1\0\2\0\x08\0\0"), A, B)


def test_longest_udp_datagram_is_longer_than_in_ipv4():
    datagram = Udp(1, 2, bytes(PAYLOAD6_OCTETS_MAX))
    assert Udp.parse(UdpView(datagram.emit(A, B)), A, B) == datagram


def walked(packet):
    return list(ipv6.walk(packet)) if len(packet) >= ipv6.HEADER_OCTETS else []


PARSERS = {
    "ipv6": lambda octets: Ipv6.parse(Ipv6View(octets)),
    "chain": lambda octets: walked(bytes(6) + octets),
    "options": lambda octets: list(ipv6.options(octets)),
    "fragment": Fragment.parse,
    "icmpv6": lambda octets: Icmpv6.parse(Icmpv6View(octets), A, B),
    "ndp options": Options.parse,
    "ns": lambda octets: NeighbourSolicitation.parse(
        Icmpv6(Type.NEIGHBOUR_SOLICITATION, 0, 0, octets)
    ),
    "na": lambda octets: NeighbourAdvertisement.parse(
        Icmpv6(Type.NEIGHBOUR_ADVERTISEMENT, 0, 0, octets)
    ),
    "rs": lambda octets: RouterSolicitation.parse(Icmpv6(Type.ROUTER_SOLICITATION, 0, 0, octets)),
    "ra": lambda octets: RouterAdvertisement.parse(Icmpv6(Type.ROUTER_ADVERTISEMENT, 0, 0, octets)),
}


@pytest.mark.parametrize("parser", PARSERS)
@settings(max_examples=200)
@given(octets=st.binary(max_size=120))
def test_any_octets_parse_or_are_malformed(parser, octets):
    try:
        PARSERS[parser](octets)
    except MalformedPacket:
        pass


@given(st.binary(min_size=40, max_size=80))
def test_views_read_without_judging(octets):
    for view in (Ipv6View, Icmpv6View):
        fields = [name for name in dir(view) if not name.startswith("_") and name != "octets"]
        for each in fields:
            getattr(view(memoryview(octets)), each)


@pytest.mark.parametrize(
    ("octets", "message"),
    [
        (b"\x45" + bytes(39), "version 4"),
        (b"\x60" + bytes(3) + b"\x00\x01" + bytes(34), "cut short"),
        (b"\x60" + bytes(38), "need 40"),
    ],
)
def test_ipv6_that_makes_no_sense_is_malformed(octets, message):
    with pytest.raises(MalformedPacket, match=message):
        Ipv6.parse(Ipv6View(octets))


@pytest.mark.parametrize(
    "message",
    [
        Icmpv6(Type.NEIGHBOUR_SOLICITATION, 1, 0, A.packed),
        Icmpv6(Type.NEIGHBOUR_SOLICITATION, 0, 0, A.packed[:15]),
        Icmpv6(Type.NEIGHBOUR_SOLICITATION, 0, 0, IPv6Address("ff02::1").packed),
        Icmpv6(Type.NEIGHBOUR_SOLICITATION, 0, 0, A.packed + bytes(8)),
        Icmpv6(Type.NEIGHBOUR_SOLICITATION, 0, 0, A.packed + b"\x01\x01" + b"\xff" * 6),
        Icmpv6(Type.NEIGHBOUR_SOLICITATION, 0, 0, A.packed + b"\x01\x02" + MAC),
        Icmpv6(Type.NEIGHBOUR_ADVERTISEMENT, 0, 0, A.packed),
    ],
)
def test_solicitation_that_makes_no_sense_is_malformed(message):
    with pytest.raises(MalformedPacket, match="ndp"):
        NeighbourSolicitation.parse(message)


# The chain of extension headers.


def packet(*layers):
    stack = IPv6(src=str(A), dst=str(B))
    for each in layers:
        stack = stack / each
    return bytes(stack)


def test_chain_is_followed_to_the_protocol():
    octets = packet(
        IPv6ExtHdrHopByHop(),
        IPv6ExtHdrDestOpt(),
        IPv6ExtHdrRouting(),
        IPv6ExtHdrFragment(id=7),
        UDP(sport=1, dport=2),
    )
    headers = list(ipv6.walk(octets))
    assert [each.kind for each in headers] == [0, 60, 43, 44, 17]
    assert [each.start for each in headers] == [40, 48, 56, 64, 72]
    assert [each.named_at for each in headers] == [6, 40, 48, 56, 64]
    assert not headers[-1].is_extension


def test_chain_ends_at_a_later_fragment():
    octets = packet(IPv6ExtHdrFragment(offset=5, m=1, nh=17), Raw(b"\x3c" * 64))
    assert [each.kind for each in ipv6.walk(octets)] == [NextHeader.FRAGMENT]


def test_chain_without_end_is_bounded():
    octets = packet(*[IPv6ExtHdrDestOpt() for _ in range(ipv6.EXTENSIONS_MAX)], UDP())
    assert len(list(ipv6.walk(octets))) == ipv6.EXTENSIONS_MAX + 1
    octets = packet(*[IPv6ExtHdrDestOpt() for _ in range(ipv6.EXTENSIONS_MAX + 1)], UDP())
    with pytest.raises(TooManyExtensions):
        list(ipv6.walk(octets))


def test_options_are_found_and_bounded():
    header = bytes(IPv6ExtHdrDestOpt(options=[HBHOptUnknown(otype=0x1E, optdata=b"xy")]))
    assert list(ipv6.options(header)) == [(0x1E, 2)]
    crowded = bytes((59, 9)) + bytes((0x1E, 0)) * 39
    with pytest.raises(MalformedPacket, match="options"):
        list(ipv6.options(crowded))


# scapy as a judge that knows nothing of us.


@settings(max_examples=25)
@given(ipv6s)
def test_scapy_agrees_on_our_ipv6(header):
    read = IPv6(header.emit() + bytes(header.payload_length))
    assert (IPv6Address(read.src), IPv6Address(read.dst)) == (header.source, header.destination)
    assert (read.nh, read.hlim, read.plen) == (
        header.next_header, header.hop_limit, header.payload_length,
    )  # fmt: skip
    assert (read.tc, read.fl) == (header.traffic_class, header.flow_label)


@settings(max_examples=25)
@given(st.binary(max_size=40), shorts, shorts)
def test_scapy_agrees_on_our_icmpv6_udp_and_tcp(payload, one, other):
    protocols = {
        NextHeader.ICMPV6: echo(Type.ECHO_REQUEST, one, other, payload).emit(A, B),
        NextHeader.UDP: Udp(one, other, payload).emit(A, B),
        NextHeader.TCP: Tcp(
            source_port=one, destination_port=other, sequence=1, flags=Flag.SYN, payload=payload
        ).emit(A, B),
    }
    for protocol, octets in protocols.items():
        header = Ipv6(source=A, destination=B, next_header=protocol, payload_length=len(octets))
        read = IPv6(header.emit() + octets)
        field = "cksum" if protocol == NextHeader.ICMPV6 else "chksum"
        ours = getattr(read.payload, field)
        delattr(read.payload, field)
        theirs = getattr(IPv6(bytes(read)).payload, field)
        assert theirs % 0xFFFF == ours % 0xFFFF


def test_we_read_scapys_icmpv6():
    view = Ipv6View(packet(ICMPv6EchoRequest(id=7, seq=9, data=b"hello")))
    message = Icmpv6.parse(Icmpv6View(view.payload), A, B)
    assert message == echo(Type.ECHO_REQUEST, 7, 9, b"hello")
    view = Ipv6View(packet(ICMPv6PacketTooBig(mtu=1400), Raw(b"quoted")))
    assert Icmpv6.parse(Icmpv6View(view.payload), A, B) == Icmpv6(2, 0, 1400, b"quoted")


def test_we_read_scapys_tcp_and_udp():
    view = Ipv6View(packet(TCP(sport=1, dport=2, flags="S"), Raw(b"x")))
    assert Tcp.parse(TcpView(view.payload), A, B).flags == Flag.SYN
    view = Ipv6View(packet(UDP(sport=1, dport=2), Raw(b"x")))
    assert Udp.parse(UdpView(view.payload), A, B) == Udp(1, 2, b"x")


def test_we_read_scapys_fragment():
    octets = packet(IPv6ExtHdrFragment(offset=6, m=1, id=77, nh=17), Raw(b"x" * 8))
    assert Fragment.parse(octets[40:]) == Fragment(
        next_header=17, offset=48, more=True, identification=77
    )


def scapys(message):
    view = Ipv6View(packet(message))
    return Icmpv6.parse(Icmpv6View(view.payload), A, B)


def test_we_read_scapys_neighbour_discovery():
    text = "02:00:00:00:00:07"
    asks = ICMPv6ND_NS(tgt=str(B)) / ICMPv6NDOptSrcLLAddr(lladdr=text)
    assert NeighbourSolicitation.parse(scapys(asks)) == NeighbourSolicitation(
        B, Options(source_mac=MAC)
    )
    tells = ICMPv6ND_NA(tgt=str(B), R=1, S=0, O=1) / ICMPv6NDOptDstLLAddr(lladdr=text)
    assert NeighbourAdvertisement.parse(scapys(tells)) == NeighbourAdvertisement(
        target=B, router=True, override=True, options=Options(target_mac=MAC)
    )
    assert RouterSolicitation.parse(scapys(ICMPv6ND_RS())) == RouterSolicitation()
    router = (
        ICMPv6ND_RA(chlim=63, routerlifetime=1800, reachabletime=30000, retranstimer=1000, prf=0)
        / ICMPv6NDOptMTU(mtu=1400)
        / ICMPv6NDOptPrefixInfo(prefix="2001:db8::", prefixlen=64)
    )
    read = RouterAdvertisement.parse(scapys(router))
    assert (read.hop_limit, read.lifetime_s, read.options.mtu) == (63, 1800, 1400)
    assert (read.reachable_ms, read.retransmit_ms) == (30000, 1000)


def test_scapy_reads_our_neighbour_discovery():
    message = NeighbourAdvertisement(
        target=B, solicited=True, override=True, options=Options(target_mac=MAC)
    ).emit()
    octets = message.emit(A, B)
    header = Ipv6(
        source=A,
        destination=B,
        next_header=NextHeader.ICMPV6,
        payload_length=len(octets),
        hop_limit=ndp.HOP_LIMIT,
    )
    read = IPv6(header.emit() + octets)
    assert (read[ICMPv6ND_NA].tgt, read[ICMPv6ND_NA].R) == (str(B), 0)
    assert (read[ICMPv6ND_NA].S, read[ICMPv6ND_NA].O) == (1, 1)
    assert read[ICMPv6NDOptDstLLAddr].lladdr == "02:00:00:00:00:07"
