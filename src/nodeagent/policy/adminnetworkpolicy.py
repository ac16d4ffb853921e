"""AdminNetworkPolicies and the BaselineAdminNetworkPolicy as rules (v1alpha1).

Upstream: kubernetes-sigs/network-policy-api, apis/v1alpha1. A baseline has no priority: where there
are ClusterNetworkPolicies of the Baseline tier beside it, they are asked first.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from kubeapi.objects import Object, name_of
from nodeagent.policy import cluster_rules
from nodeagent.policy.spec import NamedPort, PolicySpec, Rule, Span, Tier, is_logged

#: Behind every priority that a ClusterNetworkPolicy may have.
_LAST: Final = 1001


def read(policy: Object) -> PolicySpec:
    """Read an AdminNetworkPolicy that the API server has admitted."""
    return _read(policy, "AdminNetworkPolicy", Tier.ADMIN, policy["spec"]["priority"])


def read_baseline(policy: Object) -> PolicySpec:
    """Read the BaselineAdminNetworkPolicy."""
    return _read(policy, "BaselineAdminNetworkPolicy", Tier.BASELINE, _LAST)


def _read(policy: Object, kind: str, tier: Tier, priority: int) -> PolicySpec:
    spec = policy["spec"]

    def rules(direction: str, side: str) -> tuple[Rule, ...] | None:
        items = spec.get(direction) or []
        return (
            tuple(
                cluster_rules.rule(each, side, f"{direction}[{index}]", _ports(each))
                for index, each in enumerate(items)
            )
            or None
        )

    return PolicySpec(
        kind=kind,
        key=name_of(policy),
        tier=tier,
        priority=priority,
        logged=is_logged(policy),
        subject=cluster_rules.subject(spec["subject"]),
        ingress=rules("ingress", "from"),
        egress=rules("egress", "to"),
    )


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
