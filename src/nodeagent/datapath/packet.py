"""A packet on its slow way through the node: what Linux calls an skb. `packet6` has IPv6's.

A private, mutable copy of the frame that it came in, with fourteen octets of room for an Ethernet
header also where there was none. Addresses are ints, because tables want them so: IPv4's are below
2^32, IPv6's are not, so tables hold both side by side. Changing an address or a port adjusts the
checksums by the difference (RFC 1624): a packet that arrived broken leaves broken, and its receiver
notices.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from enum import IntEnum
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple, Self

from netstack.wire import checksum
from netstack.wire.ethernet import ETHERTYPE_IPV4, HEADER_OCTETS
from netstack.wire.icmp import ERRORS, Type
from netstack.wire.ipv4 import (
    DONT_FRAGMENT,
    FRAGMENT_MASK,
    OFFSET_MASK,
    PROTOCOL_ICMP,
    PROTOCOL_TCP,
    PROTOCOL_UDP,
)
from netstack.wire.malformed import MalformedPacket

if TYPE_CHECKING:
    from netstack.addresses import IpAddress
    from nodeagent.datapath.conntrack.connection import Connection
    from nodeagent.datapath.fast_path import FlowCache

Octets = bytes | bytearray | memoryview

_IP: Final = HEADER_OCTETS  # Where the IPv4 header begins.
_IP_HEADER: Final = struct.Struct("!BxHxxHBBH4s4s")
_WHAT: Final = struct.Struct("!HxBxxII")  # Flags and offset, protocol, addresses.
_WORD: Final = struct.Struct("!H")
_ADDRESS: Final = struct.Struct("!I")
_PORTS: Final = struct.Struct("!HH")
_WITH_PORTS: Final = (PROTOCOL_TCP, PROTOCOL_UDP)
#: Its ports are read, for conntrack and policies, and never translated: nothing checks its CRC.
PROTOCOL_SCTP: Final = 132

#: Addresses from here on are IPv6's.
IPV6_FROM: Final = 1 << 32


def number_of(address: IpAddress) -> int:
    """Return the int that stands for *address*; ValueError for what would be taken for IPv4's."""
    number = int(address)
    if address.version == 6 and number < IPV6_FROM:
        raise ValueError(f"{address} is an address that no host may have (::/96)")
    return number


class FlowTuple(NamedTuple):
    """One direction of a flow. An echo's identifier is the port of who asks; who answers has 0."""

    protocol: int
    source: int
    source_port: int
    destination: int
    destination_port: int

    def inverted(self) -> FlowTuple:
        """Return the tuple of an answer."""
        protocol, source, source_port, destination, destination_port = self
        return FlowTuple(protocol, destination, destination_port, source, source_port)


class Direction(IntEnum):
    """Which way of its connection a packet goes."""

    ORIGINAL = 0
    REPLY = 1


class CtState(IntEnum):
    """What conntrack says of a packet (`-m conntrack --ctstate`)."""

    UNTRACKED = 0
    NEW = 1
    ESTABLISHED = 2
    RELATED = 3
    INVALID = 4


