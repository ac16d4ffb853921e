"""Neighbour discovery of the node on its bridge (RFC 4861, Linux ndisc.c).

It answers for the addresses of the bridge itself, no others (the strong model, as ndisc has it),
and looks for its pods. What only a neighbour can have sent has hop limit 255; the rest is counted.
The node is the pods' router, but it does not advertise itself: CNI configures their gateway, and
flannel's VXLAN has no proxy, its neighbours are permanent entries. Redirects are not followed.
"""

from __future__ import annotations

from ipaddress import IPv6Address
from typing import TYPE_CHECKING, Final

from netstack import ip6_addresses, ip6_output
from netstack.wire import ndp
from netstack.wire.ethernet import ETHERTYPE_IPV6, Ethernet
from netstack.wire.icmpv6 import Icmpv6, Icmpv6View, Type
from netstack.wire.ipv6 import NextHeader
from netstack.wire.malformed import MalformedPacket
from netstack.wire.ndp import HOP_LIMIT, NeighbourAdvertisement, NeighbourSolicitation
from nodeagent.datapath.drops import DropReason
from nodeagent.datapath.neighbours import Claim, Probe
from nodeagent.datapath.packet6 import Packet6

if TYPE_CHECKING:
    from nodeagent.datapath.node import Node

_ANY: Final = 0


def receive(node: Node, packet: Packet6, now: float) -> None:
    """Take a message of neighbour discovery that the bridge hands to the node."""
    if packet.ttl != HOP_LIMIT:
        node.drops[DropReason.NOT_A_NEIGHBOUR] += 1
        return
    source, destination = IPv6Address(packet.source), IPv6Address(packet.destination)
    try:
        octets = bytes(packet.frame[packet.l4 :])
        message = Icmpv6.parse(Icmpv6View(octets), source, destination)
        if message.type == Type.NEIGHBOUR_SOLICITATION:
            _solicited(node, packet, NeighbourSolicitation.parse(message), now)
        elif message.type == Type.NEIGHBOUR_ADVERTISEMENT:
            _advertised(node, packet, NeighbourAdvertisement.parse(message), now)
    except MalformedPacket:
        node.drops[DropReason.MALFORMED_PACKET] += 1


def ask(node: Node, probe: Probe, source: int, now: float) -> None:
    """Ask for an address from *source*: its group, or the one that is believed to have it."""
    target = IPv6Address(probe.address)
    question = NeighbourSolicitation(target, ndp.Options(source_mac=node.bridge.mac))
    group = ip6_addresses.solicited_node(target.packed)
    mac = probe.mac or ip6_addresses.group_mac(group)
    endpoints = IPv6Address(source), target if probe.mac else IPv6Address(group)
    _send(node, mac, question.emit(), endpoints, now=now)


def _solicited(node: Node, packet: Packet6, question: NeighbourSolicitation, now: float) -> None:
    """Answer for one of our addresses, and remember who asks."""
    target, mac = question.target, question.options.source_mac
    group = IPv6Address(ip6_addresses.solicited_node(target.packed))
    is_probe = packet.source == _ANY  # For duplicates (RFC 4862 §5.4).
    if is_probe and (mac is not None or packet.destination != int(group)):
        raise MalformedPacket("ndp: a probe that makes no sense")
    ours = node.addresses.get(int(target))
    if ours is None or ours[1] != node.bridge.name:
        return
    asks_from = IPv6Address(ip6_addresses.ALL_NODES if is_probe else packet.source)
    if not is_probe and mac is not None:
        learned = Claim(mac=mac, solicited=False, override=True)
        _note(node, packet.source, learned, now, create=True)
    answer = NeighbourAdvertisement(
        target=target,
        router=True,
        solicited=not is_probe,
        override=True,
        options=ndp.Options(target_mac=node.bridge.mac),
    )
    to = ip6_addresses.group_mac(asks_from.packed) if is_probe else bytes(packet.frame[6:12])
    _send(node, mac or to, answer.emit(), (target, asks_from), now=now)


def _advertised(node: Node, packet: Packet6, answer: NeighbourAdvertisement, now: float) -> None:
    """Heed what somebody says of an address that we asked for."""
    if answer.solicited and packet.destination >> 120 == 0xFF:
        raise MalformedPacket("ndp: nobody solicits for everyone")
    target = int(answer.target)
    if node.is_local(target):
        node.drops[DropReason.ADDRESS_CONFLICT] += 1
        return
    claim = Claim(
        mac=answer.options.target_mac, solicited=answer.solicited, override=answer.override
    )
    _note(node, target, claim, now, create=False)


def _note(node: Node, address: int, claim: Claim, now: float, *, create: bool) -> None:
    device, mac = node.bridge.name, claim.mac
    old_mac = node.neighbours.mac_of(device, address)
    if create and not old_mac and mac is not None:
        waiting = node.neighbours.learn(device, address, mac, now)
    else:
        waiting = node.neighbours.advertised(device, address, claim, now)
    new_mac = node.neighbours.mac_of(device, address)
    if old_mac and old_mac != new_mac:
        node.clear_flows()
    for each in waiting:
        node.send_resolved(each, new_mac, now)


def _send(
    node: Node,
    mac: bytes,
    message: Icmpv6,
    endpoints: tuple[IPv6Address, IPv6Address],
    *,
    now: float,
) -> None:
    octets = message.emit(*endpoints)
    packed = endpoints[0].packed, endpoints[1].packed
    header = ip6_output.header(NextHeader.ICMPV6, packed, len(octets), HOP_LIMIT)
    ethernet = Ethernet(mac, node.bridge.mac, ETHERTYPE_IPV6).emit()
    node.bridge_frame(bytearray(ethernet + header + octets), now)
