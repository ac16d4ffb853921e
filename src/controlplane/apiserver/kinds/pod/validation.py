"""What may be wrong with a pod or a pod template (upstream: ValidatePodSpec)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from controlplane.apiserver.kinds import metadata
from controlplane.apiserver.kinds.addresses import validate_address
from controlplane.apiserver.kinds.pod.containers import validate_containers
from controlplane.apiserver.kinds.pod.scheduling import validate_scheduling
from controlplane.apiserver.kinds.pod.sysctls import validate_sysctls
from controlplane.apiserver.kinds.pod.volumes import validate_volumes
from controlplane.apiserver.kinds.quantities import NOT_NEGATIVE
from kubeapi import field, validation
from kubeapi.objects import Object
from kubeapi.status import Cause

RESTART_POLICIES: Final = ("Always", "Never", "OnFailure")
_DNS_POLICIES: Final = ("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None")
_PREEMPTION_POLICIES: Final = ("PreemptLowerPriority", "Never")
_NAMESERVERS_MAX: Final = 3
_DEADLINE_MAX_S: Final = 2**31 - 1


def validate(pod: Object) -> list[Cause]:
    return [*metadata.validate(pod, validation.dns1123_subdomain), *validate_spec(pod["spec"])]


def validate_spec(spec: Object, path: str = "spec") -> Iterator[Cause]:
    """Judge a pod's spec that stands under *path*."""
    yield from validate_volumes(spec.get("volumes") or [], f"{path}.volumes")
    yield from validate_containers(spec, path)
    for key, supported in (("restartPolicy", RESTART_POLICIES), ("dnsPolicy", _DNS_POLICIES)):
        if spec[key] not in supported:
            yield field.not_supported(f"{path}.{key}", spec[key], supported)
    yield from _validate_dns(spec, path)
    yield from validate_sysctls(spec, f"{path}.securityContext.sysctls")
    yield from _validate_numbers(spec, path)
    yield from _validate_names(spec, path)
    yield from validate_scheduling(spec, path)
    for index, gate in enumerate(spec.get("readinessGates") or []):
        at = f"{path}.readinessGates[{index}].conditionType"
        kind = gate.get("conditionType") or ""
        yield from validation.validate_name(kind, at, validation.qualified_name)


def _validate_numbers(spec: Object, path: str) -> Iterator[Cause]:
    grace_s, deadline_s = spec["terminationGracePeriodSeconds"], spec.get("activeDeadlineSeconds")
    if grace_s < 0:
        yield field.invalid(f"{path}.terminationGracePeriodSeconds", grace_s, NOT_NEGATIVE)
    if deadline_s is not None and not 1 <= deadline_s <= _DEADLINE_MAX_S:
        detail = f"must be between 1 and {_DEADLINE_MAX_S}, inclusive"
        yield field.invalid(f"{path}.activeDeadlineSeconds", deadline_s, detail)
    policy = spec.get("preemptionPolicy")
    if policy is not None and policy not in _PREEMPTION_POLICIES:
        yield field.not_supported(f"{path}.preemptionPolicy", policy, _PREEMPTION_POLICIES)


def _validate_names(spec: Object, path: str) -> Iterator[Cause]:
    for key, rule in (
        ("nodeName", validation.dns1123_subdomain),
        ("serviceAccountName", validation.dns1123_subdomain),
        ("priorityClassName", validation.dns1123_subdomain),
        ("runtimeClassName", validation.dns1123_subdomain),
        ("hostname", validation.dns1123_label),
        ("subdomain", validation.dns1123_label),
    ):
        if value := spec.get(key):
            yield from validation.validate_name(value, f"{path}.{key}", rule)
    for index, secret in enumerate(spec.get("imagePullSecrets") or []):
        if not secret.get("name"):
            yield field.required(f"{path}.imagePullSecrets[{index}].name")
    for index, gate in enumerate(spec.get("schedulingGates") or []):
        at = f"{path}.schedulingGates[{index}].name"
        yield from validation.validate_name(gate.get("name") or "", at, validation.qualified_name)


def _validate_dns(spec: Object, path: str) -> Iterator[Cause]:
    servers = (spec.get("dnsConfig") or {}).get("nameservers") or []
    at = f"{path}.dnsConfig.nameservers"
    if spec["dnsPolicy"] == "None" and not servers:
        detail = f"must provide at least one DNS nameserver when `dnsPolicy` is {spec['dnsPolicy']}"
        yield field.required(at, detail)
    if len(servers) > _NAMESERVERS_MAX:
        detail = f"must not have more than {_NAMESERVERS_MAX} nameservers"
        yield field.invalid(at, servers, detail)
    for index, server in enumerate(servers):
        yield from validate_address(server, f"{at}[{index}]")
    for index, alias in enumerate(spec.get("hostAliases") or []):
        alias_path = f"{path}.hostAliases[{index}]"
        yield from validate_address(alias.get("ip") or "", f"{alias_path}.ip")
        for number, name in enumerate(alias.get("hostnames") or []):
            name_path = f"{alias_path}.hostnames[{number}]"
            yield from validation.validate_name(name, name_path, validation.dns1123_subdomain)
