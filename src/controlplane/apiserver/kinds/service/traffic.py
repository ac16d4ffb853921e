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
from kubeapi.objects import Object
from kubeapi.status import Cause

_POLICIES: Final = ("Cluster", "Local")
_DISTRIBUTIONS: Final = ("PreferClose", "PreferSameNode", "PreferSameZone")
_IP_MODES: Final = ("Proxy", "VIP")


def validate(service: Object) -> Iterator[Cause]:
    """Judge spec and status."""
    spec = service["spec"]
    yield from _validate_policies(service)
    distribution = spec.get("trafficDistribution")
    if distribution is not None and distribution not in _DISTRIBUTIONS:
        yield field.not_supported("spec.trafficDistribution", distribution, _DISTRIBUTIONS)
    yield from _validate_health_check(service)
    yield from _validate_load_balancer(spec)
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
        for index, cidr in enumerate(spec.get("loadBalancerSourceRanges") or []):
            yield from validate_cidr(cidr.strip(), f"spec.loadBalancerSourceRanges[{index}]")
        return
    if spec.get("loadBalancerSourceRanges"):
        detail = "may only be used when `type` is 'LoadBalancer'"
        yield field.forbidden("spec.loadBalancerSourceRanges", detail)
    for key in ("allocateLoadBalancerNodePorts", "loadBalancerClass"):
        if spec.get(key) is not None:
            detail = "may only be used when `type` is 'LoadBalancer'"
            yield field.forbidden(f"spec.{key}", detail)


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
    """A balancer knows the health check's port: it stays."""
    key = "healthCheckNodePort"
    if needs_health_check_port(new) and needs_health_check_port(old):
        after, before = new["spec"].get(key) or 0, old["spec"].get(key) or 0
        if before and after != before:
            yield field.invalid(f"spec.{key}", after, "field is immutable")
