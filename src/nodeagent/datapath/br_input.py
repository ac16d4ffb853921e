"""The bridge `cni0` (Linux br_input.c, br_forward.c, br_netfilter_hooks.c).

Frames for the bridge's own MAC go up to the node's IP. IP between two pods passes the same hooks
as if it were routed (bridge-nf-call-iptables = 1, which kube-proxy requires): only so is the reply
of a Service's endpoint on the client's own node translated back, though the node's IP never sees
it. A frame to an unknown or a group address goes to every port but its own, at a bounded rate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from netstack.wire.ethernet import ETHERTYPE_ARP, HEADER_OCTETS
from netstack.wire.malformed import MalformedPacket
from nodeagent.datapath import arp, fragments, hooks, host_links, ip_input, ndisc
from nodeagent.datapath.drops import DropReason
from nodeagent.datapath.hooks import Hook
from nodeagent.datapath.packet import Octets, Packet
from nodeagent.datapath.packet6 import KINDS, Packet6

if TYPE_CHECKING:
    from nodeagent.datapath.devices import Port
    from nodeagent.datapath.node import Node


#: Groups that no bridge forwards: spanning tree and its kin (IEEE 802.1D §7.12.6).
_LINK_LOCAL: Final = b"\x01\x80\xc2\x00\x00"


def receive(node: Node, port: Port, frame: Octets, now: float) -> None:
    """Take one frame from *port*."""
    if len(frame) < HEADER_OCTETS or frame[6] & 1:
        port.drops[DropReason.MALFORMED_FRAME] += 1
        return
    node.deadline_moved = True
    if port.is_host:
        host_links.receive(node, port, frame, now)
        return
    destination, source = bytes(frame[0:6]), bytes(frame[6:12])
    if destination[:5] == _LINK_LOCAL and destination[5] < 16:
        port.drops[DropReason.LINK_LOCAL_GROUP] += 1
        return
    if source != node.bridge.mac and node.bridge.fdb.learn(source, port, now):
        node.clear_flows()  # The pod has moved to another port.
    if destination == node.bridge.mac:
        _pass_up(node, port, frame, now)
    elif destination[0] & 1:
        _flood(node, frame, port, now)
        _pass_up(node, port, frame, now)
    elif (kind := KINDS.get(frame[12] << 8 | frame[13])) is not None:
        packet = _parse(node, port, frame, kind)
        if packet is not None:
            _bridge_ip(node, port, packet, now)
    else:
        forward(node, bytearray(frame), now, arrived_at=port)


def _pass_up(node: Node, port: Port, frame: Octets, now: float) -> None:
    ethertype = frame[12] << 8 | frame[13]
    if ethertype == ETHERTYPE_ARP:
        arp.receive(node, frame, now)
    elif (kind := KINDS.get(ethertype)) is not None:
        packet = _parse(node, port, frame, kind)
        if packet is None:
            return
        if isinstance(packet, Packet6) and packet.is_discovery:
            ndisc.receive(node, packet, now)
        else:
            ip_input.receive(node, packet, now)
    elif not frame[0] & 1:
        port.drops[DropReason.UNHANDLED_PROTOCOL] += 1


def _parse(node: Node, port: Port, frame: Octets, kind: type[Packet]) -> Packet | None:
    try:
        packet = kind.parse(frame, node.bridge.name)
    except MalformedPacket:
        port.drops[DropReason.MALFORMED_PACKET] += 1
        return None
    packet.cache = port.cache
    return packet


def _bridge_ip(node: Node, port: Port, packet: Packet, now: float) -> None:
    """Take IP from pod to pod through the hooks."""
    if packet.version == 6 and ip_input.is_martian(packet):
        port.drops[DropReason.MARTIAN] += 1  # Tables would take some of them for IPv4's.
        return
    if isinstance(packet, Packet6) and packet.is_discovery:
        forward(node, packet.frame, now, arrived_at=port)  # As ARP: no hook sees it.
        return
    addressed_to, ethernet = packet.destination, bytes(packet.frame[0:12])
    whole = node.fragments.whole(packet, now)
    if whole is None or not hooks.run(Hook.PREROUTING, node, whole, now):
        return
    packet = whole
    if packet.destination != addressed_to:
        ip_input.route(node, packet, now)  # Translated: where it goes is a question of routes.
    elif hooks.run(Hook.FORWARD, node, packet, now) and hooks.run(
        Hook.POSTROUTING, node, packet, now
    ):
        leaves_by = node.bridge.fdb.lookup(ethernet[0:6], now)
        mtu = node.bridge.mtu if leaves_by is None else leaves_by.mtu
        if packet.is_too_big(mtu):
            port.drops[DropReason.TOO_BIG] += 1  # No router, so nobody says so.
            return
        for piece in fragments.pieces(packet, mtu, node.rng):
            piece.set_ethernet(ethernet[0:6], ethernet[6:12])
            forward(node, piece.frame, now, arrived_at=port, packet=piece)


def forward(
    node: Node,
    frame: bytearray,
    now: float,
    *,
    arrived_at: Port | None = None,
    packet: Packet | None = None,
) -> None:
    """Send *frame* to the port of its destination, or to all but the one it *arrived_at*."""
    destination = bytes(frame[0:6])
    port = None if destination[0] & 1 else node.bridge.fdb.lookup(destination, now)
    if port is None:
        _flood(node, frame, arrived_at, now)
    elif port is not arrived_at or port.entry.hairpin:  # Else it would send the frame back.
        if packet is not None and port.connected:
            node.learn_flow(packet, port.output, port.mtu)
        _send(node, port, frame)


def _flood(node: Node, frame: Octets, arrived_at: Port | None, now: float) -> None:
    if not node.bridge.flood_rate.take(now):
        node.drops[DropReason.FLOOD_RATE] += 1
        return
    for port in node.ports.values():
        if (port is not arrived_at or port.entry.hairpin) and port.connected and not port.is_host:
            _send(node, port, frame)


def _send(node: Node, port: Port, frame: Octets) -> None:
    if not port.connected:
        port.drops[DropReason.LINK_DOWN] += 1
        if node.verdict is not None:
            node.verdict.drops.append(DropReason.LINK_DOWN)
        return
    node.queue(port.output, frame)
