"""The whole of it: pods behind nodes (or on one Ethernet), the wires between, and who is alive.

Nodes are told their tables as agents tell them: bit by bit, a little later, in an order that chance
has a hand in. Services list the pods that are ready; that, too, reaches a node a little late.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from ipaddress import IPv4Address, IPv4Interface, IPv6Interface
from typing import Final

import msgspec

from netdev.congestion_mark import marked
from netdev.impairment import Impairment
from netstack.addresses import IpAddress
from netstack.wire.ethernet import BROADCAST
from simulator import tables
from simulator.kernel import Kernel, node_address, node_address6
from simulator.link import Link, Watch
from simulator.plan import Plan
from simulator.pod import Pod, pod_mac
from simulator.world import World

#: Where multicast MACs of IPv6 begin (RFC 2464 §7).
_GROUP6: Final = b"\x33\x33"
#: An agent's hand is no faster and no slower than this.
_TOLD_WITHIN_S: Final = 0.3
#: How long it takes until a dead node's endpoints are taken away.
DETECTED_AFTER_S: Final = 2.0
#: A pod finds its new datapath.
_RECONNECTED_AFTER_S: Final = 0.2


class Cluster:
    """Everything that has an address."""

    def __init__(self, world: World, plan: Plan, *, on_pod: Callable[[Pod], None]) -> None:
        """*on_pod* hears of every pod that begins: it shall serve."""
        self.world, self.plan, self._on_pod = world, plan, on_pod
        self.watches: list[Watch] = []
        self.links: dict[str, Link] = {}
        self.kernels: dict[int, Kernel] = {}
        self.pods: dict[str, Pod] = {}
        self._ways: dict[tuple[int, IPv4Address], Link] = {}
        self._away: dict[tuple[str, str], int] = {}  # (service, pod): for how many reasons.
        for number in range(1, plan.nodes + 1):
            self._lay_ways(number)
        for index in range(plan.pods):
            self._lay_veth(index)
        for number in range(1, plan.nodes + 1):
            self.start_kernel(number, at_once=True)
        for index in range(plan.pods):
            self.start_pod(index, at_once=True)

    # Addresses.

    def node_of(self, index: int) -> int:
        """Return the node of pod *index*, 0 where there are none."""
        return index % self.plan.nodes + 1 if self.plan.nodes else 0

    def pod_interface(self, index: int) -> IPv4Interface:
        """Return the address of pod *index* with its network."""
        nodes = self.plan.nodes
        number = 2 + (index // nodes if nodes else index)
        return IPv4Interface(f"10.244.{self.node_of(index)}.{number}/24")

    def pod_interface6(self, index: int) -> IPv6Interface:
        """Return the address of IPv6 of pod *index*."""
        host = int(self.pod_interface(index).ip) & 0xFF
        return IPv6Interface(f"fd00:10:244:{self.node_of(index):x}::{host:x}/64")

    def _address(self, index: int, version: int) -> IpAddress:
        return self.pod_interface(index).ip if version == 4 else self.pod_interface6(index).ip

    def target(
        self, name: str, version: int, *, udp: bool = False, outside: bool = False
    ) -> tuple[IpAddress, int]:
        """Return where *name*, a pod or a service, is reached, from *outside* by a NodePort."""
        kind, _, number = name.partition("-")
        index = int(number)
        if kind == "pod":
            port = tables.POD_UDP_PORT if udp else tables.POD_TCP_PORT
            return self._address(index, version), port
        if outside:
            node: IpAddress = node_address(1) if version == 4 else node_address6(1)
            return node, tables.NODE_PORT_FIRST + index
        port = tables.SERVICE_UDP_PORT if udp else tables.SERVICE_TCP_PORT
        if version == 4:
            return tables.service_address(index), port
        return tables.service_address6(index), port

    # Wires.

    def _link(
        self,
        name: str,
        impairment: Impairment,
        deliver: Callable[[list[tuple[int, bytes]], float], None],
    ) -> Link:
        link = Link(
            name,
            impairment,
            random.Random(self.world.rng.getrandbits(64)),
            timers=self.world.timers,
            deliver=deliver,
            watches=self.watches,
        )
        self.links[name] = link
        return link

    def _lay_ways(self, number: int) -> None:
        for other in range(1, self.plan.nodes + 1):
            if other != number:
                self._ways[number, node_address(other)] = self._link(
                    f"node-{number} → node-{other}",
                    self.plan.underlay,
                    partial(self._arrive_at_node, other, node_address(number)),
                )

    def _lay_veth(self, index: int) -> None:
        name, veth = f"pod-{index}", self.plan.veth
        arrive = self._arrive_at_port if self.plan.nodes else self._arrive_on_ethernet
        self._link(f"{name} up", veth, partial(arrive, index))
        # One bit on a path is always found; two could cancel in a sum, so one wire corrupts.
        down = msgspec.structs.replace(veth, corrupt=0.0)
        self._link(f"{name} down", down, partial(self._arrive_at_pod, name))

    def _arrive_at_node(
        self, number: int, sender: IPv4Address, packets: list[tuple[int, bytes]], now: float
    ) -> None:
        self.kernels[number].receive_underlay(sender, packets, now)

    def _arrive_at_port(self, index: int, packets: list[tuple[int, bytes]], now: float) -> None:
        self.kernels[self.node_of(index)].receive_port(port_name(index), packets, now)

    def _arrive_at_pod(self, name: str, packets: list[tuple[int, bytes]], now: float) -> None:
        if name in self.pods:
            self.pods[name].receive(packets, now)

    def _arrive_on_ethernet(self, index: int, packets: list[tuple[int, bytes]], now: float) -> None:
        """Carry frames to whom they are for: the Ethernet that hosts share."""
        rng, marks = self.world.rng, self.plan.marks
        for _, octets in packets:
            frame = bytes(marked(octets)) if marks and rng.random() < marks else octets
            for pod in self.pods.values():
                to_it = frame[:6] in (pod.host.mac, BROADCAST) or frame.startswith(_GROUP6)
                if to_it and pod.name != f"pod-{index}":
                    self.links[f"{pod.name} down"].offer(frame, now)

    def ways(self, source: int, target: int) -> list[Link]:
        """Return the wires from node *source* to *target*; without nodes, those of two hosts."""
        if self.plan.nodes:
            return [self._ways[source, node_address(target)]]
        return [self.links[f"pod-{source} up"], self.links[f"pod-{target} down"]]

    # Pods.

    def start_pod(self, index: int, *, at_once: bool = False) -> None:
        """Begin a pod, in place of one that died."""
        name, node = f"pod-{index}", self.node_of(index)
        gateway = IPv4Address(f"10.244.{node}.1") if node else None
        pod = Pod(
            self.world,
            name,
            self.pod_interface(index),
            address6=self.pod_interface6(index),
            gateway=gateway,
            gateway6=self.pod_interface6(index).network[1] if node else None,
            versions=self.plan.versions,
            offload=self.plan.offload and bool(node),
            tcp=self.plan.tcp,
            up=self.links[f"{name} up"],
        )
        self.pods[name] = pod
        self._on_pod(pod)
        if node:
            self._tell(partial(self._connect_pod, index, self.kernels[node]), at_once=at_once)

    def _connect_pod(self, index: int, kernel: Kernel) -> None:
        if kernel.alive:
            name = port_name(index)
            four = self.pod_interface(index)
            texts = {4: str(four), 6: str(self.pod_interface6(index))}
            addresses = {version: texts[version] for version in self.plan.versions}
            tables.write_link(kernel.control, name, pod_mac(four), addresses)
            port = kernel.node.ports[name]
            port.connected, port.offload = True, self.plan.offload

    def _pods_of(self, number: int) -> list[int]:
        return [index for index in range(self.plan.pods) if self.node_of(index) == number]

    # Nodes.

    def start_kernel(self, number: int, *, at_once: bool = False) -> None:
        """Begin a datapath; its agents tell it everything."""
        kernel = self.kernels[number] = Kernel(
            self.world,
            number,
            way_to=lambda remote: self._ways.get((number, remote)),
            down_to=lambda port: self.links.get(f"pod-{port.removeprefix('veth')} down"),
            plan=self.plan,
        )
        self._tell(partial(self._write_node, kernel, at_once=at_once), at_once=at_once)

    def _write_node(self, kernel: Kernel, *, at_once: bool) -> None:
        if not kernel.alive:
            return
        tables.write_node(kernel.control, kernel.number, self.plan.versions)
        others = [number for number in range(1, self.plan.nodes + 1) if number != kernel.number]
        for other in others:
            write = partial(tables.write_remote, kernel.control, other, self.plan)
            self._tell(write, at_once=at_once)
        for index in range(len(self.plan.services)):
            self._tell(partial(self._write_service, index, kernel), at_once=at_once)

    def _write_service(self, index: int, kernel: Kernel) -> None:
        if kernel.alive:
            ready = [int(pod.removeprefix("pod-")) for pod in self.ready(f"service-{index}")]
            for version in self.plan.versions:
                endpoints = [self._address(pod, version) for pod in ready]
                tables.write_service(kernel.control, index, version, endpoints)

    def kill_kernel(self, number: int) -> None:
        """End a datapath; nobody is told."""
        self.kernels[number].alive = False

    def kill_node(self, number: int) -> None:
        """End a node with everything on it; its endpoints leave when that is noticed."""
        self.kill_kernel(number)
        for index in self._pods_of(number):
            self.pods[f"pod-{index}"].alive = False
        self.world.after(DETECTED_AFTER_S, partial(self._node_noticed, number, 1))

    def _node_noticed(self, number: int, reasons: int) -> None:
        for index in self._pods_of(number):
            for service, pods in enumerate(self.plan.services):
                if f"pod-{index}" in pods:
                    self.change_endpoint(f"service-{service}", f"pod-{index}", reasons)

    def revive_node(self, number: int) -> None:
        """Begin a dead node, and new pods in place of its old ones."""
        self.start_kernel(number)
        for index in self._pods_of(number):
            self.start_pod(index)
        self.world.after(DETECTED_AFTER_S, partial(self._node_noticed, number, -1))

    def revive_kernel(self, number: int) -> None:
        """Begin a dead datapath; the node's pods connect again."""
        self.start_kernel(number)
        kernel = self.kernels[number]
        for index in self._pods_of(number):
            self._tell(partial(self._connect_pod, index, kernel), wait_s=_RECONNECTED_AFTER_S)

    def _tell(
        self, action: Callable[[], None], *, at_once: bool = False, wait_s: float = 0.0
    ) -> None:
        if at_once:
            action()
        else:
            delay_s = wait_s + self.world.rng.uniform(0.01, _TOLD_WITHIN_S)
            self.world.after(delay_s, action)

    # Services.

    def ready(self, service: str) -> list[str]:
        """Return the endpoints of *service*."""
        pods = self.plan.services[int(service.removeprefix("service-"))]
        return [pod for pod in pods if not self._away.get((service, pod), 0)]

    def change_endpoint(self, service: str, pod: str, reasons: int) -> None:
        """Give *pod* one reason more, or less, not to be an endpoint of *service*."""
        self._away[service, pod] = self._away.get((service, pod), 0) + reasons
        index = int(service.removeprefix("service-"))
        for kernel in self.kernels.values():
            self._tell(partial(self._write_service, index, kernel))


def port_name(index: int) -> str:
    """Return the name of the bridge port of pod *index*."""
    return f"veth{index}"
