"""What the kinds of network-policy-api share: subjects, peers, bounds; their CRDs' validation.

Wordings are those of the structural schemas and CEL rules that upstream's CRDs carry. Peers by
domain names are refused: nothing here learns from DNS which addresses a name has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from controlplane.apiserver.kinds.addresses import validate_cidr
from controlplane.apiserver.kinds.pod.scheduling import validate_label_selector
from kubeapi import field
from kubeapi.objects import Object
from kubeapi.status import Cause

PROTOCOLS: Final = ("TCP", "UDP", "SCTP")
PRIORITY_MAX: Final = 1000
PORT_MAX: Final = 65535
_NAME_MAX: Final = 100
_NETWORKS_MAX: Final = 25
_SUBJECTS: Final = ("namespaces", "pods")
#: Direction → what its rules call the other side, and which kinds of peers that may be.
_SIDES: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "ingress": ("from", _SUBJECTS),
    "egress": ("to", (*_SUBJECTS, "nodes", "networks", "domainNames")),
}
_NO_NAMED_PORTS: Final = "networks/nodes/domainNames"
_DOMAIN_NAMES: Final = (
    "peers by domain names are not supported here: give their addresses as networks"
)

#: Judges the ports of one rule, given the rule and its path.
PortsRule = Callable[[Object, str], Iterator[Cause]]


def validate_priority(spec: Object) -> Iterator[Cause]:
    """Judge `spec.priority`."""
    yield from in_bounds(spec.get("priority", 0), "spec.priority", 0, PRIORITY_MAX)


def priority_cell(policy: Object) -> str:
    """Return the cell of the Priority column."""
    return str(policy["spec"].get("priority", 0))


def in_bounds(value: int, path: str, least: int, most: int) -> Iterator[Cause]:
    """Judge a number as `minimum` and `maximum` of a schema do."""
    if value < least:
        detail = f"{path} in body should be greater than or equal to {least}"
        yield field.invalid(path, value, detail)
    elif value > most:
        yield field.invalid(path, value, f"{path} in body should be less than or equal to {most}")


def one_of(value: Object, path: str, known: Sequence[str]) -> Iterator[Cause]:
    """Judge an object of which exactly one field must be set."""
    count = sum(value.get(each) is not None for each in known)
    if count > 1:
        yield field.invalid(path, count, f"{path} in body should have at most 1 properties")
    elif count < 1:
        yield field.invalid(path, count, f"{path} in body should have at least 1 properties")


def validate_subject(spec: Object) -> Iterator[Cause]:
    """Judge `spec.subject`."""
    subject = spec.get("subject") or {}
    yield from one_of(subject, "spec.subject", _SUBJECTS)
    yield from _validate_selectors(subject, "spec.subject")


def validate_rules(
    spec: Object, actions: Sequence[str], items_max: int, ports: PortsRule
) -> Iterator[Cause]:
    """Judge the rules of both directions; *ports* judges what differs between the kinds."""
    for direction, (side, kinds) in _SIDES.items():
        rules = spec.get(direction) or []
        if len(rules) > items_max:
            yield field.too_many(f"spec.{direction}", len(rules), items_max)
        for index, rule in enumerate(rules):
            path = f"spec.{direction}[{index}]"
            yield from _validate_rule(rule, path, actions)
            yield from _validate_peers(rule.get(side) or [], f"{path}.{side}", kinds, items_max)
            yield from ports(rule, path)


def _validate_rule(rule: Object, path: str, actions: Sequence[str]) -> Iterator[Cause]:
    if rule["action"] not in actions:
        yield field.not_supported(f"{path}.action", rule["action"], actions)
    if len(rule.get("name") or "") > _NAME_MAX:
        yield field.too_long(f"{path}.name", _NAME_MAX)


def _validate_peers(
    peers: Sequence[Object], path: str, kinds: Sequence[str], items_max: int
) -> Iterator[Cause]:
    if not peers:
        yield field.invalid(path, 0, f"{path} in body should have at least 1 items")
    if len(peers) > items_max:
        yield field.too_many(path, len(peers), items_max)
    for index, peer in enumerate(peers):
        where = f"{path}[{index}]"
        yield from one_of(peer, where, kinds)
        yield from _validate_selectors(peer, where)
        yield from validate_label_selector(peer.get("nodes"), f"{where}.nodes")
        if peer.get("domainNames") is not None:
            yield field.forbidden(f"{where}.domainNames", _DOMAIN_NAMES)
        if (networks := peer.get("networks")) is not None:
            yield from _validate_networks(networks, f"{where}.networks")


def _validate_selectors(peer: Object, path: str) -> Iterator[Cause]:
    yield from validate_label_selector(peer.get("namespaces"), f"{path}.namespaces")
    for each in ("namespaceSelector", "podSelector") if peer.get("pods") else ():
        yield from validate_label_selector(peer["pods"].get(each), f"{path}.pods.{each}")


def _validate_networks(networks: Sequence[str], path: str) -> Iterator[Cause]:
    if not networks:
        yield field.invalid(path, 0, f"{path} in body should have at least 1 items")
    if len(networks) > _NETWORKS_MAX:
        yield field.too_many(path, len(networks), _NETWORKS_MAX)
    for index, cidr in enumerate(networks):
        if validate_cidr(cidr, path):
            yield field.invalid(f"{path}[{index}]", cidr, "Invalid CIDR format provided")
        elif cidr in networks[:index]:
            yield field.duplicate(f"{path}[{index}]", cidr)


def validate_count(items: Sequence[Object], path: str, items_max: int) -> Iterator[Cause]:
    """Judge how many ports a rule lists; none at all is another matter than no list."""
    if not items:
        yield field.invalid(path, 0, f"{path} in body should have at least 1 items")
    if len(items) > items_max:
        yield field.too_many(path, len(items), items_max)


def no_named_ports_outside(rule: Object, path: str, *, has_named: bool) -> Iterator[Cause]:
    """Judge that names of ports are asked only of pods, which alone give them."""
    peers = rule.get("to") or []
    beyond = any(
        peer.get(each) is not None
        for peer in peers
        for each in ("networks", "nodes", "domainNames")
    )
    if has_named and beyond:
        detail = (
            f"{_NO_NAMED_PORTS} peer cannot be set with namedPorts "
            f"since there are no namedPorts for {_NO_NAMED_PORTS}"
        )
        yield field.invalid(path, "object", detail)
