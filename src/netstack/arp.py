"""ARP of a host (RFC 826, RFC 1122 §2.3), after Linux arp.c, with RFC 5227's conflict detection.

A request of a stranger that asks for us makes an entry, gratuitous ARP only updates one. A new
address is announced once (Linux arp_notify; RFC 5227 §2.3 would say it twice). Somebody who claims
an address of ours is counted and told so, at most every 10 s; we never give way (§2.4 c).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from ipaddress import IPv4Address
from typing import Final

from netstack.address_probe import AddressProbes
from netstack.addresses import ANY, AddressTable
from netstack.drops import DropReason
from netstack.neighbour import Claim, NeighbourTable
from netstack.wire import MalformedPacket
from netstack.wire.arp import Arp, ArpView, Operation
from netstack.wire.ethernet import BROADCAST, ETHERTYPE_ARP, MAC_OCTETS, Ethernet

#: RFC 5227 §1.1 DEFEND_INTERVAL.
DEFEND_INTERVAL_S: Final = 10.0
_NOBODY: Final = bytes(MAC_OCTETS)


class ArpEndpoint:
    """What a host says and hears of IPv4 addresses and MACs."""

    def __init__(
        self,
        mac: bytes,
        addresses: AddressTable,
        *,
        transmit: Callable[[bytes], None],
        drops: Counter[DropReason],
    ) -> None:
        self._mac, self._addresses = mac, addresses
        self._transmit, self._drops = transmit, drops
        #: When each address was last defended.
        self._defended_at: dict[bytes, float] = {}

    def receive(
        self, octets: bytes, neighbours: NeighbourTable, probes: AddressProbes, now: float
    ) -> None:
        """Take what follows the header of a frame (Linux arp_process)."""
        try:
            arp = Arp.parse(ArpView(octets))
        except MalformedPacket:
            self._drops[DropReason.ARP_MALFORMED] += 1
            return
        if arp.sender_mac == self._mac:
            return  # Our own words.
        sender, target = arp.sender_address.packed, arp.target_address.packed
        contested = target if sender == ANY else sender
        if contested in probes:
            probes.conflict(contested)
        elif self._addresses.is_own(sender):
            self._defend(sender, now)
        else:
            self._answer(arp, neighbours, now)

    def solicit(self, address: bytes, mac: bytes | None) -> None:
        """Ask *mac*, or everyone, for *address*."""
        sender = self._addresses.source_for(address) or ANY
        self._send(Operation.REQUEST, IPv4Address(sender), mac, IPv4Address(address))

    def announce(self, address: bytes) -> None:
        """Tell everyone that *address* is ours."""
        ours = IPv4Address(address)
        self._send(Operation.REQUEST, ours, None, ours)

    def probe(self, address: bytes) -> None:
        """Ask for an address that is not yet ours (RFC 5227 §2.1.1)."""
        self._send(Operation.REQUEST, IPv4Address(0), None, IPv4Address(address))

    def _answer(self, arp: Arp, neighbours: NeighbourTable, now: float) -> None:
        sender, mac = arp.sender_address.packed, arp.sender_mac
        asks_us = self._addresses.is_own(arp.target_address.packed)
        is_request = arp.operation is Operation.REQUEST
        if asks_us and is_request:
            self._send(Operation.REPLY, arp.target_address, mac, arp.sender_address)
        if sender == ANY or neighbours.is_locked(sender, mac, now):
            return  # A probe for duplicates (RFC 5227 §2.1.1), or an answer that came too late.
        if asks_us and is_request:
            neighbours.learn(sender, mac, now)
        else:
            solicited = asks_us and not arp.is_gratuitous
            claim = Claim(mac=mac, solicited=solicited, override=True)
            neighbours.advertised(sender, claim, now)

    def _defend(self, address: bytes, now: float) -> None:
        """Somebody else claims *address*: say once more whose it is, but do not quarrel."""
        self._drops[DropReason.ADDRESS_CONFLICT] += 1
        if now >= self._defended_at.get(address, -math.inf) + DEFEND_INTERVAL_S:
            self._defended_at[address] = now
            self.announce(address)

    def _send(
        self, operation: Operation, sender: IPv4Address, mac: bytes | None, target: IPv4Address
    ) -> None:
        """Send to *mac*, or to everyone."""
        arp = Arp(operation, self._mac, sender, mac or _NOBODY, target)
        header = Ethernet(mac or BROADCAST, self._mac, ETHERTYPE_ARP)
        self._transmit(header.emit() + arp.emit())
