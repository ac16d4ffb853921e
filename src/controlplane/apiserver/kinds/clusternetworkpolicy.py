"""ClusterNetworkPolicies: the administrator's tiers (policy.networking.k8s.io/v1alpha2).

Upstream: kubernetes-sigs/network-policy-api, where it is a CRD. Nothing here enforces them: that is
`nodeagent.policy`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from controlplane.apiserver.kinds import cells, cluster_policy, metadata, strategy
from controlplane.apiserver.kinds.kind import Cell, Column, Kind
from kubeapi import field, validation
from kubeapi.objects import Object, name_of
from kubeapi.resources import CLUSTERNETWORKPOLICIES
from kubeapi.status import Cause

_TIERS: Final = ("Admin", "Baseline")
_ACTIONS: Final = ("Accept", "Deny", "Pass")
_ITEMS_MAX: Final = 25
_PROTOCOLS: Final = ("tcp", "udp", "sctp", "destinationNamedPort")


def default(policy: Object) -> None:
    """Have a spec, if only to be told what it lacks."""
    policy["spec"] = policy.get("spec") or {}


def validate(policy: Object) -> list[Cause]:
    spec = policy["spec"]
    causes = metadata.validate(policy, validation.dns1123_subdomain)
    if spec.get("tier") not in _TIERS:
        causes.append(field.not_supported("spec.tier", spec.get("tier"), _TIERS))
    return [
        *causes,
        *cluster_policy.validate_priority(spec),
        *cluster_policy.validate_subject(spec),
        *cluster_policy.validate_rules(spec, _ACTIONS, _ITEMS_MAX, _validate_protocols),
    ]


def _validate_protocols(rule: Object, path: str) -> Iterator[Cause]:
    protocols = rule.get("protocols")
    if protocols is None:
        return
    yield from cluster_policy.validate_count(protocols, f"{path}.protocols", _ITEMS_MAX)
    for index, item in enumerate(protocols):
        where = f"{path}.protocols[{index}]"
        yield from cluster_policy.one_of(item, where, _PROTOCOLS)
        for protocol in _PROTOCOLS[:3]:
            if (matched := item.get(protocol)) is not None:
                yield from _validate_matched(matched, f"{where}.{protocol}")
    has_named = any(item.get("destinationNamedPort") for item in protocols)
    yield from cluster_policy.no_named_ports_outside(rule, path, has_named=has_named)


def _validate_matched(matched: Object, path: str) -> Iterator[Cause]:
    yield from cluster_policy.one_of(matched, path, ("destinationPort",))
    port, where = matched.get("destinationPort"), f"{path}.destinationPort"
    if port is None:
        return
    yield from cluster_policy.one_of(port, where, ("number", "range"))
    most = cluster_policy.PORT_MAX
    if port.get("number") is not None:
        yield from cluster_policy.in_bounds(port["number"], f"{where}.number", 1, most)
    if (span := port.get("range")) is not None:
        for each in ("start", "end"):
            yield from cluster_policy.in_bounds(span[each], f"{where}.range.{each}", 1, most)
        if span["start"] >= span["end"]:
            detail = "Start port must be less than End port"
            yield field.invalid(f"{where}.range", "object", detail)


def row(policy: Object, now: float) -> Sequence[Cell]:
    tier, priority = policy["spec"].get("tier", ""), cluster_policy.priority_cell(policy)
    return name_of(policy), tier, priority, cells.age(policy, now)


CLUSTERNETWORKPOLICY: Final = Kind(
    resource=CLUSTERNETWORKPOLICIES,
    singular="clusternetworkpolicy",
    short_names=("cnp",),
    subresources=("status",),
    default=default,
    prepare_create=strategy.begin_generation,
    prepare_update=strategy.keep_status_and_count,
    prepare_status_update=strategy.keep_all_but_status,
    validate=validate,
    validate_update=metadata.validate_update,
    columns=(
        cells.NAME,
        Column("Tier", description="Before or behind NetworkPolicies."),
        Column("Priority", description="Lower ones are asked first, within a tier."),
        cells.AGE,
    ),
    cells=row,
)
