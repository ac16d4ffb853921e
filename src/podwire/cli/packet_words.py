"""What a captured frame is, in a few words: who sends it to whom, and what it asks or answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from netstack.addresses import from_octets
from netstack.wire import ethernet, ipv4, ipv6, tcp, udp
from netstack.wire.icmp import Type as Icmp
from netstack.wire.icmpv6 import Type as Icmpv6
from netstack.wire.ipv6 import NextHeader
from netstack.wire.malformed import MalformedPacket

_VXLAN_PORT: Final = 4789
_VXLAN_OCTETS: Final = 8
_IPV4, _IPV6 = (
    ethernet.ETHERTYPE_IPV4.to_bytes(2, "big"),
    ethernet.ETHERTYPE_IPV6.to_bytes(2, "big"),
)
_NAMES: Final = {ipv4.PROTOCOL_TCP: "TCP", ipv4.PROTOCOL_UDP: "UDP"}
_ICMP: Final = {
    Icmp.ECHO_REPLY: "echo reply",
    Icmp.UNREACHABLE: "unreachable",
    Icmp.ECHO_REQUEST: "echo request",
    Icmp.TIME_EXCEEDED: "time exceeded",
    Icmp.PARAMETER_PROBLEM: "parameter problem",
}
_ICMPV6: Final = {
    Icmpv6.UNREACHABLE: "unreachable",
    Icmpv6.PACKET_TOO_BIG: "packet too big",
    Icmpv6.TIME_EXCEEDED: "time exceeded",
    Icmpv6.PARAMETER_PROBLEM: "parameter problem",
    Icmpv6.ECHO_REQUEST: "echo request",
    Icmpv6.ECHO_REPLY: "echo reply",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PacketWords:
    """An IP packet: its ends, its protocol and what it is; *within* names a tunnel's ends."""

    source: str
    destination: str
    protocol: str
    source_port: int = 0
    destination_port: int = 0
    what: str = ""
    ttl: int = 0
    within: str = ""

    def __str__(self) -> str:
        said = f"{_end(self.source, self.source_port)} > "
        said += f"{_end(self.destination, self.destination_port)} {self.protocol}"
        return " ".join(part for part in (said, self.what, f"ttl {self.ttl}") if part)


def _end(address: str, port: int) -> str:
    if not port:
        return address
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def words_of(frame: bytes) -> PacketWords | None:
    """Return what *frame* carries, behind VXLAN if it is that; None: no IP packet."""
    outer = _packet(frame, within="")
    if outer is None or outer.protocol != "UDP" or outer.destination_port != _VXLAN_PORT:
        return outer
    head = ethernet.HEADER_OCTETS + ipv4.HEADER_OCTETS + udp.HEADER_OCTETS + _VXLAN_OCTETS
    inner = _packet(frame[head:], within=f"{outer.source} > {outer.destination}")
    return inner or outer


def _packet(frame: bytes, *, within: str) -> PacketWords | None:
    packet = frame[ethernet.HEADER_OCTETS :]
    try:
        if frame[12:14] == _IPV4 and len(packet) >= ipv4.HEADER_OCTETS:
            return _packet4(packet, within)
        if frame[12:14] == _IPV6 and len(packet) >= ipv6.HEADER_OCTETS:
            return _packet6(packet, within)
    except MalformedPacket:
        return None  # Nonsense: nothing to be said of it.
    return None


def _packet4(packet: bytes, within: str) -> PacketWords:
    start = (packet[0] & 0xF) << 2
    source, destination = (str(from_octets(packet[at : at + 4])) for at in (12, 16))
    is_first = not (packet[6] << 8 | packet[7]) & ipv4.OFFSET_MASK
    protocol, ports, what = _transport(packet[9], packet[start:] if is_first else b"")
    return PacketWords(
        source=source, destination=destination, protocol=protocol, source_port=ports[0],
        destination_port=ports[1], what=what, ttl=packet[8], within=within,
    )  # fmt: skip


def _packet6(packet: bytes, within: str) -> PacketWords:
    source, destination = (str(from_octets(packet[at : at + 16])) for at in (8, 24))
    last = list(ipv6.walk(packet))[-1]
    protocol, ports, what = _transport(
        last.kind, b"" if last.is_extension else packet[last.start :]
    )
    return PacketWords(
        source=source, destination=destination, protocol=protocol, source_port=ports[0],
        destination_port=ports[1], what=what, ttl=packet[7], within=within,
    )  # fmt: skip


def _transport(number: int, octets: bytes) -> tuple[str, tuple[int, int], str]:
    """Return the protocol's name, its ports, and what the packet is."""
    least = tcp.HEADER_OCTETS if number == ipv4.PROTOCOL_TCP else udp.HEADER_OCTETS
    if number in _NAMES and len(octets) >= least:
        ports = int.from_bytes(octets[:2], "big"), int.from_bytes(octets[2:4], "big")
        return _NAMES[number], ports, _flags(octets) if number == ipv4.PROTOCOL_TCP else ""
    for kind, name, table in (
        (ipv4.PROTOCOL_ICMP, "ICMP", _ICMP),
        (NextHeader.ICMPV6, "ICMPv6", _ICMPV6),
    ):
        if number == kind:
            found = {int(each): said for each, said in table.items()}
            return name, (0, 0), found.get(octets[0], f"type {octets[0]}") if octets else ""
    return _NAMES.get(number, f"protocol {number}"), (0, 0), ""


def _flags(octets: bytes) -> str:
    flags = tcp.TcpView(octets).flags
    return "[" + ",".join(str(each.name) for each in tcp.Flag if flags & each) + "]"
