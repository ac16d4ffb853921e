"""ClusterNetworkPolicies as rules (policy.networking.k8s.io/v1alpha2): Admin and Baseline in one.

Upstream: kubernetes-sigs/network-policy-api, apis/v1alpha2.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from kubeapi.objects import Object, name_of
from nodeagent.policy import cluster_rules
from nodeagent.policy.spec import NamedPort, PolicySpec, Rule, Span, Tier, is_logged

_TIERS: Final = {"Admin": Tier.ADMIN, "Baseline": Tier.BASELINE}
_PROTOCOLS: Final = {"tcp": "TCP", "udp": "UDP", "sctp": "SCTP"}


def read(policy: Object) -> PolicySpec:
    """Read a ClusterNetworkPolicy that the API server has admitted."""
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
        kind="ClusterNetworkPolicy",
        key=name_of(policy),
        tier=_TIERS[spec["tier"]],
        priority=spec["priority"],
        logged=is_logged(policy),
        subject=cluster_rules.subject(spec["subject"]),
        ingress=rules("ingress", "from"),
        egress=rules("egress", "to"),
    )


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
