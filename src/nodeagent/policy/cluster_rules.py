"""What the kinds of network-policy-api have in common: subjects, peers and closed failure.

A peer that this version does not know fails closed, as the API asks: it matches nobody where a
rule allows, and makes a rule that denies or passes one that denies everybody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from kubeapi.objects import Object, name_of
from kubeapi.selectors import EVERYTHING, LabelSelector
from nodeagent.policy.spec import (
    PROTOCOLS,
    Action,
    NamedPort,
    NodeSelection,
    PolicySpec,
    Rule,
    Selection,
    Span,
    Tier,
    is_logged,
)

_ACTIONS: Final[dict[str, Action]] = {
    "Allow": "allow",
    "Accept": "allow",
    "Deny": "deny",
    "Pass": "pass",
}


#: Reads the ports of a rule; None: all of them.
Ports = Callable[[Object], "list[Span | NamedPort] | None"]


def read(policy: Object, kind: str, tier: Tier, priority: int, ports: Ports) -> PolicySpec:
    """Read a policy of a *kind* whose rules name *ports* in its own way."""
    spec = policy["spec"]

    def rules(direction: str, side: str) -> tuple[Rule, ...] | None:
        items = spec.get(direction) or []
        found = (
            _rule(each, side, f"{direction}[{index}]", ports(each))
            for index, each in enumerate(items)
        )
        return tuple(found) or None

    return PolicySpec(
        kind=kind,
        key=name_of(policy),
        tier=tier,
        priority=priority,
        logged=is_logged(policy),
        subject=_subject(spec["subject"]),
        ingress=rules("ingress", "from"),
        egress=rules("egress", "to"),
    )


def _subject(subject: Object) -> Selection:
    """Read `subject`: pods by the labels of their namespaces, or by both."""
    found = _selection(subject)
    assert found is not None, "the API server admits no subject that selects nothing"
    return found


def _rule(item: Object, side: str, where: str, ports: Iterable[Span | NamedPort] | None) -> Rule:
    """Read a rule whose peers stand below *side*; its own name, if any, comes before *where*."""
    peers: list[Object] = item.get(side) or []
    action = _ACTIONS[item["action"]]
    selections, nodes, blocks = [], [], []
    known = True
    for peer in peers:
        selection = _selection(peer)
        if selection is not None:
            selections.append(selection)
        elif peer.get("nodes") is not None:
            nodes.append(NodeSelection(LabelSelector.from_object(peer["nodes"])))
        elif peer.get("networks"):
            blocks += [(cidr, ()) for cidr in peer["networks"]]
        else:
            known = False
    name = item.get("name") or where
    if not known and action != "allow":
        return Rule(name=name, action="deny", anyone=True)
    return Rule(
        name=name,
        action=action,
        ports=None if ports is None else tuple(ports),
        selections=tuple(selections),
        nodes=tuple(nodes),
        blocks=tuple(blocks),
    )


def named(name: str) -> tuple[NamedPort, ...]:
    """Return a port by name; these kinds do not say of which protocol."""
    return tuple(NamedPort(protocol, name) for protocol in PROTOCOLS)


def _selection(peer: Object) -> Selection | None:
    if (pods := peer.get("pods")) is not None:
        return Selection(
            LabelSelector.from_object(pods.get("namespaceSelector") or {}),
            LabelSelector.from_object(pods.get("podSelector") or {}),
        )
    if (namespaces := peer.get("namespaces")) is not None:
        return Selection(LabelSelector.from_object(namespaces), EVERYTHING)
    return None
