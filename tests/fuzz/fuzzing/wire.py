"""Formats of packets: views and representations, one by one, and what they say when emitted."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address

from fuzzing.target import Target
from netdev import framing
from netdev.transport_map import TransportMap
from netstack.wire import MalformedPacket
from netstack.wire.arp import Arp, ArpView, Operation
from netstack.wire.ethernet import Ethernet, EthernetView
from netstack.wire.icmp import Icmp, IcmpView, Type, echo
from netstack.wire.ipv4 import Ipv4, Ipv4View
from netstack.wire.tcp import Flag, Options, Tcp, TcpView
from netstack.wire.udp import Udp, UdpView
from netstack.wire.vxlan import Vxlan, VxlanView

A, B = IPv4Address("10.244.1.2"), IPv4Address("10.244.2.2")
MACS = b"\x0a\x58\x0a\xf4\x02\x02", b"\x0a\x58\x0a\xf4\x01\x02"


def ethernet(octets: bytes) -> None:
    frame = Ethernet.parse(EthernetView(octets))
    assert frame.emit() == octets[:14]


def arp(octets: bytes) -> None:
    packet = Arp.parse(ArpView(octets))
    assert Arp.parse(ArpView(packet.emit())) == packet


def ipv4(octets: bytes) -> None:
    view = Ipv4View(octets)
    header = Ipv4.parse(view)
    assert len(view.payload) == header.payload_length
    assert Ipv4.parse(Ipv4View(header.emit() + bytes(header.payload_length))) == header


def icmp(octets: bytes) -> None:
    message = Icmp.parse(IcmpView(octets))
    assert Icmp.parse(IcmpView(message.emit())) == message


def udp(octets: bytes) -> None:
    Udp.parse(UdpView(octets), A, B)


def tcp(octets: bytes) -> None:
    Tcp.parse(TcpView(octets), A, B)


def tcp_options(octets: bytes) -> None:
    options = Options.parse(octets[:40])
    if len(emitted := options.emit()) <= 40:
        assert Options.parse(emitted) == options


def vxlan(octets: bytes) -> None:
    header = Vxlan.parse(VxlanView(memoryview(octets)))
    assert Vxlan.parse(VxlanView(memoryview(header.emit()))) == header


def veth(octets: bytes) -> None:
    """A message of a veth: its frames are its octets, cut; framed again they are the same."""
    frames = framing.split_batch(memoryview(octets))
    assert b"".join(map(bytes, frames)) == octets[2:]
    again = [frame for message in framing.encode_batch(frames)
             for frame in framing.split_batch(memoryview(message))]  # fmt: skip
    assert again == frames


def transport_map(octets: bytes) -> None:
    """A map from a configuration: what it translates it translates back."""
    parts = octets.decode("latin-1").split("\n")
    known = TransportMap(dict(zip(parts[::2], parts[1::2], strict=False)))
    for each in (A, B, IPv4Address("127.0.1.2")):
        there = known.transport(each)
        if there is not None and len(parts) < 4:
            assert known.emulated(there) == each


_ARP = Arp(Operation.REQUEST, MACS[0], A, bytes(6), B).emit()
_SEGMENT = struct.pack("!HHIIHHHH", 40000, 80, 1, 2, 5 << 12 | Flag.ACK, 65535, 0, 0)
_SYN_OPTIONS = Options(mss=1410, window_scale=7, sack_permitted=True, timestamps=(1, 0)).emit()
_SACK = Options(timestamps=(5, 6), sack=((10, 20), (30, 40))).emit()

TARGETS = {
    "ethernet": Target(ethernet, ("netstack",), [MACS[0] + MACS[1] + b"\x08\0abc"],
                       (MalformedPacket,)),
    "arp": Target(arp, ("netstack",), [_ARP], (MalformedPacket,)),
    "ipv4": Target(
        ipv4,
        ("netstack",),
        [
            Ipv4(source=A, destination=B, protocol=6, payload_length=4).emit() + b"data",
            bytes.fromhex("4600001c000000004001000001020304050607089404000061626364"),
        ],
        (MalformedPacket,),
    ),
    "icmp": Target(icmp, ("netstack",), [echo(Type.ECHO_REQUEST, 1, 2, b"x" * 8).emit()],
                   (MalformedPacket,)),
    "udp": Target(udp, ("netstack",), [struct.pack("!4H", 1, 53, 12, 0) + b"data"],
                  (MalformedPacket,)),
    "tcp": Target(tcp, ("netstack",), [_SEGMENT], (MalformedPacket,)),
    "tcp-options": Target(tcp_options, ("netstack",), [_SYN_OPTIONS, _SACK], (MalformedPacket,)),
    "vxlan": Target(vxlan, ("netstack",), [Vxlan(1).emit() + b"frame"], (MalformedPacket,)),
    "veth": Target(veth, ("netdev",), [b"\0\x04abcdefgh", b"\0\x08abc"],
                   (framing.MalformedBatch,)),
    "transport-map": Target(transport_map, ("netdev",), [b"192.168.64.0/24\n127.0.1.0/24"],
                            (ValueError,)),
}  # fmt: skip
