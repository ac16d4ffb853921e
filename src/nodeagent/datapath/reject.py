"""What a client hears that cannot be served: `-j REJECT`, and the errors of a router.

An error quotes its packet as it arrived, so its sender recognises it whatever was translated here
meanwhile, also for a connection that is not in the table yet. (Linux attaches the packet's
connection to the error and translates the quote back: `nf_ct_attach`.)
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from netstack import ip6_output, ip_output
from netstack.wire import checksum, icmp, icmpv6, ipv4
from netstack.wire.ipv4 import PROTOCOL_TCP
from netstack.wire.tcp import HEADER, Flag
from nodeagent.datapath import packet6
from nodeagent.datapath.drops import DropReason
from nodeagent.datapath.packet import Packet

if TYPE_CHECKING:
    from nodeagent.datapath.frontends import Frontend
    from nodeagent.datapath.node import Node


class Refusal(Enum):
    """Why a packet does not get there, as far as its sender is told."""

    NO_ROUTE = auto()
    UNREACHABLE_ROUTE = auto()
    PROHIBITED = auto()
    BEYOND_SCOPE = auto()
    NO_NEIGHBOUR = auto()
    PORT = auto()
    TOO_BIG = auto()
    HOP_LIMIT = auto()


_Messages = Mapping[Refusal, tuple[int, int]]

_UNREACHABLE: Final = icmp.Type.UNREACHABLE
_UNREACHABLE6: Final = icmpv6.Type.UNREACHABLE
#: Type and code, by family. IPv6 has no word for a route that is `unreachable` (ip6_pkt_discard).
_MESSAGES: Final[Mapping[int, _Messages]] = {
    4: {
        Refusal.NO_ROUTE: (_UNREACHABLE, icmp.Unreachable.NETWORK),
        Refusal.UNREACHABLE_ROUTE: (_UNREACHABLE, icmp.Unreachable.HOST),
        Refusal.PROHIBITED: (_UNREACHABLE, icmp.Unreachable.ADMINISTRATIVELY_PROHIBITED),
        Refusal.NO_NEIGHBOUR: (_UNREACHABLE, icmp.Unreachable.HOST),
        Refusal.PORT: (_UNREACHABLE, icmp.Unreachable.PORT),
        Refusal.TOO_BIG: (_UNREACHABLE, icmp.Unreachable.FRAGMENTATION_NEEDED),
        Refusal.HOP_LIMIT: (icmp.Type.TIME_EXCEEDED, icmp.TimeExceeded.IN_TRANSIT),
    },
    6: {
        Refusal.NO_ROUTE: (_UNREACHABLE6, icmpv6.Unreachable.NO_ROUTE),
        Refusal.UNREACHABLE_ROUTE: (_UNREACHABLE6, icmpv6.Unreachable.NO_ROUTE),
        Refusal.PROHIBITED: (_UNREACHABLE6, icmpv6.Unreachable.PROHIBITED),
        Refusal.BEYOND_SCOPE: (_UNREACHABLE6, icmpv6.Unreachable.BEYOND_SCOPE),
        Refusal.NO_NEIGHBOUR: (_UNREACHABLE6, icmpv6.Unreachable.ADDRESS),
        Refusal.PORT: (_UNREACHABLE6, icmpv6.Unreachable.PORT),
        Refusal.TOO_BIG: (icmpv6.Type.PACKET_TOO_BIG, 0),
        Refusal.HOP_LIMIT: (icmpv6.Type.TIME_EXCEEDED, icmpv6.TimeExceeded.IN_TRANSIT),
    },
}


def no_endpoints(node: Node, packet: Packet, frontend: Frontend, now: float) -> DropReason:
    """Answer for a Service that has nobody for a packet, unless it is to be dropped."""
    if frontend.entry.on_empty == "drop":
        return DropReason.NO_LOCAL_ENDPOINTS
    if packet.protocol == PROTOCOL_TCP:
        _reset(node, packet, now)
    else:
        tell(node, packet, Refusal.PORT, now)
    return DropReason.NO_ENDPOINTS if frontend.key[1] else DropReason.NO_SERVICE_PORT


def tell(node: Node, packet: Packet, why: Refusal, now: float, *, mtu: int = 0) -> None:
    """Tell the sender that *packet* does not get there, and which *mtu* would."""
    kind, code = _MESSAGES[packet.version][why]
    errors = node.stack.icmp if packet.version == 4 else node.stack.icmp6
    errors.send_error(kind, code, packet.as_arrived(), now, rest=mtu)
    node.stack_woken = True


def own_packet_failed(node: Node, octets: bytes, now: float) -> None:
    """Let a socket of the node's own stack know that there is no route for its packet."""
    if octets[0] >> 4 == 4:
        node.stack.icmp.own_packet_failed(octets, icmp.Unreachable.NETWORK, now)
    else:
        node.stack.icmp6.own_packet_failed(octets, icmpv6.Unreachable.NO_ROUTE, now)


def _reset(node: Node, packet: Packet, now: float) -> None:
    """Answer a segment as if its destination had refused it (RFC 9293 §3.10.7.1)."""
    source_port, destination_port, sequence, acknowledgment, offset, *_ = HEADER.unpack_from(
        packet.frame, packet.l4
    )
    flags = offset & 0xFF
    if flags & Flag.RST:
        return
    if flags & Flag.ACK:
        numbers = (acknowledgment, 0, 5 << 12 | Flag.RST)
    else:
        octets = len(packet.frame) - packet.l4 - (offset >> 12 << 2)
        length = octets + bool(flags & Flag.SYN) + bool(flags & Flag.FIN)
        numbers = (0, (sequence + length) & 0xFFFFFFFF, 5 << 12 | Flag.RST | Flag.ACK)
    address_octets = 4 if packet.version == 4 else 16
    source, destination = (
        each.to_bytes(address_octets, "big") for each in (packet.destination, packet.source)
    )
    total = checksum.pseudo_header(source, destination, PROTOCOL_TCP, HEADER.size)
    bare = HEADER.pack(destination_port, source_port, *numbers, 0, 0, 0)
    field = checksum.finish(total + checksum.add(bare))
    segment = HEADER.pack(destination_port, source_port, *numbers, 0, field, 0)
    header = _header(source, destination, len(segment))
    if node.is_local(packet.source):  # It is the node that asked.
        node.stack.receive_packet(header + segment, now)
        node.stack_woken = True
        return
    # Untracked: for conntrack the connection never was.
    node.send_untracked(packet6.from_ip(header + segment, "lo"), now)


def _header(source: bytes, destination: bytes, length: int) -> bytes:
    endpoints = source, destination
    if len(source) == 4:
        return ip_output.header(PROTOCOL_TCP, endpoints, 0, ipv4.DONT_FRAGMENT, length)
    return ip6_output.header(PROTOCOL_TCP, endpoints, length)
