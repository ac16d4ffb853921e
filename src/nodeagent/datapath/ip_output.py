"""IP that leaves: this node's own, and the last step of what it forwards (Linux ip_output.c)."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

from netstack.wire.malformed import MalformedPacket
from nodeagent.datapath import fragments, hooks, ip_input, nud, packet6, reject, vxlan
from nodeagent.datapath.conntrack import nat
from nodeagent.datapath.devices import HOST_GATEWAY
from nodeagent.datapath.drops import DropReason
from nodeagent.datapath.hooks import Hook
from nodeagent.datapath.packet import Packet
from nodeagent.datapath.routes import Kind, Route

if TYPE_CHECKING:
    from nodeagent.datapath.node import Node


def send_local(node: Node, octets: bytes, now: float) -> None:
    """Send a packet of the node's own stack."""
    try:
        packet = node.fragments.whole(packet6.from_ip(octets, "lo"), now)
    except MalformedPacket as error:
        raise AssertionError(f"the stack made a broken packet: {error}") from None
    if packet is None or not hooks.run(Hook.OUTPUT, node, packet, now):
        return
    if node.is_local(packet.destination):  # A pod in the node's network has asked the node.
        if hooks.run(Hook.INPUT, node, packet, now):
            ip_input.deliver(node, packet, now)
    elif not _route(node, packet, now):
        reject.own_packet_failed(node, octets, now)


def send_of_node(node: Node, packet: Packet, now: float) -> None:
    """Send a packet of a pod in the node's network, also to the node itself."""
    whole = node.fragments.whole(packet, now)
    if whole is None or not hooks.run(Hook.OUTPUT, node, whole, now):
        return
    if not node.is_local(whole.destination):
        _route(node, whole, now)
        return
    connection = whole.connection
    if connection is not None and not connection.source_bound:
        # Who answers has the same address, and would keep the answer to itself; and the node's
        # own stack would keep what goes to any of its addresses.
        is_pods = any(node.host_links.owners(whole))
        source = node.source_on(node.bridge.name, whole.source) if is_pods else HOST_GATEWAY
        if not nat.bind_source(node.conntrack, connection, source, node.rng):
            node.drops[DropReason.PORTS_EXHAUSTED] += 1
            return
    if hooks.run(Hook.INPUT, node, whole, now):
        ip_input.deliver(node, whole, now)


def _route(node: Node, packet: Packet, now: float) -> bool:
    """Send a packet of the node on its way; False where there is none."""
    route = node.routes.lookup(packet.destination)
    if route is None or route.kind is not Kind.UNICAST:
        node.drops[DropReason.NO_ROUTE] += 1
        return False
    packet.device = route.device
    if hooks.run(Hook.POSTROUTING, node, packet, now):
        send(node, packet, route, now)
    return True


def route_and_send(node: Node, packet: Packet, now: float) -> None:
    """Send a packet that no hook shall see."""
    route = node.routes.lookup(packet.destination)
    if route is None or route.kind is not Kind.UNICAST:
        node.drops[DropReason.NO_ROUTE] += 1
        return
    packet.device = route.device
    send(node, packet, route, now)


def send(node: Node, packet: Packet, route: Route, now: float) -> None:
    """Hand *packet* to the device of *route*, in pieces if it is too long."""
    for piece in fragments.pieces(packet, node.mtu_of(route.device), node.rng):
        _send_piece(node, piece, route, now)


def _send_piece(node: Node, packet: Packet, route: Route, now: float) -> None:
    device = route.device
    next_hop = packet.destination if route.via is None else int(route.via)
    if device == node.eth0.name:
        _send_underlay(node, packet, next_hop)
    elif device == node.bridge.name:
        _send_bridge(node, packet, next_hop, now)
    elif node.vtep is not None and device == node.vtep.name:
        mac = node.neighbours.mac_of(device, next_hop)
        if not mac:
            node.drops[DropReason.NO_NEIGHBOUR] += 1
            reject.tell(node, packet, reject.Refusal.NO_NEIGHBOUR, now)
            return
        packet.set_ethernet(mac, node.vtep.mac)
        vxlan.send(node, packet, mac, now)
    else:
        node.drops[DropReason.NO_ROUTE] += 1


def _send_underlay(node: Node, packet: Packet, next_hop: int) -> None:
    """Send a bare IP packet between nodes, or to the world outside."""
    output = node.underlay_output(ip_address(next_hop))
    if output is None:
        node.drops[DropReason.NO_NEIGHBOUR] += 1
        return
    node.learn_flow(packet, output, node.eth0.mtu)
    node.queue(output, packet.frame)


def _send_bridge(node: Node, packet: Packet, next_hop: int, now: float) -> None:
    """Find out which pod has the address, then let the bridge carry it there."""
    device = node.bridge.name
    resolution = node.neighbours.resolve(device, next_hop, packet, now)
    if resolution.probe is not None:
        nud.ask(node, resolution.probe, now)
    if resolution.refused:
        node.drops[DropReason.NEIGHBOUR_QUEUE_FULL] += 1
    elif resolution.mac is not None:
        send_resolved(node, packet, resolution.mac, now)


def send_resolved(node: Node, packet: Packet, mac: bytes, now: float) -> None:
    """Send onto the bridge what has found its neighbour."""
    packet.set_ethernet(mac, node.bridge.mac)
    node.tap(node.bridge.name, "out", packet.frame)
    node.bridge_frame(packet.frame, now, packet=packet)
