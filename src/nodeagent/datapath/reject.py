"""What a client hears that cannot be served: `-j REJECT`, and the errors of a router.

An error quotes its packet as it arrived, so its sender recognises it whatever was translated here
meanwhile, also for a connection that is not in the table yet. (Linux attaches the packet's
connection to the error and translates the quote back: `nf_ct_attach`.)
"""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from netstack.wire import checksum
from netstack.wire.icmp import TimeExceeded, Type, Unreachable
from netstack.wire.ipv4 import PROTOCOL_TCP, Ipv4
from netstack.wire.tcp import HEADER, Flag
from nodeagent.datapath.drops import DropReason
from nodeagent.datapath.packet import Packet

if TYPE_CHECKING:
    from nodeagent.datapath.node import Node


def no_endpoints(node: Node, packet: Packet, how: str, now: float) -> DropReason:
    """Answer for a Service without endpoints, unless *how* is "drop"."""
    if how == "reject":
        if packet.protocol == PROTOCOL_TCP:
            _reset(node, packet, now)
        else:
            unreachable(node, packet, Unreachable.PORT, now)
    return DropReason.NO_ENDPOINTS


def unreachable(node: Node, packet: Packet, code: Unreachable, now: float, *, mtu: int = 0) -> None:
    """Tell the sender that *packet* does not get there, and which *mtu* would."""
    node.stack.icmp.send_error(Type.UNREACHABLE, code, packet.as_arrived(), now, rest=mtu)
    node.stack_woken = True


def time_exceeded(node: Node, packet: Packet, now: float) -> None:
    """Tell the sender that *packet* has made its last hop."""
    code, quoted = TimeExceeded.IN_TRANSIT, packet.as_arrived()
    node.stack.icmp.send_error(Type.TIME_EXCEEDED, code, quoted, now)
    node.stack_woken = True


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
    source, destination = IPv4Address(packet.destination), IPv4Address(packet.source)
    total = checksum.pseudo_header(source.packed, destination.packed, PROTOCOL_TCP, HEADER.size)
    bare = HEADER.pack(destination_port, source_port, *numbers, 0, 0, 0)
    field = checksum.finish(total + checksum.add(bare))
    segment = HEADER.pack(destination_port, source_port, *numbers, 0, field, 0)
    header = Ipv4(
        source=source,
        destination=destination,
        protocol=PROTOCOL_TCP,
        payload_length=len(segment),
        dont_fragment=True,
    )
    # Untracked: for conntrack the connection never was.
    node.send_untracked(Packet.from_ip(header.emit() + segment, "lo"), now)
