"""IPv4 that has arrived: for this node, or to be forwarded (Linux ip_input.c, ip_forward.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from netstack.wire.icmp import Unreachable
from nodeagent.datapath import hooks, ip_output, reject
from nodeagent.datapath.drops import DropReason
from nodeagent.datapath.hooks import Hook
from nodeagent.datapath.packet import Packet

if TYPE_CHECKING:
    from nodeagent.datapath.node import Node

_LOOPBACK: Final = 127
_GROUPS_FROM: Final = 224  # Multicast, reserved and the limited broadcast.


def receive(node: Node, packet: Packet, now: float) -> None:
    """Take a packet that was addressed to one of this node's devices."""
    source = packet.source
    if source >> 24 in (0, _LOOPBACK) or source >> 24 >= _GROUPS_FROM or node.is_local(source):
        node.drops[DropReason.MARTIAN] += 1
    elif packet.destination >> 24 >= _GROUPS_FROM:
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
