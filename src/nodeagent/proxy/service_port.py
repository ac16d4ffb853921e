"""Service ports as kube-proxy sees them (upstream: pkg/proxy/serviceport.go).

Upstream runs a proxier for each address family; here a port of a Service that has two is two. A
Service without a ClusterIP (headless, ExternalName) has none: it is DNS's affair. Nor has a port of
SCTP: no datapath carries it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Final

from kubeapi.objects import Object, name_of, namespace_of

IPV4: Final = "IPv4"
IPV6: Final = "IPv6"

#: Upstream: DefaultClientIPServiceAffinitySeconds.
_AFFINITY_DEFAULT_S: Final = 10800
_CARRIED: Final = ("TCP", "UDP")


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
    node_port: int = 0
    external_ips: tuple[str, ...] = ()
    #: What a load balancer was given and hands on as it is (ipMode VIP).
    load_balancer_ips: tuple[str, ...] = ()
    #: Who may use those; empty: everybody.
    source_ranges: tuple[str, ...] = ()
    health_check_node_port: int = 0
    affinity_s: int = 0
    internal_local: bool = False
    external_local: bool = False

    @property
    def is_external(self) -> bool:
        """Tell whether it is reached at anything but its ClusterIP (ExternallyAccessible)."""
        return bool(self.node_port or self.external_ips or self.load_balancer_ips)

    @property
    def uses_cluster_endpoints(self) -> bool:
        """Tell whether anybody gets endpoints of any node: policy Local has its short cuts."""
        return not self.internal_local or self.is_external

    @property
    def uses_local_endpoints(self) -> bool:
        """Tell whether anybody gets the node's own endpoints alone."""
        return self.internal_local or (self.external_local and self.is_external)


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
        if port.get("protocol", "TCP") in _CARRIED
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
    spec, family = service["spec"], family_of(cluster_ip)
    return ServicePort(
        cluster_ip=cluster_ip,
        port=port["port"],
        protocol=port.get("protocol", "TCP"),
        node_port=port.get("nodePort", 0),
        external_ips=_of_family(spec.get("externalIPs") or (), family),
        load_balancer_ips=_of_family(_load_balancer_ips(service), family),
        source_ranges=_source_ranges(spec, family),
        health_check_node_port=_health_check_node_port(spec),
        affinity_s=_affinity_s(spec),
        internal_local=spec.get("internalTrafficPolicy") == "Local",
        external_local=spec.get("externalTrafficPolicy") == "Local",
    )


def _of_family(addresses: Iterable[str], family: str) -> tuple[str, ...]:
    return tuple(each for each in dict.fromkeys(addresses) if family_of(each) == family)


def _load_balancer_ips(service: Object) -> list[str]:
    """Return what was given, without what is to be reached through the balancer alone."""
    ingress = service.get("status", {}).get("loadBalancer", {}).get("ingress") or []
    return [item["ip"] for item in ingress if item.get("ip") and item.get("ipMode") != "Proxy"]


def _source_ranges(spec: Object, family: str) -> tuple[str, ...]:
    """Return loadBalancerSourceRanges of one family; the API lets blanks and host bits pass."""
    found = []
    for text in spec.get("loadBalancerSourceRanges") or ():
        network = ip_network(text.strip(), strict=False)
        if family_of(str(network)) == family:
            found.append(str(network))
    return tuple(dict.fromkeys(found))


def _health_check_node_port(spec: Object) -> int:
    if spec.get("type") != "LoadBalancer" or spec.get("externalTrafficPolicy") != "Local":
        return 0
    return int(spec.get("healthCheckNodePort") or 0)


def _affinity_s(spec: Object) -> int:
    if spec.get("sessionAffinity") != "ClientIP":
        return 0
    config = (spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}
    return int(config.get("timeoutSeconds") or _AFFINITY_DEFAULT_S)
