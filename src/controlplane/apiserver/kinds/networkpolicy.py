"""NetworkPolicies: which pods may speak with whom (networking.k8s.io/v1).

Upstream: pkg/apis/networking/validation. Nothing here enforces them: that is `nodeagent.policy`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import ip_network
from typing import Final

from controlplane.apiserver.kinds import cells, metadata
from controlplane.apiserver.kinds.addresses import validate_cidr
from controlplane.apiserver.kinds.kind import Cell, Column, Kind
from controlplane.apiserver.kinds.pod.scheduling import validate_label_selector
from kubeapi import field, validation
from kubeapi.objects import Object, name_of
from kubeapi.resources import NETWORKPOLICIES
from kubeapi.status import Cause

PROTOCOLS: Final = ("TCP", "UDP", "SCTP")
_POLICY_TYPES: Final = ("Egress", "Ingress")
#: Direction → what its rules call the other side.
_PEERS: Final = {"ingress": "from", "egress": "to"}


def default(policy: Object) -> None:
    """A port is TCP; a policy is about ingress, and about egress when it has rules for it."""
    spec = policy["spec"] = policy.get("spec") or {}
    spec["podSelector"] = spec.get("podSelector") or {}
    for direction in _PEERS:
        for rule in spec.get(direction) or []:
            for port in rule.get("ports") or []:
                port["protocol"] = port.get("protocol") or "TCP"
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", *(["Egress"] if spec.get("egress") else [])]


def prepare_create(policy: Object) -> None:
    """Begin to count generations."""
    policy["metadata"]["generation"] = 1


def prepare_update(new: Object, old: Object) -> None:
    """Count a generation when the spec changed."""
    generation = old["metadata"].get("generation", 0)
    new["metadata"]["generation"] = generation + (new.get("spec") != old.get("spec"))


def validate(policy: Object) -> list[Cause]:
    spec = policy["spec"]
    causes = metadata.validate(policy, validation.dns1123_subdomain)
    causes += validate_label_selector(spec["podSelector"], "spec.podSelector")
    for direction, side in _PEERS.items():
        for index, rule in enumerate(spec.get(direction) or []):
            path = f"spec.{direction}[{index}]"
            for number, port in enumerate(rule.get("ports") or []):
                causes += _validate_port(port, f"{path}.ports[{number}]")
            for number, peer in enumerate(rule.get(side) or []):
                causes += _validate_peer(peer, f"{path}.{side}[{number}]")
    return [*causes, *_validate_types(spec["policyTypes"])]


def _validate_types(types: Sequence[str]) -> Iterator[Cause]:
    if len(types) > len(_POLICY_TYPES):
        detail = "may not specify more than two policyTypes"
        yield field.invalid("spec.policyTypes", list(types), detail)
        return
    for index, each in enumerate(types):
        if each not in _POLICY_TYPES:
            yield field.not_supported(f"spec.policyTypes[{index}]", each, _POLICY_TYPES)


def _validate_port(entry: Object, path: str) -> Iterator[Cause]:
    protocol, port, last = entry.get("protocol"), entry.get("port"), entry.get("endPort")
    if protocol not in PROTOCOLS:
        yield field.not_supported(f"{path}.protocol", protocol, PROTOCOLS)
    if isinstance(port, int):
        for message in validation.port_number(port):
            yield field.invalid(f"{path}.port", port, message)
        if last is not None and last < port:
            detail = "must be greater than or equal to `port`"
            yield field.invalid(f"{path}.endPort", port, detail)
        for message in [] if last is None else validation.port_number(last):
            yield field.invalid(f"{path}.endPort", last, message)
        return
    if last is not None:
        what = "not specified" if port is None else "non-numeric"
        detail = f"may not be specified when `port` is {what}"
        yield field.invalid(f"{path}.endPort", last, detail)
    for message in [] if port is None else validation.port_name(port):
        yield field.invalid(f"{path}.port", port, message)


def _validate_peer(peer: Object, path: str) -> Iterator[Cause]:
    selectors = [
        each for each in ("podSelector", "namespaceSelector") if peer.get(each) is not None
    ]
    for each in selectors:
        yield from validate_label_selector(peer[each], f"{path}.{each}")
    block = peer.get("ipBlock")
    if block is not None:
        yield from _validate_block(block, f"{path}.ipBlock")
    if block is None and not selectors:
        yield field.required(path, "must specify a peer")
    elif block is not None and selectors:
        yield field.forbidden(path, "may not specify both ipBlock and another peer")


def _validate_block(block: Object, path: str) -> Iterator[Cause]:
    cidr = block.get("cidr") or ""
    if not cidr:
        yield field.required(f"{path}.cidr")
        return
    wrong = validate_cidr(cidr, f"{path}.cidr")
    yield from wrong
    for index, text in enumerate([] if wrong else block.get("except") or []):
        where = f"{path}.except[{index}]"
        causes = validate_cidr(text, where)
        yield from causes
        if not causes and not _is_strict_subset(text, cidr):
            yield field.invalid(where, text, "must be a strict subset of `cidr`")


def _is_strict_subset(text: str, cidr: str) -> bool:
    inner, outer = ip_network(text, strict=False), ip_network(cidr, strict=False)
    return inner.prefixlen > outer.prefixlen and inner.network_address in outer


def row(policy: Object, now: float) -> Sequence[Cell]:
    selector = cells.label_selector(policy["spec"]["podSelector"])
    return name_of(policy), selector, cells.age(policy, now)


NETWORKPOLICY: Final = Kind(
    resource=NETWORKPOLICIES,
    singular="networkpolicy",
    short_names=("netpol",),
    default=default,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    validate=validate,
    validate_update=metadata.validate_update,
    columns=(cells.NAME, Column("Pod-Selector", description="Pods it applies to."), cells.AGE),
    cells=row,
)
