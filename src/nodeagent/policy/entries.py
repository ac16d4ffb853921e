"""Rows of the datapath's table `policy`: tiers of rules, with sets instead of selectors.

Named ports of ingress are the subject's own, those of egress the receiver's: one row for each
number that receivers give the name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from kubeapi.objects import Object
from nodeagent.policy.address_sets import Number, set_name
from nodeagent.policy.facts import PodFacts
from nodeagent.policy.spec import ALL_PODS, NamedPort, PolicySpec, Rule, Span, Tier, Which

#: Tells which numbers the pods of a set give its port.
NumbersOf = Callable[[Which], Iterable[Number]]
#: Gives the rows of a policy's egress, which are the same for all its subjects.
EgressOf = Callable[[PolicySpec], Sequence[Object]]


def entry(pod: PodFacts, specs: Sequence[PolicySpec], egress_of: EgressOf) -> Object:
    """Return the row of *pod*, whose policies are *specs*, in order."""
    return {
        "pod": pod.key,
        "addresses": list(pod.addresses),
        "ingress": _tiers(specs, "ingress", lambda spec: ingress_rows(spec, pod)),
        "egress": _tiers(specs, "egress", egress_of),
    }


def _tiers(
    specs: Sequence[PolicySpec], direction: str, rows_of: Callable[[PolicySpec], Sequence[Object]]
) -> list[Object]:
    found = []
    for tier in Tier:
        mine = [spec for spec in specs if spec.tier is tier and spec.rules(direction) is not None]
        if mine:
            isolates = tier is Tier.NETWORK_POLICY
            found.append(
                {
                    "tier": tier.text,
                    "rules": [row for spec in mine for row in rows_of(spec)],
                    "isolated_by": [spec.text for spec in mine] if isolates else [],
                }
            )
    return found


def ingress_rows(spec: PolicySpec, pod: PodFacts) -> list[Object]:
    """Return the rules of *spec* for what *pod* may be sent."""
    return [row for rule in spec.ingress or () for row in _ingress(spec, rule, pod)]


def _ingress(spec: PolicySpec, rule: Rule, pod: PodFacts) -> Iterator[Object]:
    if rule.ports is None:
        yield _row(spec, rule, None, _sets_of(rule))
        return
    spans = []
    for port in rule.ports:
        if isinstance(port, Span):
            spans.append(port)
        elif (number := pod.ports.get((port.protocol, port.name))) is not None:
            spans.append(Span(port.protocol, number, number))
    if spans:
        yield _row(spec, rule, spans, _sets_of(rule))


def egress_rows(spec: PolicySpec, numbers_of: NumbersOf) -> list[Object]:
    """Return the rules of *spec* for what its subjects may send."""
    return [row for rule in spec.egress or () for row in _egress(spec, rule, numbers_of)]


def _egress(spec: PolicySpec, rule: Rule, numbers_of: NumbersOf) -> Iterator[Object]:
    spans = [port for port in rule.ports or () if isinstance(port, Span)]
    if rule.ports is None or spans:
        yield _row(spec, rule, None if rule.ports is None else spans, _sets_of(rule))
    for port in rule.ports or ():
        if isinstance(port, NamedPort):
            yield from _named_egress(spec, rule, port, numbers_of)


def _named_egress(
    spec: PolicySpec, rule: Rule, port: NamedPort, numbers_of: NumbersOf
) -> Iterator[Object]:
    """Mean each number of *port* with those pods that give it that number."""
    for selection in (ALL_PODS,) if rule.anyone else rule.selections:
        for number in numbers_of((selection, port)):
            pods_only = Rule(name=rule.name, action=rule.action)
            span = Span(port.protocol, number, number)
            yield _row(spec, pods_only, [span], [set_name((selection, port), number)])


def _sets_of(rule: Rule) -> list[str]:
    return [set_name((each, None), 0) for each in rule.chosen]


def _row(spec: PolicySpec, rule: Rule, spans: Sequence[Span] | None, sets: Sequence[str]) -> Object:
    return {
        "policy": spec.text,
        "rule": rule.name,
        "action": rule.action,
        "log": spec.logged,
        "ports": None
        if spans is None
        else [
            {"protocol": span.protocol, "first": span.first, "last": span.last} for span in spans
        ],
        "anyone": rule.anyone,
        "sets": list(sets),
        "blocks": [{"cidr": cidr, "excluded": list(excluded)} for cidr, excluded in rule.blocks],
    }
