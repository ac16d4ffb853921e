"""A host on an Ethernet: `IpHost` behind one interface, with ARP and neighbour discovery.

What a pod has: eth0 with a MAC, an address of each family that it uses, default gateways, and `lo`.
With its first IPv6 address it gets a link-local one (RFC 4291). A new address is announced to the
link (Linux arp_notify, ndisc_notify), and where *arp_probes* or *dad_transmits* say so, asked for
before it is used. Both are 0 by default, as CNI has it: whoever gave the address knows.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from itertools import islice
from typing import Final

from netstack import address_probe, offload
from netstack.address_probe import AddressProbes
from netstack.addresses import IpAddress
from netstack.arp import ArpEndpoint
from netstack.drops import DropReason
from netstack.ethernet_link import EthernetLink, Ip6Link
from netstack.ip6_addresses import group_mac, link_local
from netstack.ip_host import IpHost, unreachable
from netstack.ndisc import NeighbourDiscovery
from netstack.neighbour import Neighbour, NeighbourTable
from netstack.tcp.settings import TcpSettings
from netstack.wire import icmpv6
from netstack.wire.ethernet import (
    BROADCAST,
    ETHERTYPE_ARP,
    ETHERTYPE_IPV4,
    ETHERTYPE_IPV6,
    HEADER_OCTETS,
    MAC_OCTETS,
)
from netstack.wire.icmp import Unreachable

_IPV4: Final = ETHERTYPE_IPV4.to_bytes(2, "big")
_IPV6: Final = ETHERTYPE_IPV6.to_bytes(2, "big")
_ARP: Final = ETHERTYPE_ARP.to_bytes(2, "big")

#: Connections, the newest, that are asked whether a neighbour has answered.
_CONFIRMING_MAX: Final = 1024


class Host(IpHost):
    """One interface and loopback: Ethernet, ARP, NDP, IPv4, IPv6, ICMP, UDP, TCP."""

    # CPython shares the names of at most 30 attributes among instances; with IpHost's there are
    # more, and a dictionary of its own would cost every pod a page for each name.
    __slots__ = (
        "_frames", "_groups", "_link", "_link6", "_waiting",
        "arp", "mac", "ndisc", "neighbours", "neighbours6", "probes", "probes6",
    )  # fmt: skip

    def __init__(
        self,
        *,
        mac: bytes,
        address: IPv4Interface | None,
        gateway: IPv4Address | None,
        address6: IPv6Interface | None = None,
        gateway6: IPv6Address | None = None,
        mtu: int,
        rng: random.Random,
        tcp: TcpSettings | None = None,
        arp_probes: int = 0,
        dad_transmits: int = 0,
    ) -> None:
        assert len(mac) == MAC_OCTETS
        super().__init__(address=None, mtu=mtu, rng=rng, tcp=tcp)
        self.mac = mac
        self._frames: list[bytes] = []
        self._make_links(gateway, gateway6)
        self.arp = ArpEndpoint(
            mac, self.addresses, transmit=self._link.transmit_frame, drops=self.drops
        )
        self.ndisc = NeighbourDiscovery(
            mac,
            self.addresses6,
            link=self._link6,
            output=self.output6,
            timers=self.timers,
            drops=self.drops,
        )
        self.icmp6.on_discovery = self.ndisc.receive
        self._make_tables()
        self._make_probes(arp_probes, dad_transmits)
        #: MACs of the multicast groups that we are in.
        self._groups: dict[bytes, None] = {}
        for each in (address, address6):
            if each is not None:
                self.add_address(each)

    def receive_frame(self, frame: bytes | memoryview, now: float) -> None:
        """Take a frame that arrived."""
        self.receive_frames((frame,), now)

    def receive_frames(
        self, frames: Iterable[bytes | memoryview], now: float, *, partial: bool = False
    ) -> None:
        """Take frames that arrived together; sockets are woken once.

        *partial*: their TCP checksums mean nothing, and they may be super-frames.
        """
        mac, receive = self.mac, self.input.receive
        self.tcp.context.partial = partial
        for each in frames:
            frame = each if type(each) is bytes else bytes(each)
            destination = frame[:MAC_OCTETS]
            if destination in (mac, BROADCAST):
                if frame[12:14] == _IPV4:
                    receive(frame, HEADER_OCTETS, now)
                else:
                    self._receive_other(frame, now)
            else:
                self._receive_group(frame, now)
        self._end_batch(now)

    @property
    def offload(self) -> bool:
        """Whether the link takes super-frames and partial ones; no one asks before it is set."""
        return self.tcp.context.offload

    @offload.setter
    def offload(self, agreed: bool) -> None:
        self.tcp.context.offload = agreed
        if not agreed:
            self._frames[:] = offload.completed(self._frames)

    def frames_to_send(self) -> list[bytes]:
        """Return what is to be sent, in order, and forget it: `SuperFrame`s too with `offload`."""
        frames = self._frames.copy()
        self._frames.clear()
        return frames

    # Addresses and routes.

    @property
    def gateway(self) -> IPv4Address | None:
        packed = self._link.gateway
        return None if packed is None else IPv4Address(packed)

    @property
    def gateway6(self) -> IPv6Address | None:
        """The configured one, or the router that advertised itself."""
        packed = self._link6.gateway
        return None if packed is None else IPv6Address(packed)

    def add_address(self, interface: IPv4Interface | IPv6Interface) -> None:
        """Take an address; it is used at once, or when probing has found it free."""
        if isinstance(interface, IPv4Interface):
            self._waiting[interface.ip.packed] = interface
            if not self.probes.begin(interface.ip.packed):
                self._take(interface.ip.packed)
            return
        first = not self.addresses6
        self._add_address6(interface)
        if first:
            self._add_address6(link_local(self.mac))

    def remove_address(self, address: IpAddress) -> None:
        if isinstance(address, IPv6Address):
            self.probes6.cancel(address.packed)
        else:
            self.probes.cancel(address.packed)
        super().remove_address(address)
        self._addresses_changed()

    def source_towards(self, destination: bytes) -> bytes:
        if len(destination) == 4:
            local, link = self.addresses.is_local(destination), self._link
        else:
            local, link = self.addresses6.is_local(destination), self._link6
        if not local and link.next_hop(destination) is None:
            raise unreachable(destination)
        return super().source_towards(destination)

    def _add_address6(self, interface: IPv6Interface) -> None:
        packed = interface.ip.packed
        if self.probes6.begin(packed):
            self.addresses6.add_tentative(interface)
            self._waiting[packed] = interface
            self._addresses_changed()
        else:
            self._waiting[packed] = interface
            self._take(packed)

    def _take(self, address: bytes) -> None:
        """Use *address* from now on, and tell everyone."""
        super().add_address(self._waiting.pop(address))
        self._addresses_changed()
        (self.arp if len(address) == 4 else self.ndisc).announce(address)

    def _addresses_changed(self) -> None:
        self._link.forget()
        self._link6.forget()
        self._groups = {group_mac(each): None for each in self.addresses6.groups}

    # Frames.

    def _receive_other(self, frame: bytes, now: float) -> None:
        if len(frame) < HEADER_OCTETS:
            self.drops[DropReason.FRAME_MALFORMED] += 1
        elif frame[12:14] == _ARP:
            self.arp.receive(frame[HEADER_OCTETS:], self.neighbours, self.probes, now)
        elif frame[12:14] != _IPV6 or not self.addresses6:
            self.drops[DropReason.ETHERTYPE_UNKNOWN] += 1
        elif frame[0] & 1 and frame[38:39] != b"\xff":
            self.drops[DropReason.FRAME_NOT_FOR_US] += 1  # For one host, but sent to everyone.
        else:
            self.input6.receive(frame, HEADER_OCTETS, now)

    def _receive_group(self, frame: bytes, now: float) -> None:
        """Take a frame to neither us nor everyone: perhaps to a group that we are in.

        Our own words that come back would look like somebody else who has our address.
        """
        if len(frame) < HEADER_OCTETS:
            self.drops[DropReason.FRAME_MALFORMED] += 1
        elif frame[:MAC_OCTETS] in self._groups and frame[6:12] != self.mac:
            self._receive_other(frame, now)
        else:
            self.drops[DropReason.FRAME_NOT_FOR_US] += 1

    # Inside.

    def _make_links(self, gateway: IPv4Address | None, gateway6: IPv6Address | None) -> None:
        self._link = EthernetLink(
            self.addresses,
            gateway.packed if gateway else None,
            destination=self.output.destination,
            ethertype=ETHERTYPE_IPV4,
            frames=self._frames,
            drops=self.drops,
            no_route=self._no_route,
        )
        self._link6 = Ip6Link(
            self.addresses6,
            gateway6.packed if gateway6 else None,
            destination=self.output6.destination,
            ethertype=ETHERTYPE_IPV6,
            frames=self._frames,
            drops=self.drops,
            no_route=self._no_route,
        )
        self._link6.from_us = self.mac + _IPV6
        self.output.link, self.output6.link = self._link.transmit, self._link6.transmit
        self.output.super_link = self._link.transmit_super
        self.output6.super_link = self._link6.transmit_super

    def _make_tables(self) -> None:
        self.neighbours = NeighbourTable(
            timers=self.timers,
            rng=self.rng,
            drops=self.drops,
            from_us=self.mac + _IPV4,
            solicit=self.arp.solicit,
            transmit=self._link.transmit_late,
            fail=self._neighbour_failed,
            confirmed_at=self._confirmed_at,
        )
        self.neighbours6 = NeighbourTable(
            timers=self.timers,
            rng=self.rng,
            drops=self.drops,
            from_us=self.mac + _IPV6,
            solicit=self.ndisc.solicit,
            transmit=self._link6.transmit_late,
            fail=self._neighbour_failed6,
            confirmed_at=self._confirmed_at,
        )
        self._link.resolve_by(self.neighbours)
        self._link6.resolve_by(self.neighbours6)

    def _make_probes(self, arp_probes: int, dad_transmits: int) -> None:
        #: Addresses that are being probed for.
        self._waiting: dict[bytes, IPv4Interface | IPv6Interface] = {}
        self.probes = AddressProbes(
            address_probe.ARP,
            probes=arp_probes,
            ask=self.arp.probe,
            take=self._take,
            timers=self.timers,
            rng=self.rng,
            drops=self.drops,
        )
        self.probes6 = AddressProbes(
            address_probe.NEIGHBOUR_DISCOVERY,
            probes=dad_transmits,
            ask=self.ndisc.probe,
            take=self._take,
            timers=self.timers,
            rng=self.rng,
            drops=self.drops,
        )
        self.ndisc.begin(self.neighbours6, self.probes6)

    def _no_route(self, _packet: bytes, _now: float) -> None:
        """Drop; no word to the socket, which is in the middle of sending (as Linux's TCP, it tries
        again). Who begins to speak has learned it from `source_towards`."""
        self.drops[DropReason.NO_ROUTE] += 1

    def _neighbour_failed(self, packet: bytes, now: float) -> None:
        self.icmp.own_packet_failed(packet, Unreachable.HOST, now)

    def _neighbour_failed6(self, packet: bytes, now: float) -> None:
        self.icmp6.own_packet_failed(packet, icmpv6.Unreachable.ADDRESS, now)

    def _confirmed_at(self, neighbour: Neighbour) -> float:
        """Return when a peer behind *neighbour* last acknowledged something (RFC 4861 §7.3.1)."""
        link = self._link if len(neighbour.address) == 4 else self._link6
        newest = islice(reversed(self.tcp.context.connections.values()), _CONFIRMING_MAX)
        return max(
            (
                each.advanced_at
                for each in newest
                if link.leads_through(each.remote_address, neighbour)
            ),
            default=-math.inf,
        )
