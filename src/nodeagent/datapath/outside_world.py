"""What is beyond eth0 besides nodes: which addresses, and what is offered there (contracts §18).

The host and the control plane have addresses always; services of this machine that the user mapped
have theirs as long as they are mapped, each with a route by eth0. Everything else outside has no
route, so whoever sends there hears that the network is unreachable.

With `open_any_port` (`podwire up --outside-any`) every port of *the host* leads to the same port of
this machine's 127.0.0.1. A listener is opened when the first packet for it comes; beyond
`_OPENED_MAX` the oldest one closes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_interface, ip_network
from typing import Final

from netstack.addresses import IpAddress
from netstack.wire.ipv4 import PROTOCOL_TCP, PROTOCOL_UDP
from netstack.wire.tcp import Flag
from nodeagent.datapath import tables
from nodeagent.datapath.node import Node
from nodeagent.datapath.output import Output
from nodeagent.datapath.outside_services import Key, OutsideService, OutsideServices
from nodeagent.datapath.packet import Octets
from nodeagent.datapath.routes import Route

#: Ports of the host that were opened because somebody spoke to them.
_OPENED_MAX: Final = 256
_THIS_MACHINE: Final = "127.0.0.1"
_NAMES: Final = {PROTOCOL_TCP: "TCP", PROTOCOL_UDP: "UDP"}
_ETHERNET_OCTETS: Final = 14
_IPV6_OCTETS: Final = 40


def service_of(
    entry: tables.OutsideService, is_near: Callable[[IPv4Address], bool]
) -> OutsideService:
    """Return the value of a row; raises ValueError for one that leads far away.

    That is beyond this machine's loopback and beyond what *is_near*: the network that carries the
    nodes themselves, which between containers is one of their own.
    """
    host, _, port = entry.target.rpartition(":")
    try:
        address = IPv4Address(host)
        is_allowed = (address.is_loopback or is_near(address)) and 0 < int(port) < 65_536
    except ValueError:
        is_allowed = False
    if not is_allowed:
        raise ValueError(f"{entry.target!r} is no socket of this machine's loopback")
    return OutsideService(ip_address(entry.address), entry.port, entry.protocol, (host, int(port)))


class OutsideWorld:
    """The addresses beyond eth0 of *node*, and what *services* offers there."""

    def __init__(
        self,
        node: Node,
        services: OutsideServices,
        own: Collection[IpAddress],
        is_near: Callable[[IPv4Address], bool],
    ) -> None:
        """*own* are addresses that are always there, of each family the host's first."""
        self._node, self._services, self._is_near = node, services, is_near
        self._own = dict.fromkeys(own)
        versions = {address.version: address for address in reversed(list(own))}
        self._hosts = list(versions.values())
        self._others: dict[IpAddress, None] = {}
        self._opened: dict[Key, None] = {}  # Of `open_any_port`, the oldest first.

    def has(self, address: IpAddress) -> bool:
        """Tell whether packets to *address* leave the emulated network."""
        return address in self._own or address in self._others

    def replace(self, entries: Iterable[tables.OutsideService]) -> None:
        """Offer these, too; raises ValueError or OSError."""
        services = [service_of(entry, self._is_near) for entry in entries]
        for service in services:
            self._add_address(service.address)
        self._services.add(services)

    def delete(self, keys: Sequence[tuple[str, int, str]]) -> None:
        """Offer these no longer; an address goes with its last service."""
        self._services.remove([(ip_address(key[0]), key[1], key[2]) for key in keys])
        left = {service.address for service in self._services.offered()}
        for address in [each for each in self._others if each not in left]:
            del self._others[address]
            self._node.routes.delete(ip_network(address), connected=True)
            if self._node.outside is not None:
                self._node.outside.remove_address(address)
        self._node.clear_flows()

    def rows(self) -> list[dict[str, object]]:
        """Return what is offered, as the table has it."""
        return [
            {
                "address": str(each.address),
                "port": each.port,
                "protocol": each.protocol,
                "target": "{}:{}".format(*each.target),
            }
            for each in self._services.offered()
        ]

    def _add_address(self, address: IpAddress) -> None:
        node = self._node
        if self.has(address) or node.outside is None:
            return
        self._others[address] = None
        node.outside.add_address(ip_interface(address))
        node.routes.replace(Route(destination=ip_network(address), device="eth0", connected=True))
        node.clear_flows()

    def open_any_port(self, output: Output) -> None:
        """Open ports of the host as soon as what leaves by *output* begins to speak to them."""
        transmit = output.transmit

        def opening(frames: list[Octets], now: float) -> None:
            self._open_for(frames)
            transmit(frames, now)

        output.transmit = opening

    def _open_for(self, frames: Iterable[Octets]) -> None:
        for frame in frames:
            service = self._begun(memoryview(frame)[_ETHERNET_OCTETS:])
            if service is not None and not self._services.offers(service.key):
                self._open(service)

    def _begun(self, packet: memoryview) -> OutsideService | None:
        """Return what a packet opens: a datagram, or a SYN, to the host."""
        address: IpAddress
        if packet[0] >> 4 == 4:
            protocol, at = packet[9], (packet[0] & 0x0F) << 2
            address = IPv4Address(bytes(packet[16:20]))
        else:  # Who puts extension headers before TCP opens nothing.
            protocol, at, address = packet[6], _IPV6_OCTETS, IPv6Address(bytes(packet[24:40]))
        name = _NAMES.get(protocol)
        if name is None or address not in self._hosts or len(packet) < at + 14:
            return None
        if protocol == PROTOCOL_TCP and packet[at + 13] & (Flag.SYN | Flag.ACK) != Flag.SYN:
            return None
        port = packet[at + 2] << 8 | packet[at + 3]
        return OutsideService(address, port, name, (_THIS_MACHINE, port)) if port else None

    def _open(self, service: OutsideService) -> None:
        while len(self._opened) >= _OPENED_MAX:
            oldest = next(iter(self._opened))
            del self._opened[oldest]
            self._services.remove([oldest])
        try:
            self._services.add([service])
        except OSError:  # A socket of the outside's own has the port: the packet is its.
            return
        self._opened[service.key] = None
