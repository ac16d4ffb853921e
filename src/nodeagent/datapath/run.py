"""The datapath's process: sockets on the outside, the node's kernel within.

The shell reads batches into the arena, hands them to the node, flushes, and sets one timer for what
is due next. On an idle node nothing runs.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    ip_address,
    ip_interface,
)
from pathlib import Path
from typing import Final

from componentbase.clock import monotonic
from netdev.transport_map import TransportMap
from netdev.underlay import Arena, Underlay
from netstack.addresses import Endpoint, IpAddress
from netstack.ip_host import IpHost
from nodeagent.datapath import listening, observed, outer_frame
from nodeagent.datapath.config import Config
from nodeagent.datapath.control import Control
from nodeagent.datapath.external import ExternalMap
from nodeagent.datapath.gateway import Dialling, Gateway
from nodeagent.datapath.host_listeners import HostListeners
from nodeagent.datapath.host_port_claims import HostPortClaims
from nodeagent.datapath.hostnet import Hostnet
from nodeagent.datapath.listening import Destination, ListenKey, Place
from nodeagent.datapath.netlink import Netlink
from nodeagent.datapath.node import GATEWAY_TCP, Identity, Node, Outputs
from nodeagent.datapath.output import Output
from nodeagent.datapath.outside_services import OutsideService, OutsideServices
from nodeagent.datapath.outside_world import OutsideWorld
from nodeagent.datapath.packet import Octets
from nodeagent.datapath.routes import Route
from nodeagent.datapath.uplinks import Carriers, Uplinks
from nodeagent.datapath.veth_ports import VethPorts

#: Host parts, as the address plan has them: the endpoint, and the hosts behind it.
_CONTROL_PLANE_HOSTS: Final = (250, 251, 252, 253)
_DNS_PORT: Final = 53
#: How much too early the timer may be: a retransmission timer moves with every acknowledgment.
_EARLY_S: Final = 0.1


def _outside_addresses(networks: TransportMap, host: str) -> list[IpAddress]:
    """Return the addresses that the outside stack has of a family, *host*'s first."""
    if not host:
        return []
    network = networks.network_of(ip_address(host))
    return [ip_address(host), *(network[number] for number in _CONTROL_PLANE_HOSTS)]


