"""Service port + endpoints → entries of the datapath's `frontend` table.

Where iptables mode has chains (KUBE-SVC, KUBE-SVL, KUBE-EXT, KUBE-FW), a frontend has backends, a
word on masquerading, one on having no backend, and with externalTrafficPolicy Local the backends
that those get who come from outside.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address, ip_network
from typing import Literal

from kubeapi.objects import Object
from nodeagent.proxy.endpointslice_cache import Endpoint
from nodeagent.proxy.mode import PRIMARY, ProxyMode
from nodeagent.proxy.service_port import IPV6, ServicePort, ServicePortName, family_of
from nodeagent.proxy.topology import Categorized, Topology, categorize

#: The protocols of which a ClusterIP's other ports are refused.
_GUARDED = ("TCP", "UDP")

OnEmpty = Literal["reject", "drop"]


def frontends(
    name: ServicePortName,
    port: ServicePort,
    endpoints: Sequence[Endpoint],
    here: Topology,
    mode: ProxyMode,
) -> list[Object]:
    """Return the entries of one Service port, ClusterIP first."""
    found = categorize(endpoints, port, here)
    entries = [_internal(name, port, found, mode)]
    if port.is_external:
        outside = _external(name, port, found, mode)
        entries += [outside | {"address": address} for address in port.external_ips]
        ranges = list(port.source_ranges)
        announced = not here.excluded and (not port.external_local or found.announces_local)
        entries += [
            outside | {"address": address, "source_ranges": ranges, "listen": announced}
            for address in port.load_balancer_ips
        ]
        if port.node_port:
            outside |= {"port": port.node_port}
            entries += [
                outside | {"address": address, "listen": address not in here.pod_addresses}
                for address in node_port_addresses(name.family, here, mode)
            ]
    if port.protocol == "UDP":
        _retain(entries, endpoints)
    return [*entries, *_guards(name, port, mode)]


def _internal(
    name: ServicePortName, port: ServicePort, found: Categorized, mode: ProxyMode
) -> Object:
    usable, on_empty = _local(found, mode) if port.internal_local else (found.cluster, "reject")
    return _frontend(name, port, usable, mode) | {
        "address": port.cluster_ip,
        "on_empty": on_empty,
    }


def _external(
    name: ServicePortName, port: ServicePort, found: Categorized, mode: ProxyMode
) -> Object:
    """Return what all but the ClusterIP share (KUBE-EXT)."""
    if not port.external_local:
        return _frontend(name, port, found.cluster, mode) | {"masquerade": "always"}
    local, on_empty = _local(found, mode)
    policy: Object = {"masquerade": "never", "on_empty": on_empty}
    if mode.local_falls_back:  # IPVS has no short cuts for pods: who asks gets the same.
        return _frontend(name, port, local, mode) | policy
    policy["local_backends"] = _backends(local)
    return _frontend(name, port, found.cluster, mode) | policy


def _local(found: Categorized, mode: ProxyMode) -> tuple[Sequence[Endpoint], OnEmpty]:
    """Return the endpoints of policy Local, and what is said where there is none.

    Without one here a packet is dropped, so that a balancer tries another node; a Service without
    any endpoint refuses, so that clients do not wait.
    """
    if not found.local and mode.local_falls_back:
        return found.cluster, "reject"
    return found.local, "drop" if found.any_usable else "reject"


def node_port_addresses(family: str, here: Topology, mode: ProxyMode) -> list[str]:
    """Return which addresses of the node have NodePorts: "" or "::" is any of IPv4 or IPv6.

    Both families share one listener of IPv4, since the underlay has no other (contracts §14).
    """
    wanted = mode.node_port_addresses
    if not wanted:
        return ["::" if family == IPV6 else ""]
    mine = [each for each in here.addresses if family_of(each) == family]
    if PRIMARY in wanted:
        return mine[:1]
    networks = [ip_network(text, strict=False) for text in wanted]
    mine += [each for each in here.pod_addresses if family_of(each) == family]
    return [each for each in mine if any(ip_address(each) in network for network in networks)]


def _frontend(
    name: ServicePortName, port: ServicePort, usable: Sequence[Endpoint], mode: ProxyMode
) -> Object:
    return {
        "port": port.port,
        "protocol": port.protocol,
        "service": str(name),
        "backends": _backends(usable),
        "local_backends": None,
        "retained": [],
        "source_ranges": [],
        "scheduler": mode.scheduler,
        "affinity_s": port.affinity_s,
        "masquerade": "off-cluster",
        "on_empty": "reject",
        "listen": False,
    }


def _backends(endpoints: Sequence[Endpoint]) -> list[Object]:
    return [
        {"address": e.address, "port": e.port} | ({"node": e.node} if e.node else {})
        for e in endpoints
    ]


def _retain(entries: list[Object], endpoints: Sequence[Endpoint]) -> None:
    """Name the endpoints that serve and get nobody new: their flows of UDP stay."""
    serving = [endpoint for endpoint in endpoints if endpoint.serving]
    for entry in entries:
        lists = (*entry["backends"], *(entry["local_backends"] or ()))
        named = {(each["address"], each["port"]) for each in lists}
        entry["retained"] = _backends([e for e in serving if (e.address, e.port) not in named])


def _guards(name: ServicePortName, port: ServicePort, mode: ProxyMode) -> list[Object]:
    """Return what refuses the ports of a ClusterIP that no Service has; its ports share it."""
    if not mode.refuses_other_ports:
        return []
    guard = {
        "address": port.cluster_ip,
        "port": 0,
        "service": f"{name.namespace}/{name.service}",
        "backends": [],
    }
    return [guard | {"protocol": protocol} for protocol in _GUARDED]
