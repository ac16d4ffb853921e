"""What may be wrong with a pod or a pod template (upstream: ValidatePodSpec)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from controlplane.apiserver.kinds import metadata
from controlplane.apiserver.kinds.pod import ephemeral_containers, resources
from controlplane.apiserver.kinds.pod.containers import validate_containers
from controlplane.apiserver.kinds.pod.dns import POLICIES as DNS_POLICIES
from controlplane.apiserver.kinds.pod.dns import validate_dns
from controlplane.apiserver.kinds.pod.scheduling import validate_scheduling
from controlplane.apiserver.kinds.pod.security_context import validate_of_pod
from controlplane.apiserver.kinds.pod.topology_spread import validate_constraints
from controlplane.apiserver.kinds.pod.volumes import validate_volumes
from controlplane.apiserver.kinds.quantities import NOT_NEGATIVE
from kubeapi import field, validation
from kubeapi.objects import Object
from kubeapi.status import Cause

RESTART_POLICIES: Final = ("Always", "Never", "OnFailure")
_SYSTEMS: Final = ("linux", "windows")
_PREEMPTION_POLICIES: Final = ("PreemptLowerPriority", "Never")
_DEADLINE_MAX_S: Final = 2**31 - 1


def validate(pod: Object) -> list[Cause]:
    return [*metadata.validate(pod, validation.dns1123_subdomain), *validate_spec(pod["spec"])]


def validate_spec(spec: Object, path: str = "spec") -> Iterator[Cause]:
    """Judge a pod's spec that stands under *path*."""
    yield from validate_volumes(spec.get("volumes") or [], f"{path}.volumes")
    yield from validate_containers(spec, path)
    for key, supported in (("restartPolicy", RESTART_POLICIES), ("dnsPolicy", DNS_POLICIES)):
        if spec[key] not in supported:
            yield field.not_supported(f"{path}.{key}", spec[key], supported)
    yield from validate_dns(spec, path)
    yield from validate_of_pod(spec, path)
    yield from _validate_numbers(spec, path)
    yield from _validate_names(spec, path)
    yield from validate_scheduling(spec, path)
    yield from validate_constraints(
        spec.get("topologySpreadConstraints") or (), f"{path}.topologySpreadConstraints"
    )
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
    yield from resources.validate({"limits": spec.get("overhead") or {}}, f"{path}.overhead")
    if (system := spec.get("os")) is not None and system.get("name") not in _SYSTEMS:
        yield field.not_supported(f"{path}.os.name", system.get("name") or "", _SYSTEMS)
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
    gates = [gate.get("name") or "" for gate in spec.get("schedulingGates") or []]
    for index, name in enumerate(gates):
        at = f"{path}.schedulingGates[{index}]"
        yield from validation.validate_name(name, f"{at}.name", validation.qualified_name)
        if name in gates[:index]:
            yield field.duplicate(at, name)


def validate_create(pod: Object) -> list[Cause]:
    """Judge what only a new pod may not say (upstream: ValidatePodCreate)."""
    spec, causes = pod["spec"], ephemeral_containers.validate_create(pod)
    if spec.get("nodeName") and spec.get("schedulingGates"):
        detail = "cannot be set until all schedulingGates have been cleared"
        causes.append(field.forbidden("spec.nodeName", detail))
    return causes
