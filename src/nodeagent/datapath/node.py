"""The node: its devices and tables, and the ways of a packet between them.

Frames come in batches, from a port (`receive_port`), from other nodes (`receive_vxlan`,
`receive_underlay`) or from the world outside (`receive_outside`). What the flow cache knows is done
there and then; the rest goes the slow way, named as in Linux: `br_input` → `ip_input` → hooks →
`ip_output` → bridge, VTEP or underlay. Outputs collect in queues; `flush` transmits them and must
be called before the receive buffer is used again.

All state is in memory only. When this process is killed, the nodeagent fills the tables again,
pods connect again, and conntrack picks up connections in the middle; only translated ones break.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from typing import Final

from netstack import ip6_addresses
from netstack.addresses import IpAddress
from netstack.ip_host import IpHost
from netstack.tcp.settings import TcpSettings
from netstack.wire.ethernet import ETHERTYPE_IPV4, ETHERTYPE_IPV6
from netstack.wire.malformed import MalformedPacket
from nodeagent.datapath import (
    br_input,
    fast_offload,
    fast_path,
    ip_input,
    ip_output,
    nud,
    observed,
    outer_frame,
    packet6,
    vxlan,
)
from nodeagent.datapath.conntrack.table import ConntrackTable
from nodeagent.datapath.devices import ANY, ETHERNET_MTU, Bridge, Eth0, Port, Tap, Vtep
from nodeagent.datapath.drops import DropReason
from nodeagent.datapath.fast_path import FlowCache
from nodeagent.datapath.fragments import Defragmenter
from nodeagent.datapath.frontends import FrontendTable
from nodeagent.datapath.hooks import Hook
from nodeagent.datapath.host_links import NODE_PORTS, HostLinks
from nodeagent.datapath.neighbours import NeighbourTable
from nodeagent.datapath.network_policy import NetworkPolicies
from nodeagent.datapath.output import Output, completed, views_of
from nodeagent.datapath.packet import IPV6_FROM, Octets, Packet
from nodeagent.datapath.policy import LOOSE, Policy, holds
from nodeagent.datapath.routes import Kind, Route, RouteTable
from nodeagent.datapath.verdict import Verdict

#: How often an entry of a table is looked at, whether it has been silent for too long.
_EXPIRE_EVERY_S: Final = 5.0
#: Rounds of transmitting and answering within one flush; what is left waits for the next.
_FLUSH_ROUNDS_MAX: Final = 64

#: Probes and NodePorts open many connections from one address; their ports must come back soon.
GATEWAY_TCP: Final = TcpSettings(time_wait_s=1.0)

#: Of frames that never were on an Ethernet.
_ETHERNET_HEADER: Final = bytes(12) + ETHERTYPE_IPV4.to_bytes(2, "big")
_ETHERNET_HEADER6: Final = bytes(12) + ETHERTYPE_IPV6.to_bytes(2, "big")

IpInterface = IPv4Interface | IPv6Interface


@dataclass(slots=True)
class Identity:
    """What a node is called and known by."""

    name: str
    internal_ip: IPv4Interface
    bridge_mac: bytes
    eth0_mac: bytes
    internal_ip6: IPv6Interface | None = None
    mtu: int = ETHERNET_MTU


@dataclass(slots=True)
class Outputs:
    """How the shell carries what leaves the node."""

    #: Return the output towards another node, None when there is no way to it.
    vxlan: Callable[[IPv4Address], Output | None]
    underlay: Callable[[IpAddress], Output | None]


def _is_on_link(interface: IpInterface, address: int) -> bool:
    network = interface.network
    return network.prefixlen < network.max_prefixlen and holds(network, address)


class Node:
    """A node's kernel; single-threaded, without any I/O of its own."""

    def __init__(self, identity: Identity, outputs: Outputs, rng: random.Random) -> None:
        self.name, self.rng = identity.name, rng
        internal_ip6 = identity.internal_ip6
        self.eth0 = Eth0(
            identity.internal_ip.ip,
            identity.eth0_mac,
            mtu=identity.mtu,
            address6=None if internal_ip6 is None else internal_ip6.ip,
        )
        self.bridge = Bridge("cni0", identity.bridge_mac, self.eth0.overlay_mtu)
        self.vtep: Vtep | None = None
        self.ports: dict[str, Port] = {}
        self.host_links = HostLinks()  # Those of `ports` that are none of the bridge's.
        self.addresses: dict[int, tuple[IpInterface, str]] = {}
        self.routes = RouteTable()
        self.neighbours = NeighbourTable()
        self.conntrack = ConntrackTable()
        self.fragments = Defragmenter()
        self.frontends = FrontendTable(rng)
        self.host_ports = FrontendTable(rng)  # Of pods: where no Service has the port.
        self.policy = Policy()
        self.network_policies = NetworkPolicies()
        self.drops: Counter[DropReason] = Counter()
        self.taps: dict[str, list[Tap]] = {}
        #: While somebody captures: of the frame at hand, and of the frames in queues, by identity.
        self.verdict: Verdict | None = None
        self.queued: dict[int, Verdict] = {}
        self.dirty: list[Output] = []
        self.vxlan_output, self.underlay_output = outputs.vxlan, outputs.underlay
        self.stack = IpHost(
            address=identity.internal_ip,
            address6=internal_ip6,
            mtu=self.eth0.overlay_mtu,
            rng=rng,
            tcp=GATEWAY_TCP,
            source_for=self._source_for,
            source_for6=self._source_for6,
        )
        self.stack.choose_ports(NODE_PORTS)
        self.stack_woken = False
        #: What is beyond eth0 besides nodes: the person's machine and the control plane.
        self.outside: IpHost | None = None
        self.outside_woken = False
        self.outside_cache = FlowCache()
        self.outside_output = Output(
            "outside", self._transmit_outside, show=lambda frame: self.tap_outside("out", frame)
        )
        self.deadline_moved = True  # Since the owner last asked for `deadline`.
        self._expire_at = 0.0
        for interface in (identity.internal_ip, internal_ip6):
            if interface is not None:
                self.add_address(interface, self.eth0.name)

    # Input. Each batch ends with `flush`.

    def receive_port(self, port: Port, frames: list[memoryview], now: float) -> None:
        """Take a batch of frames from a pod."""
        port.rx_packets += len(frames)
        if self.taps:
            observed.from_port(self, port, frames, now)
            return
        slow = partial(br_input.receive, self, port)
        fast_path.run(port.cache, frames, self.dirty, slow, now)

    def receive_offloaded(
        self, port: Port, frames: list[memoryview], segment: int, now: float
    ) -> None:
        """Take a batch of partial frames from a pod, or a super-frame where *segment* is not 0."""
        slow = partial(br_input.receive, self, port)
        try:
            if self.taps:
                self.receive_port(port, views_of(completed(list(frames), segment)), now)
            elif segment:
                port.rx_packets += 1
                fast_offload.run_super(port.cache, (frames[0], segment), self.dirty, slow, now)
            else:
                port.rx_packets += len(frames)
                fast_offload.run(port.cache, frames, self.dirty, slow, now)
        except MalformedPacket:
            port.drops[DropReason.MALFORMED_FRAME] += 1

    def receive_vxlan(
        self, sender: IPv4Address, octets: memoryview, stride: int, now: float
    ) -> None:
        """Take datagrams for the VXLAN port from another node."""
        if self.taps and self.vtep is not None and stride > 0:
            datagrams = [
                vxlan.completed(self.vtep, octets[at : at + stride])
                for at in range(0, len(octets), stride)
            ]
            observed.from_underlay(self, self.vtep, sender, datagrams, now)
        else:
            vxlan.receive(self, sender, octets, stride, now)

    def receive_underlay(self, octets: Octets, now: float) -> None:
        """Take a bare IP packet from another node, or from outside."""
        self.eth0.receives([octets])
        try:
            packet = packet6.from_ip(octets, self.eth0.name)
        except MalformedPacket:
            self.drops[DropReason.MALFORMED_PACKET] += 1
            return
        self.receive_ip(packet, now)

    def receive_ip(self, packet: Packet, now: float) -> None:
        """Take a packet that arrived at one of the devices."""
        self.deadline_moved = True
        ip_input.receive(self, packet, now)

    def _receive_outside(self, packets: list[bytes], now: float) -> None:
        """Take what the world outside sends; it comes in by eth0."""
        self.eth0.receives(packets)
        frames = [
            memoryview(
                bytearray((_ETHERNET_HEADER if packet[0] >> 4 == 4 else _ETHERNET_HEADER6) + packet)
            )
            for packet in packets
        ]
        if self.taps:
            observed.from_outside(self, frames, self._receive_eth0, now)
            return
        fast_path.run(self.outside_cache, frames, self.dirty, self._receive_eth0, now)

    def _receive_eth0(self, frame: memoryview, now: float) -> None:
        try:
            kind = packet6.KINDS[frame[12] << 8 | frame[13]]
            packet = kind.parse(frame, self.eth0.name)
        except MalformedPacket as error:
            raise AssertionError(f"the outside stack made a broken packet: {error}") from None
        packet.cache = self.outside_cache
        self.receive_ip(packet, now)

    def _transmit_outside(self, frames: list[Octets], now: float) -> None:
        if self.outside is None:
            self.drops[DropReason.NO_NEIGHBOUR] += len(frames)
            return
        packets = [bytes(memoryview(frame)[len(_ETHERNET_HEADER) :]) for frame in frames]
        self.eth0.sends(packets)
        self.outside.receive_packets(packets, now)
        self.outside_woken = True

    # Output.

    def flush(self, now: float) -> None:
        """Transmit what has been queued, and what the node's own stack has to say."""
        for _ in range(_FLUSH_ROUNDS_MAX):
            if self.stack_woken:
                self.stack_woken, self.deadline_moved = False, True
                for octets in self.stack.packets_to_send():
                    self._send_local(octets, now)
            if self.outside_woken and self.outside is not None:
                self.outside_woken, self.deadline_moved = False, True
                self._receive_outside(self.outside.packets_to_send(), now)
            if not self.dirty and not self.stack_woken and not self.outside_woken:
                return
            dirty, self.dirty = self.dirty, []
            for output in dirty:
                if output.offloaded:
                    output.transmit_offloaded(now)
                frames, output.queue = output.queue, []
                if self.taps:
                    observed.leaving(self, output, frames)
                if frames:
                    output.transmit(frames, now)
            self.queued.clear()
        self.stack_woken = self.outside_woken = True

    def _send_local(self, octets: bytes, now: float) -> None:
        if self.taps:
            with observed.frame(self):
                ip_output.send_local(self, octets, now)
        else:
            ip_output.send_local(self, octets, now)

    def queue(self, output: Output, frame: Octets) -> None:
        """Let *frame* leave by *output* at the next flush."""
        if not output.queue:
            self.dirty.append(output)
        output.queue.append(frame)
        if self.verdict is not None:
            self.verdict.outputs.append(output.name)
            self.queued[id(frame)] = self.verdict

    def bridge_frame(self, frame: bytearray, now: float, *, packet: Packet | None = None) -> None:
        """Send a frame of the node itself onto the bridge."""
        if self.taps and packet is None:
            with observed.frame(self):  # ARP is no part of what its packet meets.
                self.tap(self.bridge.name, "out", frame)
                br_input.forward(self, frame, now)
        else:
            br_input.forward(self, frame, now, packet=packet)

    def send_resolved(self, packet: Packet, mac: bytes, now: float) -> None:
        """Send a packet that has waited for its neighbour."""
        if self.taps:
            with observed.frame(self):
                assert self.verdict is not None
                self.verdict.packet, self.verdict.hook = packet, Hook.POSTROUTING
                ip_output.send_resolved(self, packet, mac, now)
        else:
            ip_output.send_resolved(self, packet, mac, now)

    def send_untracked(self, packet: Packet, now: float) -> None:
        """Send a packet of the node past every hook."""
        if self.taps:
            with observed.frame(self):
                ip_output.route_and_send(self, packet, now)
        else:
            ip_output.route_and_send(self, packet, now)

    def lost(self, frames: Sequence[Octets], reason: DropReason) -> None:
        """Let captures say that frames which had left a queue went no further."""
        for frame in frames if self.queued else ():
            if (verdict := self.queued.get(id(frame))) is not None:
                verdict.drops.append(reason)

    # Time.

    def deadline(self) -> float:
        """Return when `handle_deadline` is due; `math.inf` when nothing is."""
        self.deadline_moved = False
        if self.stack_woken or self.outside_woken:
            return 0.0
        idle = not len(self.conntrack) and not len(self.bridge.fdb)
        return min(
            self.neighbours.deadline(),
            self.fragments.deadline(),
            self.stack.deadline(),
            math.inf if self.outside is None else self.outside.deadline(),
            math.inf if idle else self._expire_at,
        )

    def handle_deadline(self, now: float) -> None:
        """Do what is due at *now*."""
        nud.handle_deadline(self, now)
        self.fragments.handle_deadline(now)
        if now >= self.stack.deadline():
            self.stack.handle_deadline(now)
            self.stack_woken = True
        if self.outside is not None and now >= self.outside.deadline():
            self.outside.handle_deadline(now)
            self.outside_woken = True
        if now >= self._expire_at:
            self._expire_at = now + _EXPIRE_EVERY_S * self.conntrack.expire(now)
            self.bridge.fdb.expire(now)
        self.flush(now)

    # What the stages ask.

    def is_local(self, address: int) -> bool:
        """Tell whether *address* is one of this node's."""
        return address in self.addresses

    def is_joined(self, group: int) -> bool:
        """Tell whether packets to an IPv6 *group* are for this node, too."""
        if group < IPV6_FROM:
            return False
        return self.stack.addresses6.is_joined(group.to_bytes(16, "big"))

    def source_is_valid(self, source: int, device: str) -> bool:
        """Tell whether a packet from *source* may come by *device* (fib_validate_source)."""
        mode = self.policy.reverse_path_mode(device)
        if not mode:
            return True
        route = self.routes.lookup(source)
        if route is None or route.kind is not Kind.UNICAST:
            return False
        return mode == LOOSE or route.device == device

    def source_on(self, device: str, towards: int) -> int | None:
        """Return the address that speaks for *device* to somebody, as MASQUERADE chooses it."""
        found, is_ipv6 = None, towards >= IPV6_FROM
        for address, (interface, name) in self.addresses.items():
            if name == device and (address >= IPV6_FROM) is is_ipv6:
                if _is_on_link(interface, towards):
                    return address
                if found is None and not interface.ip.is_link_local:
                    found = address
        return found

    def _source_for(self, destination: IPv4Address) -> IPv4Address | None:
        """Return the source of what the node itself sends to *destination*."""
        source = self._source_towards(int(destination))
        return self.eth0.address if source is None else IPv4Address(source)

    def _source_for6(self, destination: IPv6Address) -> IPv6Address | None:
        """Do as `_source_for`; a node need not have any IPv6 address."""
        source = self._source_towards(int(destination))
        return self.eth0.address6 if source is None else IPv6Address(source)

    def _source_towards(self, destination: int) -> int | None:
        route = self.routes.lookup(destination)
        if route is None:
            return None  # A Service perhaps: routes are asked after translation.
        return self.source_on(route.device, destination)

    def mtu_of(self, device: str) -> int:
        """Return how long a packet *device* carries."""
        if self.vtep is not None and device == self.vtep.name:
            return self.vtep.mtu
        return self.bridge.mtu if device == self.bridge.name else self.eth0.mtu

    # The flow cache.

    def learn_flow(self, packet: Packet, output: Output, mtu: int) -> None:
        """Let the packets behind *packet* take the fast path to *output*."""
        if packet.cache is not None:
            packet.cache.learn(packet, output, mtu)

    def clear_flows(self) -> None:
        """Make every flow prove itself again: a table that verdicts rest on has changed."""
        for port in self.ports.values():
            port.cache.clear()
        if self.vtep is not None:
            self.vtep.cache.clear()
        self.outside_cache.clear()
        for connection in self.conntrack:
            connection.fast_entries.clear()

    # Addresses and taps.

    def add_address(self, interface: IpInterface, device: str) -> None:
        """Give the node an address, and the route that comes with it.

        With its first IPv6 address the bridge gets a link-local one (RFC 4291).
        """
        self.remove_address(interface)
        self.addresses[int(interface.ip)] = interface, device
        self.stack.add_address(interface)
        if interface.network.prefixlen < interface.max_prefixlen:
            self.routes.replace(Route(destination=interface.network, device=device, connected=True))
        link_local = ip6_addresses.link_local(self.bridge.mac)
        if (
            device == self.bridge.name
            and interface.version == 6
            and int(link_local.ip) not in self.addresses
        ):
            self.add_address(link_local, device)

    def remove_address(self, interface: IpInterface) -> bool:
        """Take an address away; return whether the node had it."""
        if self.addresses.pop(int(interface.ip), None) is None:
            return False
        self.stack.remove_address(interface.ip)
        self.routes.delete(interface.network, connected=True)
        return True

    def tap(self, interface: str, direction: str, frame: Octets) -> None:
        """Show a frame to those who capture at *interface*; who keeps it copies it."""
        if self.taps:
            for name in (interface, ANY):
                for each in self.taps.get(name, ()):
                    each(interface, direction, frame)

    def _tapped(self, interface: str) -> bool:
        return interface in self.taps or ANY in self.taps

    def tap_vxlan(self, remote: IPv4Address, frame: Octets) -> None:
        """Show a frame that leaves by the VTEP, and at eth0 the datagram that carries it."""
        if not self.taps or self.vtep is None:
            return
        self.tap(self.vtep.name, "out", frame)
        if self._tapped(self.eth0.name):
            datagram = self.vtep.header + bytes(frame)
            self.tap_underlay(remote, datagram, "out", port=self.vtep.port)

    def tap_outside(self, direction: str, frame: Octets) -> None:
        """Show what passes between the node and the world outside, with the MACs it would have."""
        if self._tapped(self.eth0.name):
            packet = bytes(frame[len(_ETHERNET_HEADER) :])
            header = outer_frame.ethernet(packet, self.eth0.mac, direction=direction)
            self.tap(self.eth0.name, direction, header + packet)

    def tap_underlay(
        self,
        remote: IPv4Address,
        payload: Octets,
        direction: str,
        *,
        port: int,
        source_port: int | None = None,
    ) -> None:
        """Show what the underlay carries, as the frame that it stands for."""
        if not self._tapped(self.eth0.name):
            return
        frame = outer_frame.build(
            self.eth0,
            remote,
            bytes(payload),
            direction=direction,
            port=port,
            source_port=source_port,
        )
        self.tap(self.eth0.name, direction, frame)
