"""Service ports as kube-proxy sees them (upstream: pkg/proxy/serviceport.go).

Upstream runs a proxier for each address family; here a port of a Service that has two is two. A
Service without a ClusterIP (headless, ExternalName) has none: it is DNS's affair.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from kubeapi.objects import Object, name_of, namespace_of

IPV4: Final = "IPv4"
IPV6: Final = "IPv6"

#: Upstream: DefaultClientIPServiceAffinitySeconds.
_AFFINITY_DEFAULT_S: Final = 10800


@dataclass(frozen=True, slots=True, order=True)
class ServicePortName:
    """Names one port of one Service; upstream's ServicePortName."""

    namespace: str
    service: str
    port: str
    protocol: str
    family: str = IPV4

    def __str__(self) -> str:
        port = f":{self.port}" if self.port else ""
        return f"{self.namespace}/{self.service}{port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServicePort:
    """What a Service says about one of its ports."""

    cluster_ip: str
    port: int
    protocol: str
    node_port: int
    #: externalIPs and the addresses a load balancer was given: reached from outside.
    external_addresses: tuple[str, ...]
    affinity_s: int
    internal_local: bool
    external_local: bool


def service_ports(service: Object) -> dict[ServicePortName, ServicePort]:
    """Return the ports of *service*; none when kube-proxy has nothing to do for it."""
    spec = service.get("spec", {})
    cluster_ips = spec.get("clusterIPs") or [spec.get("clusterIP", "")]
    if cluster_ips[0] in ("", "None") or spec.get("type") == "ExternalName":
        return {}
    return {
        _name(service, port, address): _port(service, port, address)
        for address in cluster_ips
        for port in spec.get("ports") or ()
    }


def family_of(address: str) -> str:
    """Return the family of *address*, as EndpointSlices call it."""
    return IPV6 if ":" in address else IPV4


def _name(service: Object, port: Object, cluster_ip: str) -> ServicePortName:
    protocol, family = port.get("protocol", "TCP"), family_of(cluster_ip)
    return ServicePortName(
        namespace_of(service), name_of(service), port.get("name", ""), protocol, family
    )


def _port(service: Object, port: Object, cluster_ip: str) -> ServicePort:
    spec = service["spec"]
    ingress = service.get("status", {}).get("loadBalancer", {}).get("ingress") or []
    balancers = [item["ip"] for item in ingress if item.get("ip")]
    externals = (*(spec.get("externalIPs") or ()), *balancers)
    family = family_of(cluster_ip)
    return ServicePort(
        cluster_ip=cluster_ip,
        port=port["port"],
        protocol=port.get("protocol", "TCP"),
        node_port=port.get("nodePort", 0),
        external_addresses=tuple(
            address for address in dict.fromkeys(externals) if family_of(address) == family
        ),
        affinity_s=_affinity_s(spec),
        internal_local=spec.get("internalTrafficPolicy") == "Local",
        external_local=spec.get("externalTrafficPolicy") == "Local",
    )


def _affinity_s(spec: Object) -> int:
    if spec.get("sessionAffinity") != "ClientIP":
        return 0
    config = (spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}
    return int(config.get("timeoutSeconds") or _AFFINITY_DEFAULT_S)
