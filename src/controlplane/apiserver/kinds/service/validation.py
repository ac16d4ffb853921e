"""What may be wrong with a Service (upstream: ValidateService, ValidateServiceUpdate)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from controlplane.apiserver.kinds import metadata
from controlplane.apiserver.kinds.addresses import validate_backend_address
from controlplane.apiserver.kinds.go_syntax import go_strings
from controlplane.apiserver.kinds.service import families, ports, traffic
from controlplane.apiserver.kinds.service.strategy import (
    HEADLESS,
    is_headless,
    needs_cluster_ip,
)
from kubeapi import field, validation
from kubeapi.objects import Object
from kubeapi.status import Cause

_TYPES: Final = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_AFFINITIES: Final = ("ClientIP", "None")
_AFFINITY_TIMEOUT_MAX_S: Final = 86_400


def validate(service: Object, configured: Sequence[str]) -> list[Cause]:
    """Judge *service* in a cluster that has the address families *configured*."""
    spec = service["spec"]
    causes = metadata.validate(service, validation.dns1035_label)
    if spec["type"] not in _TYPES:
        causes.append(field.not_supported("spec.type", spec["type"], _TYPES))
    causes += _validate_type(service)
    causes += ports.validate(service)
    causes += validation.validate_labels(spec.get("selector") or {}, "spec.selector")
    causes += _validate_affinity(spec)
    causes += _validate_cluster_ips(service, configured)
    for index, address in enumerate(spec.get("externalIPs") or []):
        causes += validate_backend_address(address, f"spec.externalIPs[{index}]")
    return [*causes, *traffic.validate(service)]


def _validate_type(service: Object) -> Iterator[Cause]:
    spec, kind = service["spec"], service["spec"]["type"]
    if not spec.get("ports") and not is_headless(service) and kind != "ExternalName":
        yield field.required("spec.ports")
    if kind in ("NodePort", "LoadBalancer") and is_headless(service):
        detail = f"may not be set to 'None' for {kind} services"
        yield field.invalid("spec.clusterIPs[0]", HEADLESS, detail)
    if kind != "ExternalName":
        return
    name = (spec.get("externalName") or "").removesuffix(".")
    if name:
        yield from validation.validate_name(name, "spec.externalName", validation.dns1123_subdomain)
    else:
        yield field.required("spec.externalName")


def _validate_affinity(spec: Object) -> Iterator[Cause]:
    affinity = spec["sessionAffinity"]
    if affinity not in _AFFINITIES:
        yield field.not_supported("spec.sessionAffinity", affinity, _AFFINITIES)
    if affinity == "ClientIP":
        timeout_s = spec["sessionAffinityConfig"]["clientIP"]["timeoutSeconds"]
        if not 0 < timeout_s <= _AFFINITY_TIMEOUT_MAX_S:
            path = "spec.sessionAffinityConfig.clientIP.timeoutSeconds"
            detail = f"must be greater than 0 and less than {_AFFINITY_TIMEOUT_MAX_S}"
            yield field.invalid(path, timeout_s, detail)


def _validate_cluster_ips(service: Object, configured: Sequence[str]) -> Iterator[Cause]:
    spec = service["spec"]
    cluster_ips = spec.get("clusterIPs") or []
    if needs_cluster_ip(service) and cluster_ips and spec.get("clusterIP") != cluster_ips[0]:
        yield field.invalid(
            "spec.clusterIPs", go_strings(cluster_ips), "first value must match `clusterIP`"
        )
    yield from families.validate(service, configured)


def validate_update(new: Object, old: Object) -> list[Cause]:
    causes = metadata.validate_update(new, old)
    if not (needs_cluster_ip(new) and needs_cluster_ip(old)):
        return causes  # To and from ExternalName, everything may change.
    causes += families.validate_update(new, old)
    return [*causes, *traffic.validate_update(new, old)]
