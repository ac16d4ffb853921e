"""Pods in the node's network (hostNetwork): who has which port of the node's addresses.

Such a pod has the node's InternalIP. Its link is no port of the bridge: what it sends is the node's
own (OUTPUT, POSTROUTING), and what comes for the node (INPUT) goes to the pod that has claimed the
port, else to the node's own stack. A pod claims a port when its program binds it, and keeps it as
long as the pod lives; for what its programs dial it has a range of its own. Echo replies and ICMP
errors are for all of them: who did not ask ignores them. Of IPv4 alone.

A stack delivers to itself what is addressed to itself. So what such a pod has to say to the node's
addresses, or to 127.0.0.1, and does not serve itself, it says to its gateway, which means this
node: NodePorts, its neighbours in the node's network, and what the node itself listens at.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from netstack.ports import Ephemeral
from netstack.wire.arp import Arp, ArpView, Operation
from netstack.wire.ethernet import ETHERTYPE_ARP, ETHERTYPE_IPV4, HEADER_OCTETS, Ethernet, parse_mac
from netstack.wire.ipv4 import PROTOCOL_TCP, PROTOCOL_UDP
from netstack.wire.malformed import MalformedPacket
from nodeagent.datapath import ip_input, ip_output
from nodeagent.datapath.devices import Port
from nodeagent.datapath.drops import DropReason
from nodeagent.datapath.packet import Octets, Packet

if TYPE_CHECKING:
    from nodeagent.datapath.node import Node

#: What the node's own sockets choose from, and after them each pod in its turn.
NODE_PORTS: Final = Ephemeral(first=32_768, last=40_959)
_RANGE: Final = 500
LINKS_MAX: Final = (60_999 - NODE_PORTS.last) // _RANGE
CLAIMS_MAX: Final = 1024

_PROTOCOLS: Final = {PROTOCOL_TCP: "TCP", PROTOCOL_UDP: "UDP"}
Claim = tuple[str, int]  # Protocol, port.


class HostLinks:
    """The links of kind `host` of one node."""

    def __init__(self) -> None:
        self._ports: dict[str, Port] = {}
        self._slots: dict[str, int] = {}
        self._claims: dict[Claim, str] = {}
        self.claims_changed = 0  # How often.

    def __bool__(self) -> bool:
        return bool(self._ports)

    def add(self, port: Port) -> None:
        """Have one more link; raises ValueError when there are too many."""
        if port.name not in self._slots:
            taken = self._slots.values()
            free = next((slot for slot in range(LINKS_MAX) if slot not in taken), None)
            if free is None:
                raise ValueError(f"a node has room for {LINKS_MAX} pods in its own network")
            self._slots[port.name] = free
        self._ports[port.name] = port

    def remove(self, name: str) -> None:
        """Forget a link and what it claimed."""
        self._ports.pop(name, None)
        self._slots.pop(name, None)
        gone = [claim for claim, owner in self._claims.items() if owner == name]
        for claim in gone:
            del self._claims[claim]
        self.claims_changed += bool(gone)

    def ephemeral(self, name: str) -> Ephemeral:
        """Return from which ports a link's programs dial; raises KeyError for no such link."""
        first = NODE_PORTS.last + 1 + self._slots[name] * _RANGE
        return Ephemeral(first=first, last=first + _RANGE - 1)

    def claim(self, name: str, claim: Claim) -> bool:
        """Give a port to a link; False where it has it already. Raises OSError or KeyError."""
        own = self.ephemeral(name)
        owner = self._claims.get(claim)
        if owner == name or own.first <= claim[1] <= own.last:
            return False
        if owner is not None or NODE_PORTS.last < claim[1] <= NODE_PORTS.last + LINKS_MAX * _RANGE:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
        if len(self._claims) >= CLAIMS_MAX:
            raise OSError(errno.ENOBUFS, os.strerror(errno.ENOBUFS))
        self._claims[claim] = name
        self.claims_changed += 1
        return True

    def claims(self) -> list[Claim]:
        """Return every port that was claimed."""
        return list(self._claims)

    def has(self, claim: Claim) -> bool:
        """Tell whether a pod has the port."""
        return claim in self._claims

    def owners(self, packet: Packet) -> Iterator[Port]:
        """Yield the links that a packet to the node is for; none: it is the node's own."""
        name = _PROTOCOLS.get(packet.protocol)
        if name is None:
            yield from self._ports.values() if packet.version == 4 else ()
        elif packet.flow is not None and packet.version == 4:
            port = packet.flow.destination_port
            owner = self._claims.get((name, port)) or self._dialler(port)
            if owner is not None and owner in self._ports:
                yield self._ports[owner]

    def _dialler(self, port: int) -> str | None:
        slot = (port - NODE_PORTS.last - 1) // _RANGE
        return next((name for name, each in self._slots.items() if each == slot), None)


def receive(node: Node, port: Port, frame: Octets, now: float) -> None:
    """Take a frame of a pod in the node's network."""
    ethertype = frame[12] << 8 | frame[13]
    if ethertype == ETHERTYPE_ARP:
        _answer_arp(node, port, frame)
        return
    if ethertype != ETHERTYPE_IPV4:
        port.drops[DropReason.UNHANDLED_PROTOCOL] += 1
        return
    try:
        packet = Packet.parse(frame, "lo")
    except MalformedPacket:
        port.drops[DropReason.MALFORMED_PACKET] += 1
        return
    if not node.is_local(packet.source) or ip_input.is_martian(packet):
        port.drops[DropReason.MARTIAN] += 1
        return
    ip_output.send_of_node(node, packet, now)


def deliver(node: Node, packet: Packet, now: float) -> bool:
    """Hand a packet to the pods that it is for; False: the node's own stack wants it (too)."""
    has_ports = packet.protocol in _PROTOCOLS
    taken = False
    for port in node.host_links.owners(packet):
        if port.connected:
            packet.set_ethernet(parse_mac(port.entry.mac), node.bridge.mac)
            node.queue(port.output, bytes(packet.frame))
        else:
            port.drops[DropReason.LINK_DOWN] += 1
        taken = has_ports
    return taken


def _answer_arp(node: Node, port: Port, frame: Octets) -> None:
    """Be everybody that the pod looks for: there is no link behind this one."""
    try:
        packet = Arp.parse(ArpView(bytes(frame[HEADER_OCTETS:])))
    except MalformedPacket:
        port.drops[DropReason.MALFORMED_PACKET] += 1
        return
    asked = packet.target_address
    is_probe = not int(packet.sender_address) or node.is_local(int(asked))
    if packet.operation is not Operation.REQUEST or is_probe:
        return
    reply = Arp(Operation.REPLY, node.bridge.mac, asked, packet.sender_mac, packet.sender_address)
    header = Ethernet(packet.sender_mac, node.bridge.mac, ETHERTYPE_ARP)
    node.queue(port.output, header.emit() + reply.emit())
