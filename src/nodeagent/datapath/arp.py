"""ARP of the node on its bridge: it answers for its addresses and looks for its pods (arp.c)."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from netstack.wire.arp import Arp, ArpView, Operation
from netstack.wire.ethernet import BROADCAST, ETHERTYPE_ARP, HEADER_OCTETS, Ethernet
from netstack.wire.malformed import MalformedPacket
from nodeagent.datapath.drops import DropReason
from nodeagent.datapath.neighbours import Probe
from nodeagent.datapath.packet import Octets

if TYPE_CHECKING:
    from nodeagent.datapath.node import Node

_NOBODY = bytes(6)


def receive(node: Node, frame: Octets, now: float) -> None:
    """Take an ARP packet that the bridge hands to the node."""
    try:
        packet = Arp.parse(ArpView(bytes(frame[HEADER_OCTETS:])))
    except MalformedPacket:
        node.drops[DropReason.MALFORMED_PACKET] += 1
        return
    sender, target = int(packet.sender_address), int(packet.target_address)
    if not sender:
        return  # A probe for duplicates (RFC 5227).
    device = node.bridge.name
    old_mac = node.neighbours.mac_of(device, sender)
    asks_us = packet.operation is Operation.REQUEST and node.is_local(target)
    note = node.neighbours.learn if asks_us else node.neighbours.confirm
    waiting = note(device, sender, packet.sender_mac, now)
    if old_mac and old_mac != packet.sender_mac:
        node.clear_flows()
    for each in waiting:
        node.send_resolved(each, packet.sender_mac, now)
    if asks_us:
        reply = Arp(
            Operation.REPLY,
            node.bridge.mac,
            packet.target_address,
            packet.sender_mac,
            packet.sender_address,
        )
        _send(node, packet.sender_mac, reply, now)


def ask(node: Node, probe: Probe, source: int, now: float) -> None:
    """Ask for an address from *source*: everybody, or the one that is believed to have it."""
    request = Arp(
        Operation.REQUEST,
        node.bridge.mac,
        IPv4Address(source),
        _NOBODY,
        IPv4Address(probe.address),
    )
    _send(node, probe.mac or BROADCAST, request, now)


def _send(node: Node, destination: bytes, packet: Arp, now: float) -> None:
    header = Ethernet(destination, node.bridge.mac, ETHERTYPE_ARP)
    frame = bytearray(header.emit() + packet.emit())
    node.bridge_frame(frame, now)
