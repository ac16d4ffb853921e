"""Every format: parse(emit(x)) == x, any octets parse or are malformed, and scapy agrees."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import ARP, Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Raw

from netstack.wire import MalformedPacket, ethernet
from netstack.wire.arp import Arp, ArpView, Operation
from netstack.wire.ethernet import Ethernet, EthernetView, format_mac, parse_mac
from netstack.wire.icmp import Icmp, IcmpView, Type, echo
from netstack.wire.ipv4 import Ipv4, Ipv4View
from netstack.wire.tcp import Flag, Options, Tcp, TcpView
from netstack.wire.udp import Udp, UdpView
from netstack.wire.vxlan import Vxlan, VxlanView

A, B = IPv4Address("10.244.1.5"), IPv4Address("10.244.2.9")

addresses = st.ip_addresses(v=4)
ports = st.integers(0, 0xFFFF)
words = st.integers(0, 0xFFFFFFFF)
macs = st.binary(min_size=6, max_size=6)
unicast_macs = macs.map(lambda mac: bytes([mac[0] & 0xFE]) + mac[1:])
payloads = st.binary(max_size=64)

ethernets = st.builds(Ethernet, macs, unicast_macs, st.integers(0x600, 0xFFFF))
arps = st.builds(Arp, st.sampled_from(Operation), unicast_macs, addresses, macs, addresses)
ipv4s = st.builds(
    Ipv4,
    source=addresses,
    destination=addresses,
    protocol=st.integers(0, 255),
    payload_length=st.integers(0, 100),
    ttl=st.integers(0, 255),
    identification=ports,
    dont_fragment=st.booleans(),
    more_fragments=st.booleans(),
    fragment_offset=st.integers(0, 0x1FFF).map(lambda eighths: eighths * 8),
    tos=st.integers(0, 255),
    options=st.binary(max_size=40).map(lambda octets: octets[: len(octets) & ~3]),
)
icmps = st.builds(Icmp, st.integers(0, 255), st.integers(0, 255), words, payloads)
udps = st.builds(Udp, ports, ports, payloads)
syn_options = st.builds(
    Options,
    mss=st.none() | ports,
    window_scale=st.none() | st.integers(0, 255),
    sack_permitted=st.booleans(),
    sack=st.just(()),
    timestamps=st.none() | st.tuples(words, words),
)
data_options = st.builds(
    Options,
    mss=st.none(),
    window_scale=st.none(),
    sack_permitted=st.just(False),
    sack=st.lists(st.tuples(words, words), max_size=3).map(tuple),
    timestamps=st.none() | st.tuples(words, words),
)
tcps = st.builds(
    Tcp,
    source_port=ports,
    destination_port=ports,
    sequence=words,
    acknowledgment=words,
    flags=st.integers(0, 255).map(Flag),
    window=ports,
    options=syn_options | data_options,
    payload=payloads,
)
vxlans = st.builds(Vxlan, st.integers(0, (1 << 24) - 1))


@given(ethernets)
def test_ethernet_survives_the_wire(header):
    assert Ethernet.parse(EthernetView(header.emit())) == header


@given(arps)
def test_arp_survives_the_wire(arp):
    assert Arp.parse(ArpView(arp.emit())) == arp


@given(ipv4s)
def test_ipv4_survives_the_wire(header):
    packet = header.emit() + bytes(header.payload_length)
    assert Ipv4.parse(Ipv4View(packet)) == header


@given(icmps)
def test_icmp_survives_the_wire(message):
    assert Icmp.parse(IcmpView(message.emit())) == message


@given(udps)
def test_udp_survives_the_wire(datagram):
    assert Udp.parse(UdpView(datagram.emit(A, B)), A, B) == datagram


@given(tcps)
def test_tcp_survives_the_wire(segment):
    assert Tcp.parse(TcpView(segment.emit(A, B)), A, B) == segment


@given(vxlans)
def test_vxlan_survives_the_wire(header):
    assert Vxlan.parse(VxlanView(header.emit())) == header


PARSERS = {
    "ethernet": lambda octets: Ethernet.parse(EthernetView(octets)),
    "arp": lambda octets: Arp.parse(ArpView(octets)),
    "ipv4": lambda octets: Ipv4.parse(Ipv4View(octets)),
    "icmp": lambda octets: Icmp.parse(IcmpView(octets)),
    "udp": lambda octets: Udp.parse(UdpView(octets), A, B),
    "tcp": lambda octets: Tcp.parse(TcpView(octets), A, B),
    "tcp options": Options.parse,
    "vxlan": lambda octets: Vxlan.parse(VxlanView(octets)),
}


@pytest.mark.parametrize("parser", PARSERS)
@settings(max_examples=300)
@given(octets=st.binary(max_size=80))
def test_any_octets_parse_or_are_malformed(parser, octets):
    try:
        PARSERS[parser](octets)
    except MalformedPacket:
        pass


@given(tcps, st.integers(0, 10_000), st.integers(1, 255))
def test_tcp_with_a_changed_octet_is_malformed(segment, position, change):
    octets = bytearray(segment.emit(A, B))
    octets[position % len(octets)] ^= change
    with pytest.raises(MalformedPacket):
        Tcp.parse(TcpView(bytes(octets)), A, B)


@pytest.mark.parametrize(
    ("octets", "message"),
    [
        (b"\x65" + bytes(19), "version 6"),
        (b"\x44\x00\x00\x14" + bytes(16), "lengths"),
        (b"\x45\x00\x00\x13" + bytes(16), "lengths"),
        (b"\x45\x00\x00\x15" + bytes(16), "lengths"),
        (b"\x45\x00\x00\x14" + bytes(16), "checksum"),
    ],
)
def test_ipv4_that_makes_no_sense_is_malformed(octets, message):
    with pytest.raises(MalformedPacket, match=message):
        Ipv4.parse(Ipv4View(octets))


def test_ethernet_with_a_length_is_malformed():
    with pytest.raises(MalformedPacket, match="length"):
        Ethernet.parse(EthernetView(bytes(12) + b"\x00\x40"))


def test_ethernet_from_a_group_is_malformed():
    with pytest.raises(MalformedPacket, match="group"):
        Ethernet.parse(EthernetView(bytes(6) + ethernet.BROADCAST + b"\x08\x00"))


def test_vxlan_without_a_vni_is_malformed():
    with pytest.raises(MalformedPacket, match="VNI"):
        Vxlan.parse(VxlanView(bytes(8)))


def test_mac_texts():
    assert parse_mac("0a:58:0a:f4:01:05") == bytes.fromhex("0a580af40105")
    assert format_mac(bytes.fromhex("0a580af40105")) == "0a:58:0a:f4:01:05"
    for text in ("", "0a:58", "0a580af40105", "0a:58:0a:f4:01:zz"):
        with pytest.raises(ValueError, match=r"MAC|hex"):
            parse_mac(text)


# scapy as a judge that knows nothing of us: it reads what we emit, and we what it builds.


def test_scapy_reads_our_arp():
    arp = Arp(Operation.REPLY, b"\x02" * 6, A, b"\x04" * 6, B)
    frame = Ethernet(b"\x04" * 6, b"\x02" * 6, ethernet.ETHERTYPE_ARP).emit() + arp.emit()
    read = Ether(frame)
    assert (read[ARP].op, read[ARP].psrc, read[ARP].pdst) == (2, str(A), str(B))
    assert read.src == read[ARP].hwsrc == "02:02:02:02:02:02"


def test_we_read_scapys_arp():
    octets = bytes(ARP(op=1, hwsrc="02:02:02:02:02:02", psrc=str(A), pdst=str(B)))
    assert Arp.parse(ArpView(octets)) == Arp(Operation.REQUEST, b"\x02" * 6, A, bytes(6), B)


def rebuilt(packet):
    """Return *packet* with lengths and checksums as scapy computes them."""
    for layer in (IP, TCP, UDP, ICMP):
        if layer in packet:
            del packet[layer].chksum
    return bytes(packet)


@settings(max_examples=25)
@given(tcps)
def test_scapy_agrees_on_our_tcp(segment):
    octets = segment.emit(A, B)
    header = Ipv4(source=A, destination=B, protocol=6, payload_length=len(octets), ttl=3)
    packet = header.emit() + octets
    read = IP(packet)
    assert (read[TCP].sport, read[TCP].seq) == (segment.source_port, segment.sequence)
    assert int(read[TCP].flags) & 0xFF == int(segment.flags)
    options = dict(read[TCP].options)
    assert options.get("MSS") == segment.options.mss
    assert options.get("Timestamp") == segment.options.timestamps
    assert ("SAckOK" in options) == segment.options.sack_permitted
    assert len(options.get("SAck", ())) == 2 * len(segment.options.sack)
    bare = IP(packet)[IP]
    del bare.chksum, bare[TCP].chksum
    bare[TCP].payload.original = None
    assert IP(bytes(bare)).chksum == read.chksum
    assert IP(bytes(bare))[TCP].chksum % 0xFFFF == read[TCP].chksum % 0xFFFF


def test_we_read_scapys_tcp():
    options = [("MSS", 1410), ("SAckOK", b""), ("Timestamp", (7, 8)), ("NOP", None), ("WScale", 7)]
    packet = IP(src=str(A), dst=str(B)) / TCP(sport=1, dport=2, seq=3, flags="S", options=options)
    view = Ipv4View(bytes(packet))
    segment = Tcp.parse(TcpView(view.payload), A, B)
    assert segment.flags == Flag.SYN
    assert segment.options == Options(
        mss=1410, sack_permitted=True, timestamps=(7, 8), window_scale=7
    )


def test_scapy_agrees_on_our_udp_and_icmp():
    datagram = Udp(53, 5353, b"hello").emit(A, B)
    header = Ipv4(source=A, destination=B, protocol=17, payload_length=len(datagram))
    packet = header.emit() + datagram
    assert rebuilt(IP(packet)) == packet
    message = echo(Type.ECHO_REQUEST, 7, 9, b"ping").emit()
    header = Ipv4(source=A, destination=B, protocol=1, payload_length=len(message))
    packet = header.emit() + message
    assert rebuilt(IP(packet)) == packet
    assert (IP(packet)[ICMP].id, IP(packet)[ICMP].seq) == (7, 9)


def test_we_read_scapys_vxlan():
    outer = IP(src=str(A), dst=str(B)) / UDP(sport=1, dport=4789) / VXLAN(vni=77)
    inner = Ether(dst="ff:ff:ff:ff:ff:ff") / IP(dst=str(B)) / UDP(dport=9) / Raw(b"inner")
    datagram = Udp.parse(UdpView(Ipv4View(bytes(outer / inner)).payload), A, B)
    view = VxlanView(datagram.payload)
    assert Vxlan.parse(view) == Vxlan(77)
    assert EthernetView(view.payload).ethertype == ethernet.ETHERTYPE_IPV4
    udp = UdpView(Ipv4View(EthernetView(view.payload).payload).payload)
    assert (udp.destination_port, bytes(udp.payload)) == (9, b"inner")


@given(st.binary(min_size=20, max_size=60))
def test_views_read_without_judging(octets):
    for view in (EthernetView, Ipv4View, IcmpView, UdpView, TcpView, VxlanView):
        fields = [name for name in vars(view) if not name.startswith("_") and name != "octets"]
        for each in fields:
            getattr(view(memoryview(octets)), each)
