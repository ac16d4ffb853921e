"""What policies say of any connection of a cluster, asked of the code that judges packets.

All pods are taken for those of one node: the compiler's rows go into the datapath's own table, and
its `judge` answers. So `podwire policy` cannot be of another opinion than the packets' way, but
where a node has not been told yet of what the API server knows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

import msgspec

from kubeapi.objects import Object
from kubeapi.resources import NAMESPACES, NODES, PODS, Resource
from netstack.wire.ipv4 import PROTOCOL_ICMP
from netstack.wire.ipv6 import NextHeader
from nodeagent.datapath import policy_rules, tables
from nodeagent.datapath.network_policy import Judgement, NetworkPolicies
from nodeagent.datapath.policy_rules import Ruling
from nodeagent.policy.compiler import Compiler
from nodeagent.policy.facts import NodeFacts, PodFacts
from nodeagent.policy.front_ends import FRONT_ENDS
from nodeagent.policy.spec import PolicySpec

#: What has to be listed for an evaluation.
NEEDED: Final = (NAMESPACES, NODES, PODS, *FRONT_ENDS)
PROTOCOLS: Final = (*policy_rules.PROTOCOLS, "ICMP")
DIRECTIONS: Final = ("egress", "ingress")


@dataclass(frozen=True, slots=True)
class Flow:
    """A connection by the endpoint that it reaches: behind Services, before masquerading."""

    source: str
    destination: str
    protocol: str
    port: int = 0

    @property
    def number(self) -> int:
        """The protocol's number in packets."""
        if self.protocol == "ICMP":
            return PROTOCOL_ICMP if "." in self.destination else NextHeader.ICMPV6
        return policy_rules.PROTOCOLS[self.protocol]

    @property
    def question(self) -> tuple[int, int, int, int]:
        """What the datapath is asked."""
        ends = int(ip_address(self.source)), int(ip_address(self.destination))
        return *ends, self.number, self.port


_NOBODY_MINDS: Final = Judgement.of(())


class Evaluation:
    """A cluster's pods and policies at one moment."""

    def __init__(self, objects: Mapping[Resource, Iterable[Object]]) -> None:
        self._compiler = compiler = Compiler(None)
        for namespace in objects[NAMESPACES]:
            compiler.namespace_changed(namespace)
        for node in objects[NODES]:
            compiler.node_changed(node)
        for pod in objects[PODS]:
            compiler.pod_changed(pod)
        for resource, read in FRONT_ENDS.items():
            for policy in objects[resource]:
                compiler.policy_changed(read(policy))
        changes = compiler.changes()
        self._sets = [
            tables.AddressSet(name=name, addresses=list(addresses))
            for name, addresses in changes.sets.items()
            if addresses is not None
        ]
        self._entries = {
            key: msgspec.convert(entry, tables.Policy)
            for key, entry in changes.pods.items()
            if entry is not None
        }
        self._policies = NetworkPolicies()
        self._policies.replace_sets(self._sets)
        self._policies.replace(self._entries.values())
        self._pods = {address: pod for pod in compiler.pods() for address in pod.addresses}
        self._homes = {
            address: node.key
            for node in map(NodeFacts.of, objects[NODES])
            for address in node.addresses
        }

    def pods(self) -> list[PodFacts]:
        """Return the pods that have addresses of their own."""
        return [pod for pod in self._compiler.pods() if pod.addresses]

    def pod_at(self, address: str) -> PodFacts | None:
        """Return the pod that has *address*."""
        return self._pods.get(address)

    def node_at(self, address: str) -> str | None:
        """Return the node that has *address*."""
        return self._homes.get(address)

    def is_within_node(self, flow: Flow) -> bool:
        """Tell whether a pod and its own node speak: nobody judges that."""
        for pod_address, node_address in (
            (flow.source, flow.destination),
            (flow.destination, flow.source),
        ):
            pod = self._pods.get(pod_address)
            if pod is not None and pod.node == self._homes.get(node_address, ""):
                return True
        return False

    def judge(self, flow: Flow) -> Judgement:
        """Judge as the datapaths of both ends would."""
        if self.is_within_node(flow):
            return _NOBODY_MINDS
        return self._policies.judge(*flow.question) or _NOBODY_MINDS

    def ask(self, flow: Flow, direction: str) -> list[Ruling]:
        """Ask one end only, whatever the other says."""
        if self.is_within_node(flow):
            return []
        return self._policies.ask(direction, *flow.question)

    def about(self, pod: PodFacts, direction: str) -> list[PolicySpec]:
        """Return the policies that say something of a *direction* of *pod*, in order."""
        specs = self._compiler.policies_of(pod)
        return [spec for spec in specs if spec.rules(direction) is not None]

    def fitting(self, flow: Flow, direction: str) -> Iterator[Ruling]:
        """Return what every single rule that fits says, also those that are never asked."""
        mine, other = (
            (flow.source, flow.destination)
            if direction == "egress"
            else (flow.destination, flow.source)
        )
        pod, address = self._pods.get(mine), int(ip_address(other))
        entry = self._entries.get(pod.key) if pod is not None else None
        tiers = [] if entry is None else entry.egress if direction == "egress" else entry.ingress
        for tier in tiers:
            for rule in tier.rules:
                alone = tables.PolicyTier(tier=tier.tier, rules=[rule])
                (only,) = policy_rules.side([alone], mine, direction)
                ruling = only.judge(address, flow.number, flow.port, self._policies.sets())
                if ruling is not None:
                    yield ruling
