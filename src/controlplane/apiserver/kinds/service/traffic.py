"""What a Service says of traffic: policies, health checks, balancers and their addresses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from controlplane.apiserver.kinds.addresses import validate_address, validate_cidr
from controlplane.apiserver.kinds.service.strategy import (
    needs_health_check_port,
    takes_external_traffic,
)
from kubeapi import field, validation
from kubeapi.objects import Object, annotations_of
from kubeapi.status import Cause

_BALANCED_ONLY: Final = "may only be used when `type` is 'LoadBalancer'"
_POLICIES: Final = ("Cluster", "Local")
_DISTRIBUTIONS: Final = ("PreferClose", "PreferSameNode", "PreferSameZone")
_IP_MODES: Final = ("Proxy", "VIP")
#: What loadBalancerSourceRanges were before they were a field; judged, and obeyed by nobody.
_RANGES: Final = "service.beta.kubernetes.io/load-balancer-source-ranges"


def validate(service: Object) -> Iterator[Cause]:
    """Judge spec and status."""
    spec = service["spec"]
    yield from _validate_policies(service)
    distribution = spec.get("trafficDistribution")
    if distribution is not None and distribution not in _DISTRIBUTIONS:
        yield field.not_supported("spec.trafficDistribution", distribution, _DISTRIBUTIONS)
    yield from _validate_health_check(service)
    yield from _validate_load_balancer(spec)
    yield from _validate_ranges(service)
    yield from _validate_ingress(service)


def _validate_policies(service: Object) -> Iterator[Cause]:
    spec = service["spec"]
    external = spec.get("externalTrafficPolicy") or ""
    if external and not takes_external_traffic(service):
        detail = "may only be set for externally-accessible services"
        yield field.invalid("spec.externalTrafficPolicy", external, detail)
    elif external and external not in _POLICIES:
        yield field.not_supported("spec.externalTrafficPolicy", external, _POLICIES)
    internal = spec.get("internalTrafficPolicy")
    if internal and internal not in _POLICIES:
        yield field.not_supported("spec.internalTrafficPolicy", internal, _POLICIES)


def _validate_health_check(service: Object) -> Iterator[Cause]:
    path, port = "spec.healthCheckNodePort", service["spec"].get("healthCheckNodePort") or 0
    if port < 0:
        yield field.invalid(path, port, "must be greater than or equal to 0")
    elif port and not needs_health_check_port(service):
        detail = (
            "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        )
        yield field.invalid(path, port, detail)


def _validate_load_balancer(spec: Object) -> Iterator[Cause]:
    if spec["type"] == "LoadBalancer":
        if (name := spec.get("loadBalancerClass")) is not None:
            path = "spec.loadBalancerClass"
            yield from validation.validate_name(name, path, validation.qualified_name)
        return
    for key in ("allocateLoadBalancerNodePorts", "loadBalancerClass"):
        if spec.get(key) is not None:
            yield field.forbidden(f"spec.{key}", _BALANCED_ONLY)


def _validate_ranges(service: Object) -> Iterator[Cause]:
    """Judge the field, or the annotation where there is none; blanks around a range are allowed."""
    spec, annotation = service["spec"], annotations_of(service).get(_RANGES)
    if ranges := spec.get("loadBalancerSourceRanges"):
        path = "spec.LoadBalancerSourceRanges"  # Written so upstream.
        places = [f"{path}[{index}]" for index in range(len(ranges))]
    elif annotation is not None:
        path = f"metadata.annotations[{_RANGES}]"
        ranges = annotation.split(",") if annotation.strip() else []
        places = [path] * len(ranges)
    else:
        return
    if spec["type"] != "LoadBalancer":
        yield field.forbidden(path, _BALANCED_ONLY)
    else:
        for text, place in zip(ranges, places, strict=True):
            yield from validate_cidr(text.strip(), place)


def _validate_ingress(service: Object) -> Iterator[Cause]:
    balancer = (service.get("status") or {}).get("loadBalancer") or {}
    ingress = balancer.get("ingress") or []
    if ingress and service["spec"]["type"] != "LoadBalancer":
        detail = 'may only be used when `spec.type` is "LoadBalancer"'
        yield field.forbidden("status.loadBalancer.ingress", detail)
        return
    for index, item in enumerate(ingress):
        yield from _validate_address(item, f"status.loadBalancer.ingress[{index}]")


def _validate_address(item: Object, path: str) -> Iterator[Cause]:
    address, mode, hostname = item.get("ip"), item.get("ipMode"), item.get("hostname")
    if address:
        yield from validate_address(address, f"{path}.ip")
        if mode is None:
            yield field.required(f"{path}.ipMode", "must be specified when `ip` is set")
    elif mode is not None:
        yield field.forbidden(f"{path}.ipMode", "may not be specified when `ip` is not set")
    if mode is not None and mode not in _IP_MODES:
        yield field.not_supported(f"{path}.ipMode", mode, _IP_MODES)
    if hostname:
        yield from validation.validate_name(
            hostname, f"{path}.hostname", validation.dns1123_subdomain
        )


def validate_update(new: Object, old: Object) -> Iterator[Cause]:
    """A balancer knows the health check's port, and whose the Service is: they stay."""
    after, before = new["spec"], old["spec"]
    key = "healthCheckNodePort"
    if needs_health_check_port(new) and needs_health_check_port(old):
        port, known = after.get(key) or 0, before.get(key) or 0
        if known and port != known:
            yield field.invalid(f"spec.{key}", port, "field is immutable")
    key = "loadBalancerClass"
    both = after["type"] == before["type"] == "LoadBalancer"
    if both and after.get(key) != before.get(key):
        yield field.invalid(f"spec.{key}", after.get(key), "may not change once set")
