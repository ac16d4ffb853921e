"""The one rule set that every kind of policy is read into: tiers of ordered rules.

Tiers are asked in their order. In a tier the first rule that fits a connection decides: *allow*,
*deny*, or *pass*, which asks the next tier. What no rule fits goes on to the next tier, too, but
for pods that a NetworkPolicy *isolates*: there it is denied. What no tier decides is allowed. This
is network-policy-api's model; `networkpolicy`, `adminnetworkpolicy` and `clusternetworkpolicy` read
their kinds into it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Literal

from kubeapi.objects import Object, annotations_of
from kubeapi.selectors import EVERYTHING, LabelSelector
from nodeagent.policy.facts import PodFacts

PORT_MAX: Final = 65535
PROTOCOLS: Final = ("TCP", "UDP", "SCTP")
#: On a policy of any kind: "true" lets every connection that its rules decide be noted. Denied ones
#: always are.
LOG_ANNOTATION: Final = "podwire.io/policy-log"

Action = Literal["allow", "deny", "pass"]


def is_logged(policy: Object) -> bool:
    """Tell whether the user wants to know what *policy* decides."""
    return annotations_of(policy).get(LOG_ANNOTATION) == "true"


class Tier(IntEnum):
    """Whose rules are asked first."""

    ADMIN = 0
    NETWORK_POLICY = 1
    BASELINE = 2

    @property
    def text(self) -> str:
        return ("Admin", "NetworkPolicy", "Baseline")[self]


@dataclass(frozen=True, slots=True)
class Selection:
    """Pods that a subject or a peer selects."""

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
class NodeSelection:
    """Nodes that a peer selects."""

    labels: LabelSelector

    def __str__(self) -> str:
        return f"nodes: {self.labels}"


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


#: Whose addresses a set holds.
Chosen = Selection | NodeSelection
#: What a set of addresses is for: a selection, and the named port of its pods if that matters.
Which = tuple[Chosen, NamedPort | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule of a direction; `ports` None are all, of any protocol."""

    #: Its own name, or where it stands: `ingress[0]`.
    name: str
    action: Action = "allow"
    ports: tuple[Span | NamedPort, ...] | None = None
    #: Everyone, whoever that is; else the peers are those of the next three.
    anyone: bool = False
    selections: tuple[Selection, ...] = ()
    nodes: tuple[NodeSelection, ...] = ()
    #: CIDR and what it excludes.
    blocks: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def chosen(self) -> tuple[Chosen, ...]:
        """Whose addresses it needs."""
        return (*self.selections, *self.nodes)


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicySpec:
    """A policy of any kind; None: it says nothing about that direction."""

    kind: str
    key: str
    tier: Tier
    #: Lower ones are asked first; names decide between equals.
    priority: int = 0
    logged: bool = False
    subject: Selection
    ingress: tuple[Rule, ...] | None
    egress: tuple[Rule, ...] | None

    @property
    def text(self) -> str:
        """Return what people call it: kind and name."""
        return f"{self.kind} {self.key}"

    @property
    def order(self) -> tuple[Tier, int, str, str]:
        """Return where it stands among all policies."""
        return self.tier, self.priority, self.kind, self.key

    def rules(self, direction: str) -> tuple[Rule, ...] | None:
        """Return those of "ingress" or "egress"."""
        return self.ingress if direction == "ingress" else self.egress

    def uses(self) -> tuple[Which, ...]:
        """Return whose addresses its rules need, and of which named port of theirs."""
        found: dict[Which, None] = {}
        for rule in self.ingress or ():
            found.update(dict.fromkeys((each, None) for each in rule.chosen))
        for rule in self.egress or ():
            found.update(dict.fromkeys((each, None) for each in rule.chosen))
            for port in rule.ports or ():
                if isinstance(port, NamedPort):
                    chosen = (ALL_PODS,) if rule.anyone else rule.selections
                    found.update(dict.fromkeys((each, port) for each in chosen))
        return tuple(found)