class Packet:
    """An IPv4 packet whose header is intact, and what an IPv6 one has in common with it."""

    #: What the family calls its echoes and errors, how short a protocol's header may not be, and
    #: where its checksum is, if that covers addresses.
    version: ClassVar[int] = 4
    icmp: ClassVar[int] = PROTOCOL_ICMP
    echo_request: ClassVar[int] = Type.ECHO_REQUEST
    _echoes: ClassVar[tuple[int, ...]] = (Type.ECHO_REQUEST, Type.ECHO_REPLY)
    _errors: ClassVar[tuple[int, ...]] = ERRORS
    _octets_min: ClassVar[Mapping[int, int]] = {PROTOCOL_TCP: 20, PROTOCOL_UDP: 8, PROTOCOL_ICMP: 8}
    _checksum_at: ClassVar[Mapping[int, int]] = {PROTOCOL_TCP: 16, PROTOCOL_UDP: 6}

    __slots__ = (
        "arrival",
        "cache",
        "connection",
        "destination",
        "device",
        "direction",
        "flow",
        "frame",
        "is_fragment",
        "l4",
        "masquerade",
        "protocol",
        "source",
        "state",
    )

    def __init__(self, frame: bytearray, device: str) -> None:
        self.frame, self.device = frame, device
        self.protocol: int
        self.source: int
        self.destination: int
        fragment, self.protocol, self.source, self.destination = _WHAT.unpack_from(frame, _IP + 6)
        self.l4 = _IP + ((frame[_IP] & 0xF) << 2)
        self.is_fragment = bool(fragment & FRAGMENT_MASK)
        self.flow = self._read_flow()
        #: Headers up to the ports, or an identifier, as received: what the fast path recognises.
        self.arrival = bytes(frame)[: _IP + 26]
        #: Where the input keeps its fast-path entries, if it has any.
        self.cache: FlowCache | None = None
        self.state = CtState.UNTRACKED
        self.direction = Direction.ORIGINAL
        self.connection: Connection | None = None
        self.masquerade = False  # KUBE-MARK-MASQ: bit 0x4000 of the firewall mark.

    @classmethod
    def parse(cls, frame: Octets, device: str) -> Self:
        """Copy the packet of an Ethernet *frame*, without padding; raises MalformedPacket."""
        size = len(frame)
        if size < _IP + 20:
            raise MalformedPacket(f"ipv4: {size - _IP} octets")
        version, total, fragment, _, protocol, _, _, _ = _IP_HEADER.unpack_from(frame, _IP)
        header = (version & 0xF) << 2
        if version >> 4 != 4 or not 20 <= header <= total <= size - _IP:
            raise MalformedPacket("ipv4: version or lengths make no sense")
        copy = bytearray(frame[: _IP + total])
        if not checksum.holds(checksum.add(copy[_IP : _IP + header])):
            raise MalformedPacket("ipv4: wrong header checksum")
        first = not fragment & OFFSET_MASK
        if first and total - header < cls._octets_min.get(protocol, 0):
            raise MalformedPacket("the transport header is cut off")
        return cls(copy, device)

    @classmethod
    def from_ip(cls, packet: Octets, device: str) -> Self:
        """Do as `parse` for a packet without an Ethernet header."""
        return cls.parse(b"".join((bytes(12), _WORD.pack(ETHERTYPE_IPV4), packet)), device)

    def _read_flow(self) -> FlowTuple | None:
        """Return the flow that the packet names, or None when it names none."""
        frame, at = self.frame, self.l4
        if self.is_fragment:
            return None
        source, destination = self.source, self.destination
        if self.protocol in _WITH_PORTS:
            ports = _PORTS.unpack_from(frame, at)
            return FlowTuple(self.protocol, source, ports[0], destination, ports[1])
        if self.protocol == self.icmp:
            if frame[at] not in self._echoes:
                return None
            identifier = _WORD.unpack_from(frame, at + 4)[0]
            if frame[at] == self.echo_request:
                return FlowTuple(self.icmp, source, identifier, destination, 0)
            return FlowTuple(self.icmp, source, 0, destination, identifier)
        if self.protocol == PROTOCOL_SCTP and len(frame) >= at + _PORTS.size:
            ports = _PORTS.unpack_from(frame, at)
            return FlowTuple(PROTOCOL_SCTP, source, ports[0], destination, ports[1])
        return FlowTuple(self.protocol, source, 0, destination, 0)

    @property
    def ttl(self) -> int:
        return self.frame[_IP + 8]

    @property
    def may_be_cut(self) -> bool:
        """Whether a router may fragment it: neither forbidden, nor done, nor with options."""
        forbidden = _WORD.unpack_from(self.frame, _IP + 6)[0] & DONT_FRAGMENT
        return not (forbidden or self.is_fragment or self.l4 != _IP + 20)

    def is_too_big(self, mtu: int) -> bool:
        """Tell whether no link with this *mtu* may carry the packet, not even in pieces."""
        return self.octets > mtu and not self.may_be_cut

    @property
    def octets(self) -> int:
        """Length of the IP packet."""
        return len(self.frame) - _IP

    @property
    def tcp_flags(self) -> int:
        return self.frame[self.l4 + 13]

    @property
    def tcp_segment(self) -> bytes:
        """Sequence number, acknowledgment, offset, flags and window."""
        return bytes(self.frame[self.l4 + 4 : self.l4 + 16])

    @property
    def tcp_options(self) -> bytearray:
        """The octets between TCP's header and its data."""
        return self.frame[self.l4 + 20 : self.l4 + (self.frame[self.l4 + 12] >> 4 << 2)]

    @property
    def icmp_type(self) -> int:
        return self.frame[self.l4]

    @property
    def is_icmp_error(self) -> bool:
        return (
            self.protocol == self.icmp
            and not self.is_fragment
            and self.frame[self.l4] in self._errors
        )

    @property
    def ip(self) -> memoryview:
        """The packet without its Ethernet header."""
        return memoryview(self.frame)[_IP:]

    def as_arrived(self) -> bytes:
        """Return the IP packet as it was before hops and translations: what errors quote."""
        frame, before = bytearray(self.frame), self.arrival
        ports = slice(self.l4, self.l4 + 4) if self.l4 == _IP + 20 else slice(0, 0)
        change = checksum.delta(bytes(frame[_IP + 12 : _IP + 20]), before[_IP + 12 : _IP + 20])
        frame[_IP + 8], frame[_IP + 10 : _IP + 20] = before[_IP + 8], before[_IP + 10 : _IP + 20]
        offset = self._checksum_at.get(self.protocol)
        if offset is not None and not self.is_fragment:
            old, new = bytes(frame[ports]), before[ports]
            change += checksum.delta(old, new)
            frame[ports] = new
            update = checksum.update_udp if self.protocol == PROTOCOL_UDP else checksum.update
            field = _WORD.unpack_from(frame, self.l4 + offset)[0]
            _WORD.pack_into(frame, self.l4 + offset, update(field, change))
        elif self.flow is not None and self.protocol == self.icmp and self.l4 == _IP + 20:
            at = self.l4 + 4  # An echo's identifier.
            change = checksum.delta(bytes(frame[at : at + 2]), before[at : at + 2])
            frame[at : at + 2] = before[at : at + 2]
            field = _WORD.unpack_from(frame, self.l4 + 2)[0]
            _WORD.pack_into(frame, self.l4 + 2, checksum.update(field, change))
        return bytes(frame[_IP:])

    def checksum_holds(self) -> bool:
        """Tell whether the transport's checksum is right, as far as it can be judged here."""
        frame, l4 = self.frame, self.l4
        if self.is_fragment or self.protocol not in self._octets_min:
            return True
        if self.protocol not in self._checksum_at:
            return checksum.holds(checksum.add(frame[l4:]))
        if self.protocol == PROTOCOL_UDP and not (frame[l4 + 6] or frame[l4 + 7]):
            return True
        total = self.source + self.destination + self.protocol + len(frame) - l4
        return checksum.holds(total + checksum.add(frame[l4:]))

    def set_ethernet(self, destination: bytes, source: bytes) -> None:
        """Address the frame."""
        self.frame[0:12] = destination + source

    def decrement_ttl(self) -> None:
        """Count one hop; the checksum follows."""
        self.frame[_IP + 8] -= 1
        self._adjust(_IP + 10, 0x0100)  # As `checksum.delta` has it: what was less what is.

    def set_source_address(self, address: int) -> None:
        """Make *address* the source; ports stay."""
        self._adjust_l4(self._replace_source(address))
        self.flow = self._read_flow()

    def set_destination_address(self, address: int) -> None:
        """Make *address* the destination; ports stay."""
        self._adjust_l4(self._replace_destination(address))
        self.flow = self._read_flow()

    def translate_source(self, target: FlowTuple) -> None:
        """Make *target*'s source the packet's."""
        change, flow = self._replace_source(target.source), self.flow
        if flow is not None:
            change += self._replace_port(flow.source_port, target.source_port, 0)
            port, destination = target.source_port, flow.destination
            self.flow = FlowTuple(
                self.protocol, target.source, port, destination, flow.destination_port
            )
        self._adjust_l4(change)

    def translate_destination(self, target: FlowTuple) -> None:
        """Make *target*'s destination the packet's."""
        change, flow = self._replace_destination(target.destination), self.flow
        if flow is not None:
            change += self._replace_port(flow.destination_port, target.destination_port, 2)
            source, port = flow.source, flow.source_port
            self.flow = FlowTuple(
                self.protocol, source, port, target.destination, target.destination_port
            )
        self._adjust_l4(change)

    def _replace_port(self, old: int, new: int, at: int) -> int:
        """Write the port at *at*, or an echo's identifier; return by how much a sum changes."""
        if old == new or not (self.protocol == self.icmp or self.protocol in _WITH_PORTS):
            return 0
        if self.protocol == self.icmp:
            _WORD.pack_into(self.frame, self.l4 + 4, new)
            self._adjust(self.l4 + 2, old - new)
            return 0
        _WORD.pack_into(self.frame, self.l4 + at, new)
        return old - new

    def _replace_source(self, address: int) -> int:
        """Write an address; return by how much sums that it is part of change."""
        change, self.source = self.source - address, address
        _ADDRESS.pack_into(self.frame, _IP + 12, address)
        self._adjust(_IP + 10, change)
        return change

    def _replace_destination(self, address: int) -> int:
        change, self.destination = self.destination - address, address
        _ADDRESS.pack_into(self.frame, _IP + 16, address)
        self._adjust(_IP + 10, change)
        return change

    def _adjust(self, at: int, change: int) -> None:
        field = _WORD.unpack_from(self.frame, at)[0]
        _WORD.pack_into(self.frame, at, checksum.update(field, change))

    def _adjust_l4(self, change: int) -> None:
        offset = self._checksum_at.get(self.protocol)
        if offset is None or self.is_fragment:
            return  # The checksum of IPv4's ICMP does not cover addresses.
        at = self.l4 + offset
        field = _WORD.unpack_from(self.frame, at)[0]
        update = checksum.update_udp if self.protocol == PROTOCOL_UDP else checksum.update
        _WORD.pack_into(self.frame, at, update(field, change))
