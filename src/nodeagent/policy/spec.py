"""What is read of pods and NetworkPolicies, as values (networking.k8s.io/v1).

`from: [{namespaceSelector, podSelector}]` selects pods by both; items of a list are alternatives.
An absent podSelector is every pod, an absent namespaceSelector the policy's own namespace. Missing
`from`, `to` or `ports` are all; pods on the host's network are neither isolated nor selected.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from kubeapi.objects import Object, key_of, labels_of, namespace_of
from kubeapi.selectors import EVERYTHING, LabelSelector

PORT_MAX: Final = 65535
_FINISHED: Final = ("Succeeded", "Failed")
_NATIVE_SIDECAR: Final = "Always"


@dataclass(frozen=True, slots=True)
class PodFacts:
    """A pod as policies see it."""

    key: str
    namespace: str
    node: str
    labels: Mapping[str, str]
    addresses: tuple[str, ...]
    #: Number by protocol and name of the containers' ports; the first of a name counts.
    ports: Mapping[tuple[str, str], int]

    @classmethod
    def of(cls, pod: Object) -> PodFacts | None:
        """Return None for a pod that has no address of its own (any more)."""
        spec, status = pod.get("spec") or {}, pod.get("status") or {}
        if spec.get("hostNetwork") or status.get("phase") in _FINISHED:
            return None
        return cls(
            key=key_of(pod),
            namespace=namespace_of(pod),
            node=spec.get("nodeName") or "",
            labels=labels_of(pod),
            addresses=tuple(each["ip"] for each in status.get("podIPs") or [] if each.get("ip")),
            ports=_named_ports(spec),
        )


def _named_ports(spec: Object) -> Mapping[tuple[str, str], int]:
    sidecars = [
        container
        for container in spec.get("initContainers") or []
        if container.get("restartPolicy") == _NATIVE_SIDECAR
    ]
    found: dict[tuple[str, str], int] = {}
    for container in [*(spec.get("containers") or []), *sidecars]:
        for port in container.get("ports") or []:
            if port.get("name"):
                name = port.get("protocol") or "TCP", port["name"]
                found.setdefault(name, port["containerPort"])
    return found


@dataclass(frozen=True, slots=True)
class Selection:
    """Pods that a peer selects."""

    #: The one namespace, or a selector of them.
    namespaces: str | LabelSelector
    pods: LabelSelector

    def selects(self, pod: PodFacts, namespace_labels: Mapping[str, str] | None) -> bool:
        """Tell whether *pod* is meant; *namespace_labels* None: its namespace is not known."""
        if isinstance(self.namespaces, str):
            inside = pod.namespace == self.namespaces
        else:
            inside = namespace_labels is not None and self.namespaces.matches(namespace_labels)
        return inside and self.pods.matches(pod.labels)

    def __str__(self) -> str:
        """Return a text that no other selection has, unless it selects the same."""
        where = self.namespaces
        inside = where if isinstance(where, str) else f"[{where}]"
        return f"{inside}: {self.pods}"


#: Every pod of the cluster.
ALL_PODS: Final = Selection(EVERYTHING, EVERYTHING)


@dataclass(frozen=True, slots=True)
class Span:
    """Ports by number, both ends included."""

    protocol: str
    first: int = 0
    last: int = PORT_MAX


@dataclass(frozen=True, slots=True)
class NamedPort:
    """A port that the receiving pod gives a number."""

    protocol: str
    name: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One item of `ingress` or `egress`; None are all ports, or everyone."""

    ports: tuple[Span | NamedPort, ...] | None
    selections: tuple[Selection, ...] | None
    #: CIDR and what it excludes.
    blocks: tuple[tuple[str, tuple[str, ...]], ...]

    @classmethod
    def of(cls, rule: Object, side: str, namespace: str) -> Rule:
        peers, ports = rule.get(side) or [], rule.get("ports") or []
        return cls(
            ports=tuple(map(_port, ports)) or None,
            selections=_selections(peers, namespace) if peers else None,
            blocks=tuple(
                (block["cidr"], tuple(block.get("except") or ()))
                for block in (peer.get("ipBlock") for peer in peers)
                if block
            ),
        )


def _port(port: Object) -> Span | NamedPort:
    protocol, number = port.get("protocol") or "TCP", port.get("port")
    if number is None:
        return Span(protocol)
    if isinstance(number, str):
        return NamedPort(protocol, number)
    return Span(protocol, number, port.get("endPort") or number)


def _selections(peers: Sequence[Object], namespace: str) -> tuple[Selection, ...]:
    found = []
    for peer in peers:
        pods, namespaces = peer.get("podSelector"), peer.get("namespaceSelector")
        if pods is None and namespaces is None:
            continue
        found.append(
            Selection(
                namespace if namespaces is None else LabelSelector.from_object(namespaces),
                EVERYTHING if pods is None else LabelSelector.from_object(pods),
            )
        )
    return tuple(found)


@dataclass(frozen=True, slots=True)
class PolicySpec:
    """A NetworkPolicy; None: it says nothing about that direction."""

    key: str
    namespace: str
    pods: LabelSelector
    ingress: tuple[Rule, ...] | None
    egress: tuple[Rule, ...] | None

    @classmethod
    def of(cls, policy: Object) -> PolicySpec:
        spec, namespace = policy["spec"], namespace_of(policy)
        types = spec.get("policyTypes") or []

        def rules(direction: str, side: str) -> tuple[Rule, ...] | None:
            if direction.capitalize() not in types:
                return None
            return tuple(Rule.of(each, side, namespace) for each in spec.get(direction) or [])

        return cls(
            key=key_of(policy),
            namespace=namespace,
            pods=LabelSelector.from_object(spec.get("podSelector") or {}),
            ingress=rules("ingress", "from"),
            egress=rules("egress", "to"),
        )

    def isolates(self, pod: PodFacts) -> bool:
        """Tell whether it is about *pod*."""
        return pod.namespace == self.namespace and self.pods.matches(pod.labels)

    def selections(self) -> tuple[tuple[Selection, NamedPort | None], ...]:
        """Return whose addresses its rules need, and of which named port of theirs."""
        found: dict[tuple[Selection, NamedPort | None], None] = {}
        for rule in self.ingress or ():
            found.update(dict.fromkeys((each, None) for each in rule.selections or ()))
        for rule in self.egress or ():
            found.update(dict.fromkeys((each, None) for each in rule.selections or ()))
            for port in rule.ports or ():
                if isinstance(port, NamedPort):
                    chosen = (ALL_PODS,) if rule.selections is None else rule.selections
                    found.update(dict.fromkeys((each, port) for each in chosen))
        return tuple(found)
