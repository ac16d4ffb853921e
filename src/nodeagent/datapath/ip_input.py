"""IP that has arrived: for this node, or to be forwarded (Linux ip_input.c, ip_forward.c).

Of IPv6 the same functions in net/ipv6: ip6_input.c and ip6_forward in ip6_output.c.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from netstack.wire.ipv6 import MTU_MIN
from nodeagent.datapath import egress_rules, hooks, host_links, ip_output, options6, reject
from nodeagent.datapath.drops import DropReason
from nodeagent.datapath.hooks import Hook
from nodeagent.datapath.packet import IPV6_FROM, Packet
from nodeagent.datapath.reject import Refusal
from nodeagent.datapath.routes import Kind

if TYPE_CHECKING:
    from nodeagent.datapath.node import Node

_NOWHERE: Final = (0, 127)  # "This network" and loopback are on no wire.
_GROUPS_FROM: Final = 224  # Multicast, reserved and the limited broadcast.
_GROUP6: Final = 0xFF  # ff00::/8
_LINK_LOCAL6: Final = 0xFE80 >> 6  # fe80::/10
_MAPPED6: Final = 0xFFFF  # ::ffff:0:0/96


def is_martian(packet: Packet) -> bool:
    """Tell whether the addresses of *packet* are on no wire.

    Of IPv6 the first 2^32 are martian as a whole: "::", "::1" and the deprecated IPv4-compatible
    ones (RFC 4291 §2.5.5.1), as ints, would be taken for IPv4's.
    """
    source, destination = packet.source, packet.destination
    if packet.version == 4:
        first = source >> 24
        return first in _NOWHERE or first >= _GROUPS_FROM or destination >> 24 in _NOWHERE
    return (
        source < IPV6_FROM
        or destination < IPV6_FROM
        or source >> 120 == _GROUP6
        or source >> 32 == _MAPPED6
        or destination >> 32 == _MAPPED6
    )


def _is_group(packet: Packet) -> bool:
    if packet.version == 4:
        return packet.destination >> 24 >= _GROUPS_FROM
    return packet.destination >> 120 == _GROUP6


def _is_link_local(packet: Packet) -> bool:
    """Tell whether one of the addresses means something on one link only."""
    return packet.version == 6 and (
        packet.source >> 118 == _LINK_LOCAL6 or packet.destination >> 118 == _LINK_LOCAL6
    )


def receive(node: Node, packet: Packet, now: float) -> None:
    """Take a packet that was addressed to one of this node's devices."""
    if is_martian(packet) or node.is_local(packet.source):
        node.drops[DropReason.MARTIAN] += 1
    elif not node.source_is_valid(packet.source, packet.device):
        node.drops[DropReason.RP_FILTER] += 1
    elif _is_group(packet) and not node.is_joined(packet.destination):
        node.drops[DropReason.OTHER_HOST] += 1
    elif options6.accept(node, packet, now):
        whole = node.fragments.whole(packet, now)
        if whole is not None and hooks.run(Hook.PREROUTING, node, whole, now):
            route(node, whole, now)


def route(node: Node, packet: Packet, now: float) -> None:
    """Decide between delivery and forwarding; translation of the destination is done."""
    if node.is_local(packet.destination) or _is_group(packet):
        if hooks.run(Hook.INPUT, node, packet, now):
            deliver(node, packet, now)
        return
    forward(node, packet, now)


def deliver(node: Node, packet: Packet, now: float) -> None:
    """Take a packet that is for this node: its pods in the host network, else its own stack."""
    if not (node.host_links and host_links.deliver(node, packet, now)):
        node.stack.receive_packet(bytes(packet.ip), now)
        node.stack_woken = True


def forward(node: Node, packet: Packet, now: float) -> None:
    """Send a packet of others on its way."""
    if packet.ttl <= 1:
        node.drops[DropReason.TTL_EXCEEDED] += 1
        reject.tell(node, packet, Refusal.HOP_LIMIT, now)
        return
    if _is_link_local(packet):
        node.drops[DropReason.BEYOND_SCOPE] += 1
        reject.tell(node, packet, Refusal.BEYOND_SCOPE, now)
        return
    route = node.routes.lookup(packet.destination)
    if node.routes.egress:
        passes, route = egress_rules.choose(node, packet, route)
        if not passes:
            node.drops[DropReason.NO_EGRESS_GATEWAY] += 1
            reject.tell(node, packet, Refusal.UNREACHABLE_ROUTE, now)
            return
    if route is None:
        node.drops[DropReason.NO_ROUTE] += 1
        reject.tell(node, packet, Refusal.NO_ROUTE, now)
        return
    if route.kind is not Kind.UNICAST:
        _end(node, packet, route.kind, now)
        return
    mtu = node.mtu_of(route.device)
    if packet.version == 6 and mtu < MTU_MIN:
        mtu = MTU_MIN  # Below that the link itself must cut (RFC 8200 §5), as a tunnel's does.
    if packet.is_too_big(mtu):
        node.drops[DropReason.TOO_BIG] += 1
        reject.tell(node, packet, Refusal.TOO_BIG, now, mtu=mtu)
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
    Kind.UNREACHABLE: (DropReason.NO_ROUTE, Refusal.UNREACHABLE_ROUTE),
    Kind.PROHIBIT: (DropReason.PROHIBITED, Refusal.PROHIBITED),
}


def _end(node: Node, packet: Packet, kind: Kind, now: float) -> None:
    reason, why = _ENDS[kind]
    node.drops[reason] += 1
    if why is not None:
        reject.tell(node, packet, why, now)
