"""Neighbour discovery of a host (RFC 4861), after Linux ndisc.c, as far as it is addressed by hand.

Solicitations for us are answered, advertisements update the neighbour table, a new address is
announced by an unsolicited advertisement (ndisc_notify). Addresses may be probed for first
(RFC 4862 §5.4); one that is in use is not given up when somebody else claims it, only counted.

Of a router's advertisements three things are heeded: that it is a default router, where no gateway
is configured; the link's MTU; the timers of reachability. Prefixes make no addresses and no
on-link routes, the hop limit stays 64, routers are not solicited, redirects are not followed.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from ipaddress import IPv6Address
from typing import Final

from netstack.address_probe import AddressProbes
from netstack.drops import DropReason
from netstack.ethernet_link import Ip6Link
from netstack.ip6_addresses import (
    ALL_NODES,
    ANY,
    Ip6AddressTable,
    group_mac,
    is_link_local,
    is_multicast,
    solicited_node,
)
from netstack.ip6_output import Ip6Output, header
from netstack.neighbour import Claim, NeighbourTable
from netstack.timers import TimerHeap
from netstack.wire import MalformedPacket, ipv6
from netstack.wire.icmpv6 import Icmpv6, Type
from netstack.wire.ipv6 import Ipv6View, NextHeader
from netstack.wire.ndp import (
    HOP_LIMIT,
    NeighbourAdvertisement,
    NeighbourSolicitation,
    Options,
    RouterAdvertisement,
)

#: Reachability timers that are believed, in milliseconds (RFC 4861 §6.2.1: at most an hour).
_TIMER_MS_MAX: Final = 3_600_000


class NeighbourDiscovery:
    """What a host says and hears of IPv6 addresses and MACs."""

    def __init__(
        self,
        mac: bytes,
        addresses: Ip6AddressTable,
        *,
        link: Ip6Link,
        output: Ip6Output,
        timers: TimerHeap,
        drops: Counter[DropReason],
    ) -> None:
        self.timer_at = self._router_until = math.inf
        self._mac, self._addresses, self._link, self._output = mac, addresses, link, output
        self._timers, self._drops = timers, drops
        self._configured = link.gateway is not None
        self._mtu = output.path_mtu.mtu
        self._neighbours: NeighbourTable | None = None
        self._probes: AddressProbes | None = None
        self._heed: dict[int, Callable[[Icmpv6, Ipv6View, float], None]] = {
            Type.NEIGHBOUR_SOLICITATION: self._solicitation_arrives,
            Type.NEIGHBOUR_ADVERTISEMENT: self._advertisement_arrives,
            Type.ROUTER_ADVERTISEMENT: self._router_arrives,
        }

    def begin(self, neighbours: NeighbourTable, probes: AddressProbes) -> None:
        """Heed what arrives for these from now on."""
        self._neighbours, self._probes = neighbours, probes

    def receive(self, message: Icmpv6, packet: Ipv6View, now: float) -> None:
        """Take a message of neighbour discovery (RFC 4861 §6.1, §7.1)."""
        heed = self._heed.get(message.type)
        if packet.hop_limit != HOP_LIMIT:
            self._drops[DropReason.NDP_NOT_A_NEIGHBOUR] += 1
        elif heed is None:
            self._drops[DropReason.NDP_UNHEEDED] += 1
        else:
            try:
                heed(message, packet, now)
            except MalformedPacket:
                self._drops[DropReason.NDP_MALFORMED] += 1

    # What we say.

    def solicit(self, address: bytes, mac: bytes | None) -> None:
        """Ask *mac*, or the group of *address*, for it."""
        source = self._addresses.source_for(address)
        if source is None:
            return  # All our addresses are still tentative.
        question = NeighbourSolicitation(IPv6Address(address), Options(source_mac=self._mac))
        target = address if mac else solicited_node(address)
        self._send(question.emit(), (source, target), mac)

    def probe(self, address: bytes) -> None:
        """Ask for an address that is not yet ours (RFC 4862 §5.4.2)."""
        question = NeighbourSolicitation(IPv6Address(address))
        self._send(question.emit(), (ANY, solicited_node(address)), None)

    def announce(self, address: bytes) -> None:
        """Tell everyone that *address* is ours (RFC 4861 §7.2.6)."""
        self._send(self._advertisement(address, solicited=False), (address, ALL_NODES), None)

    # What we hear.

    def _solicitation_arrives(self, message: Icmpv6, packet: Ipv6View, now: float) -> None:
        assert self._probes is not None
        assert self._neighbours is not None
        question = NeighbourSolicitation.parse(message)
        source, target = packet.source, question.target.packed
        mac = question.options.source_mac
        is_probe = source == ANY
        if is_probe and (mac is not None or packet.destination != solicited_node(target)):
            raise MalformedPacket("ndp: a probe that makes no sense")
        if target in self._probes:
            if is_probe:  # Somebody wants the same address at the same time (§5.4.3).
                self._probes.conflict(target)
        elif not self._addresses.is_own(target):
            self._drops[DropReason.NDP_UNHEEDED] += 1
        elif is_probe:
            self._send(self._advertisement(target, solicited=False), (target, ALL_NODES), None)
        else:
            if mac is not None:
                self._neighbours.learn(source, mac, now)
            answer = self._advertisement(target, solicited=True)
            self._send(answer, (target, source), mac, now)

    def _advertisement_arrives(self, message: Icmpv6, packet: Ipv6View, now: float) -> None:
        assert self._probes is not None
        assert self._neighbours is not None
        answer = NeighbourAdvertisement.parse(message)
        if answer.solicited and is_multicast(packet.destination):
            raise MalformedPacket("ndp: nobody solicits for everyone")
        target = answer.target.packed
        if target in self._probes:
            self._probes.conflict(target)
        elif self._addresses.is_own(target):
            self._drops[DropReason.ADDRESS_CONFLICT] += 1
        else:
            claim = Claim(
                mac=answer.options.target_mac,
                solicited=answer.solicited,
                override=answer.override,
                router=answer.router,
            )
            self._neighbours.advertised(target, claim, now)
            if target == self._link.gateway and not answer.router:
                self._leave_router()  # It says that it is none any more (§7.2.5).

    def _router_arrives(self, message: Icmpv6, packet: Ipv6View, now: float) -> None:
        assert self._neighbours is not None
        router = RouterAdvertisement.parse(message)
        source = packet.source
        if not is_link_local(source):
            raise MalformedPacket("ndp: a router speaks from its link-local address")
        if router.options.source_mac is not None:
            self._neighbours.learn(source, router.options.source_mac, now, router=True)
        if 0 < router.reachable_ms <= _TIMER_MS_MAX:
            self._neighbours.base_reachable_s = router.reachable_ms / 1000
        if 1000 <= router.retransmit_ms <= _TIMER_MS_MAX:
            self._neighbours.retransmit_s = router.retransmit_ms / 1000
        mtu = router.options.mtu
        if mtu is not None and ipv6.MTU_MIN <= mtu <= self._mtu:
            self._output.path_mtu.mtu = mtu
        if not self._configured and self._link.gateway in (None, source):
            self._follow(source, router.lifetime_s, now)

    def _follow(self, router: bytes, lifetime_s: int, now: float) -> None:
        """Use a default router as long as it says, the first that comes until it goes."""
        if not lifetime_s:
            self._leave_router()
            return
        if self._link.gateway != router:
            self._link.gateway = router
        self._router_until = now + lifetime_s
        self._timers.schedule(self, self._router_until)

    def _leave_router(self) -> None:
        if not self._configured:
            self._link.gateway = None
            self._router_until = math.inf

    def deadline(self) -> float:
        return self._router_until

    def handle_deadline(self, now: float) -> None:
        self._leave_router()

    # Inside.

    def _advertisement(self, target: bytes, *, solicited: bool) -> Icmpv6:
        answer = NeighbourAdvertisement(
            target=IPv6Address(target),
            solicited=solicited,
            override=True,
            options=Options(target_mac=self._mac),
        )
        return answer.emit()

    def _send(
        self,
        message: Icmpv6,
        endpoints: tuple[bytes, bytes],
        mac: bytes | None,
        now: float = 0.0,
    ) -> None:
        """Send to *mac*; if that is not known to a group, or to whom the table knows."""
        source, destination = endpoints
        octets = message.emit(IPv6Address(source), IPv6Address(destination))
        packet = header(NextHeader.ICMPV6, endpoints, len(octets), HOP_LIMIT) + octets
        if mac is None and is_multicast(destination):
            mac = group_mac(destination)
        if mac is None:
            self._link.transmit(packet, now)
        else:
            self._link.transmit_frame(mac + self._link.from_us + packet)
