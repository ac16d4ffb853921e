"""An IPv6 packet on its slow way through the node.

Its transport may stand behind extension headers: hop-by-hop and destination options, routing
headers and fragment headers are stepped over within `ipv6.walk`'s bound and forwarded as they are;
a router acts on none of them (RFC 8200 §4), and looks at hop-by-hop options only (options6). There
is no header checksum; that of ICMPv6 covers the addresses. A packet that came in fragments and was
made whole here remembers the longest of them: a router does not cut IPv6 except back into what its
sender made.
"""

from __future__ import annotations

from typing import ClassVar, Final, Self

from netstack.wire import checksum
from netstack.wire.ethernet import ETHERTYPE_IPV4, ETHERTYPE_IPV6
from netstack.wire.ethernet import HEADER_OCTETS as ETHERNET_OCTETS
from netstack.wire.icmpv6 import ERRORS, Type
from netstack.wire.ipv6 import HEADER_OCTETS, Fragment, NextHeader, walk
from netstack.wire.malformed import MalformedPacket
from nodeagent.datapath.packet import CtState, Direction, Octets, Packet

_IP: Final = ETHERNET_OCTETS
_L4: Final = _IP + HEADER_OCTETS  # Without extension headers.
_HOP_LIMIT: Final = _IP + 7
_SOURCE: Final = slice(_IP + 8, _IP + 24)
_DESTINATION: Final = slice(_IP + 24, _IP + 40)
_ADDRESSES: Final = slice(_IP + 8, _IP + 40)
_PLAIN: Final = (NextHeader.TCP, NextHeader.UDP, NextHeader.ICMPV6)
_ETHERNET: Final = bytes(12) + ETHERTYPE_IPV6.to_bytes(2, "big")
#: The first message of neighbour discovery, and the last (RFC 4861 §4).
_DISCOVERY: Final = range(Type.ROUTER_SOLICITATION, Type.REDIRECT + 1)


