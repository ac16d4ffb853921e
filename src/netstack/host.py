"""A host on an Ethernet: `IpHost` behind one interface, with ARP (RFC 826, RFC 1122 §2.3).

What a pod has: eth0 with a MAC, an address and a default gateway, and `lo`. On creation, and for
each address that is added, it announces itself with a gratuitous ARP (Linux arp_notify).
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Interface
from typing import Final

from netstack.drops import DropReason
from netstack.ip_host import TRANSMIT_QUEUE_MAX, IpHost, unreachable
from netstack.neighbour import Neighbour, NeighbourState, NeighbourTable
from netstack.tcp.settings import TcpSettings
from netstack.wire import MalformedPacket
from netstack.wire.arp import Arp, ArpView, Operation
from netstack.wire.ethernet import (
    BROADCAST,
    ETHERTYPE_ARP,
    ETHERTYPE_IPV4,
    HEADER_OCTETS,
    MAC_OCTETS,
    Ethernet,
)
from netstack.wire.icmp import Unreachable

_IPV4: Final = ETHERTYPE_IPV4.to_bytes(2, "big")
_ARP: Final = ETHERTYPE_ARP.to_bytes(2, "big")
_NOBODY: Final = bytes(MAC_OCTETS)
_REACHABLE: Final = NeighbourState.REACHABLE

#: Next hops that are remembered per destination; all are forgotten at this number.
_NEXT_HOPS_MAX: Final = 4096


class Host(IpHost):
    """One interface and loopback: Ethernet, ARP, IPv4, ICMP, UDP, TCP."""

    def __init__(
        self,
        *,
        mac: bytes,
        address: IPv4Interface,
        gateway: IPv4Address | None,
        mtu: int,
        rng: random.Random,
        tcp: TcpSettings | None = None,
    ) -> None:
        assert len(mac) == MAC_OCTETS
        super().__init__(address=address, mtu=mtu, rng=rng, tcp=tcp)
        self.mac = mac
        self.gateway = gateway
        self._frames: list[bytes] = []
        self.neighbours = NeighbourTable(
            timers=self.timers,
            rng=rng,
            drops=self.drops,
            from_us=mac + _IPV4,
            solicit=self._solicit,
            transmit=self._transmit_frame,
            fail=self._neighbour_failed,
        )
        self._next_hops: dict[bytes, bytes] = {}
        #: The neighbour on the way to each destination. One that left the table is not REACHABLE,
        #: so nothing is sent to it from here.
        self._towards: dict[bytes, Neighbour] = {}
        self._announce(address.ip)

    def receive_frame(self, frame: bytes | memoryview, now: float) -> None:
        """Take a frame that arrived."""
        self.receive_frames((frame,), now)

    def receive_frames(self, frames: Iterable[bytes | memoryview], now: float) -> None:
        """Take frames that arrived together; sockets are woken once."""
        mac, drops = self.mac, self.drops
        for each in frames:
            frame = each if type(each) is bytes else bytes(each)
            destination = frame[:MAC_OCTETS]
            if destination != mac and destination != BROADCAST:
                short = len(frame) < HEADER_OCTETS
                reason = DropReason.FRAME_MALFORMED if short else DropReason.FRAME_NOT_FOR_US
                drops[reason] += 1
            elif frame[12:14] == _IPV4:
                self._receive(frame, HEADER_OCTETS, now)
            else:
                self._receive_other(frame, now)
        self._end_batch(now)

    def frames_to_send(self) -> list[bytes]:
        """Return what is to be sent, in order, and forget it."""
        frames, self._frames = self._frames, []
        return frames

    def add_address(self, interface: IPv4Interface) -> None:
        super().add_address(interface)
        self._forget_routes()
        self._announce(interface.ip)

    def remove_address(self, address: IPv4Address) -> None:
        super().remove_address(address)
        self._forget_routes()

    def source_towards(self, destination: bytes) -> bytes:
        if not self.addresses.is_local(destination) and self._next_hop(destination) is None:
            raise unreachable(destination)
        return super().source_towards(destination)

    def _next_hop(self, destination: bytes) -> bytes | None:
        known = self._next_hops.get(destination)
        if known is not None:
            return known
        if self.addresses.on_link(destination) is not None:
            hop = destination
        elif self.gateway is not None:
            hop = self.gateway.packed
        else:
            return None
        if len(self._next_hops) >= _NEXT_HOPS_MAX:
            self._forget_routes()
        self._next_hops[destination] = hop
        return hop

    def _forget_routes(self) -> None:
        self._next_hops.clear()
        self._towards.clear()

    def _transmit(self, packet: bytes, now: float) -> None:
        destination = packet[16:20]
        neighbour = self._towards.get(destination)
        if len(self._frames) >= TRANSMIT_QUEUE_MAX:
            self.drops[DropReason.TRANSMIT_QUEUE_FULL] += 1
            return
        if neighbour is not None and neighbour.state is _REACHABLE:
            neighbour.used_at = now
            self._frames.append(neighbour.header + packet)
            return
        next_hop = self._next_hop(destination)
        if next_hop is None:
            self.icmp.own_packet_failed(packet, Unreachable.NETWORK, now)
            return
        neighbour = self.neighbours.send(packet, next_hop, now)
        if neighbour is not None:
            self._towards[destination] = neighbour

    def _transmit_frame(self, frame: bytes) -> None:
        self._frames.append(frame)

    def _neighbour_failed(self, packet: bytes, now: float) -> None:
        self.icmp.own_packet_failed(packet, Unreachable.HOST, now)

    def _receive_other(self, frame: bytes, now: float) -> None:
        if len(frame) < HEADER_OCTETS:
            self.drops[DropReason.FRAME_MALFORMED] += 1
        elif frame[12:14] != _ARP:
            self.drops[DropReason.ETHERTYPE_UNKNOWN] += 1
        else:
            self._receive_arp(frame[HEADER_OCTETS:], now)

    def _receive_arp(self, octets: bytes, now: float) -> None:
        try:
            arp = Arp.parse(ArpView(octets))
        except MalformedPacket:
            self.drops[DropReason.ARP_MALFORMED] += 1
            return
        if arp.sender_mac == self.mac or self.addresses.is_own(arp.sender_address.packed):
            return  # Our own words, or somebody who claims our address: we do not give way.
        asks_us = self.addresses.is_own(arp.target_address.packed)
        if asks_us and arp.operation is Operation.REQUEST:
            self._send_arp(Operation.REPLY, arp.target_address, arp.sender_mac, arp.sender_address)
        if int(arp.sender_address):  # Not a probe for duplicates (RFC 5227 §2.1.1).
            self.neighbours.arp_arrives(arp, now, asks_us=asks_us)

    def _solicit(self, address: bytes, mac: bytes | None) -> None:
        sender = IPv4Address(self.addresses.source_for(address))
        self._send_arp(Operation.REQUEST, sender, mac, IPv4Address(address))

    def _announce(self, address: IPv4Address) -> None:
        self._send_arp(Operation.REQUEST, address, None, address)

    def _send_arp(
        self, operation: Operation, sender: IPv4Address, mac: bytes | None, target: IPv4Address
    ) -> None:
        """Send to *mac*, or to everyone."""
        arp = Arp(operation, self.mac, sender, mac or _NOBODY, target)
        header = Ethernet(mac or BROADCAST, self.mac, ETHERTYPE_ARP)
        self._frames.append(header.emit() + arp.emit())
