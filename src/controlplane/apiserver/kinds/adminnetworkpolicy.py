"""AdminNetworkPolicies and their baseline (policy.networking.k8s.io/v1alpha1).

Upstream: kubernetes-sigs/network-policy-api, where they are CRDs. Nothing here enforces them: that
is `nodeagent.policy`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from controlplane.apiserver.kinds import cells, cluster_policy, metadata, strategy
from controlplane.apiserver.kinds.kind import Cell, Column, Kind
from kubeapi import field, validation
from kubeapi.objects import Object, name_of
from kubeapi.resources import ADMINNETWORKPOLICIES, BASELINEADMINNETWORKPOLICIES
from kubeapi.status import Cause

_ACTIONS: Final = ("Allow", "Deny", "Pass")
_BASELINE_ACTIONS: Final = ("Allow", "Deny")
_ITEMS_MAX: Final = 100
_PORTS: Final = ("portNumber", "namedPort", "portRange")
_ONLY_DEFAULT: Final = (
    'Only one baseline admin network policy with metadata.name="default" '
    "can be created in the cluster"
)


def default(policy: Object) -> None:
    """A port is TCP."""
    spec = policy["spec"] = policy.get("spec") or {}
    rules = [*(spec.get("ingress") or []), *(spec.get("egress") or [])]
    ports = [port for rule in rules for port in rule.get("ports") or []]
    for port in ports:
        for value in filter(None, (port.get("portNumber"), port.get("portRange"))):
            value["protocol"] = value.get("protocol") or "TCP"


def validate(policy: Object) -> list[Cause]:
    return [
        *metadata.validate(policy, validation.dns1123_subdomain),
        *cluster_policy.validate_priority(policy["spec"]),
        *_validate(policy["spec"], _ACTIONS),
    ]


def validate_baseline(policy: Object) -> list[Cause]:
    causes = metadata.validate(policy, validation.dns1123_subdomain)
    if name_of(policy) != "default":
        causes.append(field.invalid("<nil>", "object", _ONLY_DEFAULT))
    return [*causes, *_validate(policy["spec"], _BASELINE_ACTIONS)]


def _validate(spec: Object, actions: Sequence[str]) -> Iterator[Cause]:
    yield from cluster_policy.validate_subject(spec)
    yield from cluster_policy.validate_rules(spec, actions, _ITEMS_MAX, _validate_ports)


def _validate_ports(rule: Object, path: str) -> Iterator[Cause]:
    ports = rule.get("ports")
    if ports is None:
        return
    yield from cluster_policy.validate_count(ports, f"{path}.ports", _ITEMS_MAX)
    for index, port in enumerate(ports):
        yield from _validate_port(port, f"{path}.ports[{index}]")
    has_named = any(port.get("namedPort") for port in ports)
    yield from cluster_policy.no_named_ports_outside(rule, path, has_named=has_named)


def _validate_port(port: Object, path: str) -> Iterator[Cause]:
    yield from cluster_policy.one_of(port, path, _PORTS)
    for kind, numbers in (("portNumber", ("port",)), ("portRange", ("start", "end"))):
        value = port.get(kind)
        if value is None:
            continue
        if value.get("protocol") not in cluster_policy.PROTOCOLS:
            given = value.get("protocol")
            yield field.not_supported(f"{path}.{kind}.protocol", given, cluster_policy.PROTOCOLS)
        for each in numbers:
            where = f"{path}.{kind}.{each}"
            yield from cluster_policy.in_bounds(value[each], where, 1, cluster_policy.PORT_MAX)
    span = port.get("portRange")
    if span is not None and span["start"] >= span["end"]:
        detail = "Start port must be less than End port"
        yield field.invalid(f"{path}.portRange", "object", detail)


def row(policy: Object, now: float) -> Sequence[Cell]:
    return name_of(policy), cluster_policy.priority_cell(policy), cells.age(policy, now)


def baseline_row(policy: Object, now: float) -> Sequence[Cell]:
    return name_of(policy), cells.age(policy, now)


ADMINNETWORKPOLICY: Final = Kind(
    resource=ADMINNETWORKPOLICIES,
    singular="adminnetworkpolicy",
    short_names=("anp",),
    subresources=("status",),
    default=default,
    prepare_create=strategy.begin_generation,
    prepare_update=strategy.keep_status_and_count,
    prepare_status_update=strategy.keep_all_but_status,
    validate=validate,
    validate_update=metadata.validate_update,
    columns=(cells.NAME, Column("Priority", description="Lower ones are asked first."), cells.AGE),
    cells=row,
)

BASELINEADMINNETWORKPOLICY: Final = Kind(
    resource=BASELINEADMINNETWORKPOLICIES,
    singular="baselineadminnetworkpolicy",
    short_names=("banp",),
    subresources=("status",),
    default=default,
    prepare_create=strategy.begin_generation,
    prepare_update=strategy.keep_status_and_count,
    prepare_status_update=strategy.keep_all_but_status,
    validate=validate_baseline,
    validate_update=metadata.validate_update,
    columns=(cells.NAME, cells.AGE),
    cells=baseline_row,
)
