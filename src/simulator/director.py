"""Does to a cluster what a plan's events say."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import partial
from ipaddress import IPv4Address
from typing import Final

from netstack.ip_host import IpHost
from simulator import attacks, attacks6, tables
from simulator.chat import Chatter, EchoServer
from simulator.cluster import Cluster
from simulator.conversation import Complain, Conversation, Server, Stack
from simulator.plan import (
    Chat,
    Converse,
    DatapathRestarts,
    EndpointLeaves,
    Event,
    Flood,
    Impair,
    NodeDies,
    Plan,
    RouteLoop,
)
from simulator.pod import Pod
from simulator.world import EPOCH_S, World

_ATTACKS: Final = {**attacks.ATTACKS, **attacks6.ATTACKS}
_LOOP_NETWORK: Final = "10.244.200.0/24"
_LOOP_ADDRESS: Final = IPv4Address("10.244.200.5")


class Director:
    """Lets pods serve and talk, and things break and mend."""

    def __init__(self, world: World, plan: Plan, complain: Complain) -> None:
        self.world, self.plan, self._complain = world, plan, complain
        self.conversations: dict[int, Conversation] = {}
        self.chats: list[Chatter] = []
        self.cluster = Cluster(world, plan, on_pod=self._serve)

    def schedule(self) -> None:
        """Let every event of the plan happen in its time."""
        for index, event in enumerate(self.plan.events):
            self.world.at(EPOCH_S + event.at, partial(self._begin, index, event))
            if not isinstance(event, Converse | Chat):
                self.world.at(EPOCH_S + event.until, partial(self._end, event))

    def _serve(self, pod: Pod) -> None:
        server = Server(
            self.world,
            pod,
            pod.name,
            conversations=self.conversations,
            complain=self._complain,
        )
        server.listen(pod.host, tables.POD_TCP_PORT)
        EchoServer(self.world, pod, pod.host, tables.POD_UDP_PORT)

    def _begin(self, index: int, event: Event) -> None:
        cluster, now = self.cluster, self.world.now
        match event:
            case Converse():
                self.converse(index, event)
            case Chat():
                self._chat(event)
            case Impair():
                for link in cluster.ways(event.source, event.target):
                    link.change(event.impairment, now)
            case NodeDies():
                cluster.kill_node(event.node)
            case DatapathRestarts():
                cluster.kill_kernel(event.node)
            case EndpointLeaves():
                cluster.change_endpoint(event.service, event.pod, 1)
            case Flood():
                self._flood(event)
            case RouteLoop():
                self._loop(event)

    def _end(self, event: Event) -> None:
        cluster, plan, now = self.cluster, self.plan, self.world.now
        match event:
            case Impair():
                for link in cluster.ways(event.source, event.target):
                    link.change(plan.underlay if plan.nodes else plan.veth, now)
            case NodeDies():
                cluster.revive_node(event.node)
            case DatapathRestarts():
                cluster.revive_kernel(event.node)
            case EndpointLeaves():
                cluster.change_endpoint(event.service, event.pod, -1)
            case RouteLoop():
                for kernel in (cluster.kernels[node] for node in event.nodes):
                    if kernel.alive:
                        kernel.control.route_delete([_LOOP_NETWORK])
            case _:
                pass  # It was over when it had begun.

    # Talking.

    def _stack(self, name: str) -> tuple[Stack, IpHost] | None:
        """Return who *name* is now, None while it is dead."""
        if name.startswith("outside-"):
            kernel = self.cluster.kernels[int(name.removeprefix("outside-"))]
            return (kernel, kernel.outside) if kernel.alive else None
        pod = self.cluster.pods[name]
        return (pod, pod.host) if pod.alive else None

    def converse(self, number: int, event: Converse) -> Conversation:
        """Begin conversation *number*."""
        conversation = Conversation(number, event, self.world, self._complain)
        self.conversations[number] = conversation
        found = self._stack(event.client)
        if found is None:
            conversation.refused = OSError("the client is dead")
            return conversation
        stack, host = found
        outside = event.client.startswith("outside-")
        target = self.cluster.target(event.server, event.version, outside=outside)
        try:
            connection = host.tcp_connect(target, self.world.now)
        except OSError as error:
            conversation.refused = error
            return conversation
        conversation.begin(stack, connection)
        return conversation

    def _chat(self, event: Chat) -> None:
        pod = self.cluster.pods[event.client]
        if pod.alive:
            chat = Chatter(
                event,
                self.world,
                pod,
                complain=self._complain,
                duplicates=self.plan.duplicates,
                corrupts=self.plan.corrupts,
            )
            self.chats.append(chat)
            chat.begin(pod.host, self.cluster.target(event.server, event.version, udp=True))

    # Attacks.

    def _flood(self, event: Flood) -> None:
        rng = random.Random(self.world.rng.getrandbits(64))
        step_s = (event.until - event.at) / event.packets
        for number in range(event.packets):
            self.world.after(number * step_s, partial(self._attack, event, rng))

    def _attack(self, event: Flood, rng: random.Random) -> None:
        cluster, now = self.cluster, self.world.now
        attacker, victim = cluster.pods[event.attacker], cluster.pods[event.victim]
        node = cluster.node_of(int(event.attacker.removeprefix("pod-")))
        gateway = cluster.kernels[node].node.bridge.mac if node else victim.host.mac
        aim = attacks.Aim(attacker.host.address, attacker.host.mac, gateway, victim.host.address)
        if 6 in self.plan.versions:
            aim = replace(aim, attacker6=attacker.host.address6, victim6=victim.host.address6)
        if event.kind != "vxlan":
            attacker.up.offer(_ATTACKS[event.kind](aim, rng), now)
            return
        inner = attacks.syn(aim, rng)
        for target in cluster.kernels:
            if target != node:
                cluster.ways(node, target)[0].offer(attacks.vxlan_noise(rng, inner), now)

    def _loop(self, event: RouteLoop) -> None:
        for node, via in (event.nodes, event.nodes[::-1]):
            kernel = self.cluster.kernels[node]
            if kernel.alive:
                tables.write_route(kernel.control, _LOOP_NETWORK, via=via)
        pod, now = self.cluster.pods[event.sender], self.world.now
        if pod.alive:
            for sequence in range(event.packets):
                pod.host.ping(_LOOP_ADDRESS, identifier=1, sequence=sequence, payload=b"", now=now)
            pod.wake()
