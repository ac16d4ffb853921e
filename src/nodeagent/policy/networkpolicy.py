"""NetworkPolicies as rules (networking.k8s.io/v1): they only ever allow what isolation denies.

`from: [{namespaceSelector, podSelector}]` selects pods by both; items of a list are alternatives.
An absent podSelector is every pod, an absent namespaceSelector the policy's own namespace. Missing
`from`, `to` or `ports` are all.
"""

from __future__ import annotations

from collections.abc import Sequence

from kubeapi.objects import Object, key_of, namespace_of
from kubeapi.selectors import EVERYTHING, LabelSelector
from nodeagent.policy.spec import NamedPort, PolicySpec, Rule, Selection, Span, Tier, is_logged


def read(policy: Object) -> PolicySpec:
    """Read a NetworkPolicy that the API server has admitted."""
    spec, namespace = policy["spec"], namespace_of(policy)
    types = spec.get("policyTypes") or []

    def rules(direction: str, side: str) -> tuple[Rule, ...] | None:
        if direction.capitalize() not in types:
            return None
        return tuple(
            _rule(each, side, namespace, f"{direction}[{index}]")
            for index, each in enumerate(spec.get(direction) or [])
        )

    return PolicySpec(
        kind="NetworkPolicy",
        key=key_of(policy),
        tier=Tier.NETWORK_POLICY,
        logged=is_logged(policy),
        subject=Selection(namespace, LabelSelector.from_object(spec.get("podSelector") or {})),
        ingress=rules("ingress", "from"),
        egress=rules("egress", "to"),
    )


def _rule(rule: Object, side: str, namespace: str, name: str) -> Rule:
    peers, ports = rule.get(side) or [], rule.get("ports") or []
    return Rule(
        name=name,
        ports=tuple(map(_port, ports)) or None,
        anyone=not peers,
        selections=_selections(peers, namespace),
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
