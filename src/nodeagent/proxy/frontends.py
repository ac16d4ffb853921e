"""Service port + endpoints → entries of the datapath's `frontend` table.

Where iptables mode has chains (KUBE-SVC, KUBE-SVL, KUBE-EXT), a frontend has backends, a word on
masquerading and a word on having no backend. Simplified: with externalTrafficPolicy Local, pods
and the node itself that use a NodePort see local endpoints only, as everyone else does.
"""

from __future__ import annotations

from collections.abc import Sequence

from kubeapi.objects import Object
from nodeagent.proxy.endpointslice_cache import Endpoint
from nodeagent.proxy.service_port import IPV6, ServicePort, ServicePortName
from nodeagent.proxy.topology import Topology, categorize


def frontends(
    name: ServicePortName, port: ServicePort, endpoints: Sequence[Endpoint], here: Topology
) -> list[Object]:
    """Return the entries of one Service port, ClusterIP first."""
    found = categorize(endpoints, port, here)
    internal = found.local if port.internal_local else found.cluster
    external = found.local if port.external_local else found.cluster
    # Local without a local endpoint is dropped, so that a balancer tries another node; a Service
    # without any endpoint is refused, so that clients do not wait.
    internal_empty = "drop" if port.internal_local and found.any_usable else "reject"
    external_empty = "drop" if port.external_local and found.any_usable else "reject"
    masquerade = "never" if port.external_local else "always"

    inside = _frontend(name, port, internal)
    entries = [inside | {"address": port.cluster_ip, "port": port.port, "on_empty": internal_empty}]
    outside = _frontend(name, port, external)
    outside |= {"masquerade": masquerade, "on_empty": external_empty}
    entries += [
        outside | {"address": address, "port": port.port} for address in port.external_addresses
    ]
    if port.node_port:
        # Both families share one listener of IPv4, since the underlay has no other (contracts §14).
        anywhere = {"address": "::" if name.family == IPV6 else "", "listen": True}
        entries.append(outside | anywhere | {"port": port.node_port})
    return entries


def _frontend(name: ServicePortName, port: ServicePort, usable: Sequence[Endpoint]) -> Object:
    backends: list[Object] = [
        {"address": e.address, "port": e.port} | ({"node": e.node} if e.node else {})
        for e in usable
    ]
    return {
        "protocol": port.protocol,
        "service": str(name),
        "backends": backends,
        "affinity_s": port.affinity_s,
        "masquerade": "off-cluster",
        "listen": False,
    }