class Datapath:
    """Everything that a datapath process owns."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._map = TransportMap(config.transport_map)
        self._external = ExternalMap(config.external_map)
        internal = config.internal_address
        local = self._map.transport(internal)
        if local is None:
            raise OSError(f"{internal} is not in the transport map")
        self._local = local
        arena = Arena()
        self.node = Node(
            Identity(
                name=config.node_name,
                internal_ip=IPv4Interface((internal, self._prefix_length(internal))),
                bridge_mac=b"\x0a\x57" + internal.packed,
                eth0_mac=outer_frame.mac_of(internal),
                internal_ip6=self._internal_ip6(),
            ),
            Outputs(
                vxlan=lambda remote: self.uplinks.vxlan(remote), underlay=self._underlay_output
            ),
            random.Random(),
        )
        self._outside_addresses = [
            address
            for host in (config.host_address, config.host_address6)
            for address in _outside_addresses(self._map, host)
        ]
        self._place = Place(local, internal, config.internal_address6)
        self.node.outside = self._new_outside()
        self._services = OutsideServices(self.node.outside, self._carrier_of, monotonic, self._kick)
        near = IPv4Network((local, self._prefix_length(internal)), strict=False)
        self._world = OutsideWorld(
            self.node, self._services, self._outside_addresses, is_near=near.__contains__
        )
        if config.outside_any:
            self._world.open_any_port(self.node.outside_output)
        for network in self._external.client_networks():
            self.node.routes.replace(Route(destination=network, device="eth0", connected=True))
        self._vxlan = Underlay(
            (local, config.vxlan_port),
            arena,
            accepts=self._knows,
            on_datagrams=self._receive_vxlan,
            on_drained=self._drained,
            on_stranger=partial(self._show_stranger, config.vxlan_port),
        )
        self._raw = Underlay(
            (local, config.underlay_port),
            arena,
            accepts=self._knows,
            on_datagrams=self._receive_raw,
            on_drained=self._drained,
            on_stranger=partial(self._show_stranger, config.underlay_port),
        )
        carriers = Carriers(
            self._send_vxlan, self._send_laid_out, self._send_bare, config.underlay_port
        )
        self.uplinks = Uplinks(self.node, self._map, carriers)
        self.ports = VethPorts(self.node, arena, monotonic, self._drained)
        #: Who sent VXLAN last: its transport address, and who it is.
        self._sender = local, internal
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf
        self._kicked = False
        self._listened = 0, 0, 0  # What had been noted of listeners when they were last looked at.

    def _prefix_length(self, address: IpAddress) -> int:
        return self._map.network_of(address).prefixlen

    def _internal_ip6(self) -> IPv6Interface | None:
        address = self._config.internal_address6
        return None if address is None else IPv6Interface((address, self._prefix_length(address)))

    def _new_outside(self) -> IpHost:
        config = self._config
        host = IPv4Address(config.host_address)
        host6 = IPv6Address(config.host_address6) if config.host_address6 else None
        outside = IpHost(
            address=IPv4Interface((host, self._prefix_length(host))),
            mtu=self.node.eth0.overlay_mtu,
            rng=self.node.rng,
            tcp=GATEWAY_TCP,
            source_for=lambda _destination: host,
            source_for6=lambda _destination: host6,
        )
        for address in self._outside_addresses:
            if address != host:
                outside.add_address(ip_interface((address, self._prefix_length(address))))
        return outside

    async def run(self) -> None:
        """Serve until cancelled."""
        directory = Path(self._config.directory)
        self._loop = asyncio.get_running_loop()
        node, config = self.node, self._config
        assert node.outside is not None
        gateway = Gateway(node.outside, self._external, self._dialling(), monotonic, self._kick)
        hostnet = Hostnet(self._stack_towards, monotonic, self._kick)
        host_listeners = HostListeners(node.stack, str(self._local), monotonic, self._kick)
        claims = HostPortClaims(node.host_links, lambda: self._listen(gateway), host_listeners.has)
        netlink = Netlink(
            self.node,
            Control(self.node, self.ports.new_output),
            self.uplinks,
            monotonic,
            veths=self.ports.faults,
            host_listeners=host_listeners,
            world=self._world,
            after=self._drained,
            on_links_deleted=self._links_deleted,
            on_frontends=lambda: self._listen(gateway),
            frontend_state=lambda address, port, protocol: gateway.state(
                listening.socket_of(address, port, protocol, (self._place, self._external))
            ),
            shell_drops=lambda: self._shell_drops(gateway),
        )
        try:
            self._vxlan.start()
            self._raw.start()
            self.ports.start(directory / "veth.sock")
            await netlink.start(directory / "netlink.sock")
            await hostnet.start(directory / "hostnet.sock")
            await claims.start(directory / "hostports.sock")
            hosts = (config.host_address, config.host_address6)
            gateway.start(each for each in self._outside_addresses if str(each) not in hosts)
            self._offer_services()
            await gateway.serve()
        finally:
            hostnet.close()
            claims.close()
            await host_listeners.close()
            await self._services.close()
            await gateway.close()
            await netlink.close()
            self.ports.close()
            self._raw.close()
            self._vxlan.close()

    def _offer_services(self) -> None:
        """Offer what is configured: what the user mapped, and a resolver at the host's port 53."""
        config = self._config
        upstream, hosts = config.resolver(), (config.host_address, config.host_address6)
        self._services.add(
            OutsideService(ip_address(host), _DNS_PORT, protocol, upstream)
            for host in hosts
            for protocol in ("UDP", "TCP")
            if upstream is not None and host
        )
        self._world.replace(config.outside_services)

    def _carrier_of(self, address: IpAddress) -> str:
        """Return where *address* is on this machine: who is dialled sees which node asks."""
        carrier = self._map.transport(address)
        return str(carrier) if carrier is not None and carrier.is_loopback else ""

    def _listen(self, gateway: Gateway) -> None:
        """Listen where frontends say so; most of their changes are about endpoints alone."""
        node = self.node
        now = (
            node.frontends.listeners_changed,
            node.host_ports.listeners_changed,
            node.host_links.claims_changed,
        )
        if now != self._listened:
            self._listened = now
            gateway.set_sockets(self._sockets())

    def _sockets(self) -> Mapping[ListenKey, Destination]:
        """Return where to listen for the world outside: who serves a socket first, has it."""
        node = self.node
        frontends = (*node.frontends.listening(), *node.host_ports.listening())
        entries = [each.entry for each in frontends]
        here = self._place, self._external
        return listening.of_pods(node.host_links.claims(), here) | listening.wanted(entries, here)

    def _stack_towards(self, remote: Endpoint) -> IpHost:
        """Return who dials *remote* for the kubelet: the node's stack, or, since that would speak
        to itself, the host's where a pod has the port of the node's address."""
        node = self.node
        theirs = node.is_local(int(remote[0])) and node.host_links.has(("TCP", remote[1]))
        return node.outside if theirs and node.outside is not None else node.stack

    def _dialling(self) -> Dialling:
        config = self._config
        networks = TransportMap(config.fabric_map) if config.fabric_map else self._map
        return Dialling(networks, config.dial_source)

    def _shell_drops(self, gateway: Gateway) -> Counter[str]:
        drops: Counter[str] = Counter()
        for underlay in (self._vxlan, self._raw):
            drops.update({str(reason): count for reason, count in underlay.drops.items()})
        for faulty in (self.uplinks, self.ports.faults):
            drops.update({str(reason): count for reason, count in faulty.drops.items()})
        drops["nodeport-bind-failed"] = gateway.bind_failures
        drops["nodeport-udp"] = gateway.udp_drops
        drops["outside-service-udp"] = self._services.drops
        return drops

    def _links_deleted(self, names: list[str]) -> None:
        for name in names:
            self.ports.disconnect(name)
            self.ports.faults.link_gone(name)

    # Between batches.

    def _kick(self) -> None:
        """Let the node's and the outside stack say what they have to say, after this event."""
        self.node.stack_woken = self.node.outside_woken = True
        if not self._kicked:
            self._kicked = True
            self._loop.call_soon(self._flush_kicked)

    def _flush_kicked(self) -> None:
        self._kicked = False
        self._drained()

    def _drained(self) -> None:
        """End a batch: everything leaves, and the next deadline is set."""
        self.node.flush(monotonic())
        if self.node.deadline_moved:
            self._set_timer()

    def _set_timer(self) -> None:
        """Be woken at the next deadline; a timer that comes a little too early is left alone."""
        faults = min(self.uplinks.deadline(), self.ports.faults.deadline())
        deadline = min(self.node.deadline(), faults)
        if self._timer_at <= deadline < self._timer_at + _EARLY_S:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timer_at = deadline
        if deadline < math.inf:
            delay_s = max(0.0, deadline - monotonic())
            self._timer = self._loop.call_later(delay_s, self._due)

    def _due(self) -> None:
        self._timer, self._timer_at = None, math.inf
        self.ports.faults.handle_deadline(monotonic())
        self.node.handle_deadline(monotonic())
        self.uplinks.handle_deadline(monotonic())
        self._set_timer()

    # The underlay.

    def _knows(self, transport: IPv4Address) -> bool:
        return self._map.emulated(transport) is not None

    def _receive_vxlan(self, transport: IPv4Address, octets: memoryview, stride: int) -> None:
        if transport is not self._sender[0]:  # Addresses are slow to look up.
            sender = self._map.emulated(transport)
            assert sender is not None
            self._sender = transport, sender
        self.node.receive_vxlan(self._sender[1], octets, stride, monotonic())

    def _receive_raw(self, transport: IPv4Address, octets: memoryview, stride: int) -> None:
        sender = self._map.emulated(transport)
        assert sender is not None
        now = monotonic()
        for at in range(0, len(octets), stride or 1):
            packet = octets[at : at + stride]
            if self.node.taps:
                with observed.frame(self.node):
                    self.node.tap_underlay(sender, packet, "in", port=self._config.underlay_port)
                    self.node.receive_underlay(packet, now)
            else:
                self.node.receive_underlay(packet, now)

    def _show_stranger(
        self, port: int, sender: IPv4Address, source_port: int, octets: memoryview, stride: int
    ) -> None:
        if self.node.taps:
            starts = range(0, len(octets), stride) if stride else (0,)
            datagrams = [octets[at : at + stride] for at in starts]
            observed.from_stranger(self.node, (sender, source_port), datagrams, port)

    def _send_vxlan(self, to: IPv4Address, datagrams: Sequence[Octets], header: bytes) -> None:
        self._vxlan.peer(to, self._config.vxlan_port).send(datagrams, header)

    def _send_laid_out(self, to: IPv4Address, octets: bytearray, size: int) -> None:
        self._vxlan.peer(to, self._config.vxlan_port).send_laid_out(octets, size)

    def _send_bare(self, to: IPv4Address, datagrams: Sequence[Octets], header: bytes) -> None:
        self._raw.peer(to, self._config.underlay_port).send(datagrams, header)

    def _underlay_output(self, remote: IpAddress) -> Output | None:
        if self._world.has(remote) or self._external.is_client(remote):
            return self.node.outside_output
        node = self._map.node_of(remote)
        return None if node is None else self.uplinks.bare(node)
