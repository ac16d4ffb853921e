"""Formats of packets: views and representations, one by one, and what they say when emitted."""

from __future__ import annotations

import contextlib
import struct
from ipaddress import IPv4Address, IPv6Address

from componentbase.grpc import health
from componentbase.grpc.client import UnaryCall
from componentbase.grpc.frames import BrokenConnection
from componentbase.grpc.server import ServerConnection
from fuzzing import packets
from fuzzing.target import Target
from netdev import framing
from netdev.transport_map import TransportMap
from netstack.wire import MalformedPacket
from netstack.wire.arp import Arp, ArpView, Operation
from netstack.wire.ethernet import Ethernet, EthernetView
from netstack.wire.icmp import Icmp, IcmpView, Type, echo
from netstack.wire.icmpv6 import Icmpv6, Icmpv6View
from netstack.wire.ipv4 import Ipv4, Ipv4View
from netstack.wire.ipv6 import Fragment as Ipv6Fragment
from netstack.wire.ipv6 import Ipv6, Ipv6View
from netstack.wire.ipv6 import options as options_of_ipv6
from netstack.wire.ipv6 import walk as walk_ipv6
from netstack.wire.ndp import (
    NeighbourAdvertisement,
    NeighbourSolicitation,
    RouterAdvertisement,
    RouterSolicitation,
)
from netstack.wire.tcp import Flag, Options, Tcp, TcpView
from netstack.wire.udp import Udp, UdpView
from netstack.wire.vxlan import Vxlan, VxlanView

A, B = IPv4Address("10.244.1.2"), IPv4Address("10.244.2.2")
A6, B6 = IPv6Address("fd00::1"), IPv6Address("fd00::2")
_DISCOVERIES = (NeighbourSolicitation, NeighbourAdvertisement, RouterSolicitation,
                RouterAdvertisement)  # fmt: skip
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
    with contextlib.suppress(MalformedPacket):
        Icmp.parse(IcmpView(octets))
    message = Icmp.parse(IcmpView(packets.mended_l4(1, A.packed, B.packed, octets)))
    assert Icmp.parse(IcmpView(message.emit())) == message


def udp(octets: bytes) -> None:
    with contextlib.suppress(MalformedPacket):
        Udp.parse(UdpView(octets), A, B)
    whole = octets[:4] + len(octets).to_bytes(2, "big") + octets[6:]
    found = Udp.parse(UdpView(packets.mended_l4(17, A.packed, B.packed, whole)), A, B)
    assert Udp.parse(UdpView(found.emit(A, B)), A, B) == found


def tcp(octets: bytes) -> None:
    with contextlib.suppress(MalformedPacket):
        Tcp.parse(TcpView(octets), A, B)
    found = Tcp.parse(TcpView(packets.mended_l4(6, A.packed, B.packed, octets)), A, B)
    if len(found.options.emit()) <= 40:
        assert Tcp.parse(TcpView(found.emit(A, B)), A, B) == found


def tcp_options(octets: bytes) -> None:
    options = Options.parse(octets[:40])
    if len(emitted := options.emit()) <= 40:
        assert Options.parse(emitted) == options


def ipv6(octets: bytes) -> None:
    """The header, its extensions, their options, and a fragment header at the end."""
    header = Ipv6.parse(Ipv6View(octets))
    assert Ipv6.parse(Ipv6View(header.emit() + bytes(header.payload_length))) == header
    for each in walk_ipv6(octets):
        assert 0 <= each.start <= len(octets)


def ipv6_options(octets: bytes) -> None:
    assert len(list(options_of_ipv6(octets))) <= len(octets)


def ipv6_fragment(octets: bytes) -> None:
    fragment = Ipv6Fragment.parse(octets)
    assert Ipv6Fragment.parse(fragment.emit()) == fragment


def icmpv6(octets: bytes) -> None:
    """A message, with its checksum mended, and every kind of neighbour discovery in it."""
    packet = packets.ipv6(58, A6.packed, B6.packed, octets, hops=255)
    message = Icmpv6.parse(Icmpv6View(packet[40:]), A6, B6)
    for kind in _DISCOVERIES:
        with contextlib.suppress(MalformedPacket):
            found = kind.parse(message)
            assert kind.parse(found.emit()) == found


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


def _health_call() -> UnaryCall:
    message = health.emit_request("a")
    return UnaryCall(health.CHECK, message, authority="pod:1", user_agent="kube-probe/1.32")


def grpc_client(octets: bytes) -> None:
    """What a server says to a probe: the call ends, or waits for more."""
    call = _health_call()
    call.receive(octets)
    call.eof()
    assert call.outcome is not None
    with contextlib.suppress(ValueError):
        health.parse_response(call.outcome.message)


def _health(_path: str, message: bytes) -> bytes:
    return health.parse_request(message).encode()


def grpc_server(octets: bytes) -> None:
    connection = ServerConnection(_health)
    connection.receive(octets)
    connection.octets_to_send()


_GRPC_ASKED = _health_call().octets_to_send()
_answering = ServerConnection(lambda _path, _message: b"\x08\x01")
_answering.receive(_GRPC_ASKED)
_GRPC_ANSWER = _answering.octets_to_send()

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
    "ipv6": Target(
        ipv6,
        ("netstack",),
        [
            packets.ipv6(17, A6.packed, B6.packed, b"\0\x35\0\x35\0\x0c\0\0data", hops=64),
            packets.ipv6(0, A6.packed, B6.packed, b"\x2b\0\1\4\0\0\0\0\x3b\0" + bytes(6), hops=1),
        ],
        (MalformedPacket,),
    ),
    "ipv6-options": Target(ipv6_options, ("netstack",), [b"\1\4\0\0\0\0\5\2\0\0"],
                           (MalformedPacket,)),
    "ipv6-fragment": Target(ipv6_fragment, ("netstack",), [b"\x11\0\0\1\0\0\0\7"],
                            (MalformedPacket,)),
    "icmpv6": Target(
        icmpv6,
        ("netstack",),
        [
            b"\x87\0\0\0\0\0\0\0" + B6.packed + b"\1\1" + MACS[0],
            b"\x88\0\0\0\xe0\0\0\0" + B6.packed + b"\2\1" + MACS[0],
            b"\x86\0\0\0\x40\x80\7\x08" + bytes(8) + b"\5\1\0\0\0\0\5\xdc"
            + b"\3\4\x40\xc0" + bytes(12) + A6.packed,
        ],
        (MalformedPacket,),
    ),
    "vxlan": Target(vxlan, ("netstack",), [Vxlan(1).emit() + b"frame"], (MalformedPacket,)),
    "veth": Target(veth, ("netdev",), [b"\0\x04abcdefgh", b"\0\x08abc"],
                   (framing.MalformedBatch,)),
    "grpc-client": Target(grpc_client, ("componentbase.grpc",), [_GRPC_ANSWER]),
    "grpc-server": Target(grpc_server, ("componentbase.grpc",), [_GRPC_ASKED],
                          (BrokenConnection,)),
    "transport-map": Target(transport_map, ("netdev",), [b"192.168.64.0/24\n127.0.1.0/24"],
                            (ValueError,)),
}  # fmt: skip
