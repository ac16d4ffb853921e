"""ClusterNetworkPolicies as rules (policy.networking.k8s.io/v1alpha2): Admin and Baseline in one.

Upstream: kubernetes-sigs/network-policy-api, apis/v1alpha2.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from kubeapi.objects import Object
from nodeagent.policy import cluster_rules
from nodeagent.policy.spec import NamedPort, PolicySpec, Span, Tier

_TIERS: Final = {"Admin": Tier.ADMIN, "Baseline": Tier.BASELINE}
_PROTOCOLS: Final = {"tcp": "TCP", "udp": "UDP", "sctp": "SCTP"}


def read(policy: Object) -> PolicySpec:
    """Read a ClusterNetworkPolicy that the API server has admitted."""
    spec = policy["spec"]
    tier = _TIERS[spec["tier"]]
    return cluster_rules.read(policy, "ClusterNetworkPolicy", tier, spec["priority"], _ports)


def _ports(rule: Object) -> list[Span | NamedPort] | None:
    protocols = rule.get("protocols")
    return [each for item in protocols for each in _port(item)] if protocols else None


def _port(item: Object) -> Iterator[Span | NamedPort]:
    if name := item.get("destinationNamedPort"):
        yield from cluster_rules.named(name)
    for field, protocol in _PROTOCOLS.items():
        if (matched := item.get(field)) is not None:
            port = matched.get("destinationPort") or {}
            span = port.get("range")
            if span:
                yield Span(protocol, span["start"], span["end"])
            elif number := port.get("number"):
                yield Span(protocol, number, number)
            else:
                yield Span(protocol)
