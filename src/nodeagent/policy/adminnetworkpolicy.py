"""AdminNetworkPolicies and the BaselineAdminNetworkPolicy as rules (v1alpha1).

Upstream: kubernetes-sigs/network-policy-api, apis/v1alpha1. A baseline has no priority: where there
are ClusterNetworkPolicies of the Baseline tier beside it, they are asked first.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from kubeapi.objects import Object
from nodeagent.policy import cluster_rules
from nodeagent.policy.spec import NamedPort, PolicySpec, Span, Tier

#: Behind every priority that a ClusterNetworkPolicy may have.
_LAST: Final = 1001


def read(policy: Object) -> PolicySpec:
    """Read an AdminNetworkPolicy that the API server has admitted."""
    priority = policy["spec"]["priority"]
    return cluster_rules.read(policy, "AdminNetworkPolicy", Tier.ADMIN, priority, _ports)


def read_baseline(policy: Object) -> PolicySpec:
    """Read the BaselineAdminNetworkPolicy."""
    return cluster_rules.read(policy, "BaselineAdminNetworkPolicy", Tier.BASELINE, _LAST, _ports)


def _ports(rule: Object) -> list[Span | NamedPort] | None:
    ports = rule.get("ports")
    return [each for port in ports for each in _port(port)] if ports else None


def _port(port: Object) -> Iterator[Span | NamedPort]:
    if number := port.get("portNumber"):
        yield Span(number.get("protocol") or "TCP", number["port"], number["port"])
    elif span := port.get("portRange"):
        yield Span(span.get("protocol") or "TCP", span["start"], span["end"])
    elif name := port.get("namedPort"):
        yield from cluster_rules.named(name)
