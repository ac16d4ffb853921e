"""A node's datapath in the world: `nodeagent.datapath.node.Node`, with links where sockets are.

A restarted datapath is a new `Kernel`; the old one hears and says nothing more.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface

from netdev import framing
from netstack.addresses import IpAddress
from netstack.ip_host import IpHost
from netstack.wire import ethernet
from nodeagent.datapath import outer_frame
from nodeagent.datapath.conntrack.table import ConntrackTable
from nodeagent.datapath.control import Control
from nodeagent.datapath.devices import OVERLAY_MTU, Port
from nodeagent.datapath.node import GATEWAY_TCP, Identity, Node, Outputs
from nodeagent.datapath.output import Mutable, Output, TransmitOffloaded
from nodeagent.datapath.packet import Octets
from simulator import offloaded
from simulator.link import BARE, FRAMES, VXLAN, Link
from simulator.plan import Plan
from simulator.world import World

UNDERLAY = "192.168.64"
OUTSIDE = IPv4Address(f"{UNDERLAY}.254")
UNDERLAY6 = "fd00:192:168:64"
OUTSIDE6 = IPv6Address(f"{UNDERLAY6}::fe")


def node_address6(number: int) -> IPv6Address:
    """Return the InternalIP of IPv6 of node *number*."""
    return IPv6Address(f"{UNDERLAY6}::{number:x}")


def node_address(number: int) -> IPv4Address:
    """Return the InternalIP of node *number*."""
    return IPv4Address(f"{UNDERLAY}.{number}")


class Kernel:
    """One datapath, from its start to its death."""

    def __init__(
        self,
        world: World,
        number: int,
        *,
        way_to: Callable[[IPv4Address], Link | None],
        down_to: Callable[[str], Link | None],
        plan: Plan,
    ) -> None:
        """*way_to* finds the wire to another node, *down_to* the wire to the pod of a port."""
        self.number, self.alive = number, True
        self._world, self._way_to, self._down_to = world, way_to, down_to
        self._outputs: dict[tuple[IPv4Address, int], Output] = {}
        self.timer_at = math.inf
        address, ipv6, self._offload = node_address(number), 6 in plan.versions, plan.offload
        self.node = Node(
            Identity(
                name=f"node-{number}",
                internal_ip=IPv4Interface(f"{address}/24"),
                bridge_mac=b"\x0a\x57" + address.packed,
                eth0_mac=outer_frame.mac_of(address),
                internal_ip6=IPv6Interface(f"{node_address6(number)}/120") if ipv6 else None,
            ),
            Outputs(vxlan=self._vxlan, underlay=self._underlay),
            random.Random(world.rng.getrandbits(64)),
        )
        if plan.conntrack_max:
            self.node.conntrack = ConntrackTable(connections_max=plan.conntrack_max)
        self.outside = self.node.outside = IpHost(
            address=IPv4Interface(f"{OUTSIDE}/24"),
            address6=IPv6Interface(f"{OUTSIDE6}/120") if ipv6 else None,
            mtu=OVERLAY_MTU,
            rng=random.Random(world.rng.getrandbits(64)),
            tcp=GATEWAY_TCP,
            source_for=lambda _destination: OUTSIDE,
            source_for6=lambda _destination: OUTSIDE6,
        )
        self.control = Control(self.node, self._new_port_output)

    # What arrives.

    def receive_port(self, name: str, packets: list[tuple[int, bytes]], now: float) -> None:
        """Take frames from the pod behind port *name*."""
        port = self.node.ports.get(name)
        if self.alive and port is not None and port.connected:
            for channel, octets in offloaded.runs(packets):
                frames = [memoryview(bytearray(each)) for each in octets]
                if channel:
                    segment = channel & framing.SEGMENT_OCTETS_MAX
                    self.node.receive_offloaded(port, frames, segment, now)
                else:
                    self.node.receive_port(port, frames, now)
            self._end_batch(now)

    def receive_underlay(
        self, sender: IPv4Address, packets: list[tuple[int, bytes]], now: float
    ) -> None:
        """Take datagrams from another node, runs of one length together, as with UDP_GRO."""
        if not self.alive:
            return
        for stride, run in framing.runs([octets for kind, octets in packets if kind == VXLAN]):
            self.node.receive_vxlan(sender, memoryview(bytearray(b"".join(run))), stride, now)
        for octets in [octets for kind, octets in packets if kind == BARE]:
            self.node.receive_underlay(memoryview(bytearray(octets)), now)
        self._end_batch(now)

    def _end_batch(self, now: float) -> None:
        self.node.flush(now)
        self._world.touch(self)

    # What leaves.

    def _vxlan(self, remote: IPv4Address) -> Output | None:
        return self._output(remote, VXLAN)

    def _underlay(self, remote: IpAddress) -> Output | None:
        if remote in (OUTSIDE, OUTSIDE6):
            return self.node.outside_output
        return self._output(node_address(int(remote) & 0xFF), BARE)

    def _output(self, remote: IPv4Address, channel: int) -> Output | None:
        known = self._outputs.get((remote, channel))
        link = self._way_to(remote)
        if known is not None or link is None:
            return known
        way = link

        def transmit(frames: list[Octets], now: float) -> None:
            for frame in frames:
                if channel == BARE:
                    way.offer(memoryview(frame)[ethernet.HEADER_OCTETS :], now, channel=BARE)
                elif self.node.vtep is not None:
                    way.offer(self.node.vtep.header + frame, now, channel=VXLAN)

        known = self._outputs[remote, channel] = Output(way.name, transmit)
        if self._offload and channel == VXLAN:
            known.offload = self._offload_to(remote, way)
        return known

    def _offload_to(self, remote: IPv4Address, way: Link) -> TransmitOffloaded:
        def transmit(frames: list[Mutable], segment: int, now: float) -> None:
            vtep = self.node.vtep
            if vtep is None:
                return
            partial = int(remote) in vtep.offload_remotes
            header = vtep.partial_header if partial else vtep.header
            for each in offloaded.datagrams(frames, segment, header, partial=partial):
                way.offer(each, now, channel=VXLAN)

        return transmit

    def _new_port_output(self, name: str) -> Output:
        def send(frames: Sequence[Octets], channel: int, now: float) -> None:
            link, port = self._down_to(name), self._connected(name)
            if link is not None and port is not None:
                port.tx_packets += len(frames)
                for frame in frames:
                    link.offer(frame, now, channel=channel)

        def send_offloaded(frames: list[Mutable], segment: int, now: float) -> None:
            send(frames, framing.PARTIAL | segment, now)

        offload = send_offloaded if self._offload else None
        return Output(name, lambda frames, now: send(frames, FRAMES, now), offload=offload)

    def _connected(self, name: str) -> Port | None:
        port = self.node.ports.get(name)
        return port if port is not None and port.connected else None

    # Time.

    def wake(self) -> None:
        """Say that the node's and the outside stack may have something to send."""
        self.node.stack_woken = self.node.outside_woken = True
        self._world.touch(self)

    def pump(self, now: float) -> None:
        """Send what is queued."""
        if self.alive:
            self.node.flush(now)

    def deadline(self) -> float:
        return self.node.deadline() if self.alive else math.inf

    def handle_deadline(self, now: float) -> None:
        if self.alive:
            self.node.handle_deadline(now)
            self._world.touch(self)