class Packet6(Packet):
    """An IPv6 packet whose headers are intact."""

    version: ClassVar[int] = 6
    icmp: ClassVar[int] = NextHeader.ICMPV6
    echo_request: ClassVar[int] = Type.ECHO_REQUEST
    _echoes: ClassVar[tuple[int, ...]] = (Type.ECHO_REQUEST, Type.ECHO_REPLY)
    _errors: ClassVar[tuple[int, ...]] = ERRORS
    _octets_min: ClassVar[dict[int, int]] = {
        NextHeader.TCP: 20,
        NextHeader.UDP: 8,
        NextHeader.ICMPV6: 8,
    }
    _checksum_at: ClassVar[dict[int, int]] = {
        NextHeader.TCP: 16,
        NextHeader.UDP: 6,
        NextHeader.ICMPV6: 2,
    }

    __slots__ = ("fragment_at", "longest_fragment")

    def __init__(self, frame: bytearray, device: str) -> None:
        """*frame* has a fixed header and ends with the payload; raises MalformedPacket."""
        self.frame, self.device = frame, device
        self.protocol, self.l4, self.is_fragment = frame[_IP + 6], _L4, False
        #: Where the fragment header is, or was before the packet became whole; 0 without one.
        self.fragment_at = 0
        #: Octets of the longest fragment that the packet came in, 0 if it came whole.
        self.longest_fragment = 0
        if self.protocol not in _PLAIN:
            self._walk()
        has_transport = not self.is_fragment or self.is_first
        if has_transport and len(frame) - self.l4 < self._octets_min.get(self.protocol, 0):
            raise MalformedPacket("the transport header is cut off")
        self.source = int.from_bytes(frame[_SOURCE], "big")
        self.destination = int.from_bytes(frame[_DESTINATION], "big")
        self.flow = self._read_flow()
        self.arrival = bytes(frame[: self.l4 + 6])
        self.cache = None
        self.state = CtState.UNTRACKED
        self.direction = Direction.ORIGINAL
        self.connection = None
        self.masquerade = False

    def _walk(self) -> None:
        """Find the transport behind the extension headers."""
        packet = bytes(self.frame[_IP:])
        for header in walk(packet):
            self.protocol, self.l4 = header.kind, _IP + header.start
            if header.kind != NextHeader.FRAGMENT:
                continue
            fragment = Fragment.parse(packet[header.start : header.end])
            if self.fragment_at:
                raise MalformedPacket("ipv6: a fragment of a fragment")
            self.is_fragment, self.fragment_at = not fragment.is_atomic, self.l4
            if fragment.offset:  # What follows is in the middle of something.
                self.protocol, self.l4 = fragment.next_header, _IP + header.end

    @classmethod
    def parse(cls, frame: Octets, device: str) -> Self:
        """Copy the packet of an Ethernet *frame*, without padding; raises MalformedPacket."""
        if len(frame) < _L4:
            raise MalformedPacket(f"ipv6: {len(frame) - _IP} octets")
        end = _L4 + (frame[_IP + 4] << 8 | frame[_IP + 5])
        if frame[_IP] >> 4 != 6 or end > len(frame):
            raise MalformedPacket("ipv6: version or length make no sense")
        return cls(bytearray(frame[:end]), device)

    @classmethod
    def from_ip(cls, packet: Octets, device: str) -> Self:
        """Do as `parse` for a packet without an Ethernet header."""
        return cls.parse(b"".join((_ETHERNET, packet)), device)

    @property
    def is_first(self) -> bool:
        """Whether a fragment is its packet's first."""
        at = self.fragment_at
        return not (self.frame[at + 2] or self.frame[at + 3] & 0xF8)

    @property
    def is_discovery(self) -> bool:
        """Whether this is neighbour discovery, which no router forwards."""
        return (
            self.protocol == NextHeader.ICMPV6
            and not self.is_fragment
            and self.frame[self.l4] in _DISCOVERY
        )

    @property
    def ttl(self) -> int:
        return self.frame[_HOP_LIMIT]

    @property
    def may_be_cut(self) -> bool:
        """Whether it came in pieces: only then a router makes some."""
        return bool(self.longest_fragment)

    def is_too_big(self, mtu: int) -> bool:
        """Tell whether the packet, or the longest fragment that it came in, is too long."""
        return (self.longest_fragment or self.octets) > mtu

    def decrement_ttl(self) -> None:
        """Count one hop."""
        self.frame[_HOP_LIMIT] -= 1

    def as_arrived(self) -> bytes:
        """Return the IP packet as it was before hops and translations: what errors quote."""
        frame, before = bytearray(self.frame), self.arrival
        change = checksum.delta(bytes(frame[_ADDRESSES]), before[_ADDRESSES])
        frame[_HOP_LIMIT], frame[_ADDRESSES] = before[_HOP_LIMIT], before[_ADDRESSES]
        offset = self._checksum_at.get(self.protocol)
        if offset is None or self.is_fragment:
            return bytes(frame[_IP:])
        ports = slice(self.l4, self.l4 + 4)
        if self.protocol == NextHeader.ICMPV6:
            ports = slice(self.l4 + 4, self.l4 + 6)  # An echo's identifier.
        change += checksum.delta(bytes(frame[ports]), before[ports])
        frame[ports] = before[ports]
        at = slice(self.l4 + offset, self.l4 + offset + 2)
        update = checksum.update_udp if self.protocol == NextHeader.UDP else checksum.update
        frame[at] = update(int.from_bytes(frame[at], "big"), change).to_bytes(2, "big")
        return bytes(frame[_IP:])

    def _replace_source(self, address: int) -> int:
        change, self.source = self.source - address, address
        self.frame[_SOURCE] = address.to_bytes(16, "big")
        return change

    def _replace_destination(self, address: int) -> int:
        change, self.destination = self.destination - address, address
        self.frame[_DESTINATION] = address.to_bytes(16, "big")
        return change


#: The packets of a frame, by its EtherType.
KINDS: Final[dict[int, type[Packet]]] = {ETHERTYPE_IPV4: Packet, ETHERTYPE_IPV6: Packet6}


def from_ip(octets: Octets, device: str) -> Packet:
    """Copy a packet of either family that has no Ethernet header; raises MalformedPacket."""
    is_ipv6 = bool(octets) and octets[0] >> 4 == 6
    return (Packet6 if is_ipv6 else Packet).from_ip(octets, device)
