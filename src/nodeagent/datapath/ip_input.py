"""IPv4 that has arrived: for this node, or to be forwarded (Linux ip_input.c, ip_forward.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from netstack.wire.icmp import Unreachable
from nodeagent.datapath import hooks, ip_output, reject
from nodeagent.datapath.drops import DropReason
from nodeagent.datapath.hooks import Hook
from nodeagent.datapath.packet import Packet
from nodeagent.datapath.routes import Kind

if TYPE_CHECKING:
    from nodeagent.datapath.node import Node

_NOWHERE: Final = (0, 127)  # "This network" and loopback are on no wire.
_GROUPS_FROM: Final = 224  # Multicast, reserved and the limited broadcast.


def receive(node: Node, packet: Packet, now: float) -> None:
    """Take a packet that was addressed to one of this node's devices."""
    source, destination = packet.source, packet.destination
    if (
        source >> 24 in _NOWHERE
        or source >> 24 >= _GROUPS_FROM
        or destination >> 24 in _NOWHERE
        or node.is_local(source)
    ):
        node.drops[DropReason.MARTIAN] += 1
    elif not node.source_is_valid(source, packet.device):
        node.drops[DropReason.RP_FILTER] += 1
    elif destination >> 24 >= _GROUPS_FROM:
        node.drops[DropReason.OTHER_HOST] += 1
    else:
        whole = node.fragments.whole(packet, now)
        if whole is not None and hooks.run(Hook.PREROUTING, node, whole, now):
            route(node, whole, now)


def route(node: Node, packet: Packet, now: float) -> None:
    """Decide between delivery and forwarding; translation of the destination is done."""
    if node.is_local(packet.destination):
        if hooks.run(Hook.INPUT, node, packet, now):
            node.stack.receive_packet(bytes(packet.ip), now)
            node.stack_woken = True
        return
    forward(node, packet, now)


def forward(node: Node, packet: Packet, now: float) -> None:
    """Send a packet of others on its way."""
    if packet.ttl <= 1:
        node.drops[DropReason.TTL_EXCEEDED] += 1
        reject.time_exceeded(node, packet, now)
        return
    route = node.routes.lookup(packet.destination)
    if route is None:
        node.drops[DropReason.NO_ROUTE] += 1
        reject.unreachable(node, packet, Unreachable.NETWORK, now)
        return
    if route.kind is not Kind.UNICAST:
        _end(node, packet, route.kind, now)
        return
    mtu = node.mtu_of(route.device)
    if packet.octets > mtu and not packet.may_be_cut:
        node.drops[DropReason.TOO_BIG] += 1
        reject.unreachable(node, packet, Unreachable.FRAGMENTATION_NEEDED, now, mtu=mtu)
        return
    if not hooks.run(Hook.FORWARD, node, packet, now):
        return
    packet.decrement_ttl()
    packet.device = route.device
    if hooks.run(Hook.POSTROUTING, node, packet, now):
        ip_output.send(node, packet, route, now)


#: Why a route that leads nowhere ends a packet, and what its sender hears.
_ENDS: Final = {
    Kind.BLACKHOLE: (DropReason.BLACKHOLE, None),
    Kind.UNREACHABLE: (DropReason.NO_ROUTE, Unreachable.HOST),
    Kind.PROHIBIT: (DropReason.PROHIBITED, Unreachable.ADMINISTRATIVELY_PROHIBITED),
}


def _end(node: Node, packet: Packet, kind: Kind, now: float) -> None:
    reason, code = _ENDS[kind]
    node.drops[reason] += 1
    if code is not None:
        reject.unreachable(node, packet, code, now)
