"""healthCheckNodePort: does this node have endpoints? (upstream: pkg/proxy/healthcheck).

A load balancer asks each node over HTTP at the port that a Service of type LoadBalancer with
externalTrafficPolicy Local has for it, and leaves out nodes that answer 503.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from nodeagent.proxy.endpointslice_cache import Endpoints, ServiceKey
from nodeagent.proxy.service_port import ServicePort, ServicePortName

Headers = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthCheck:
    """What is answered at one port."""

    namespace: str
    service: str
    port: int
    local_endpoints: int

    def answer(self) -> tuple[int, Headers, str]:
        """Return status, headers and body."""
        headers = {
            "Content-Type": "application/json",
            "X-Content-Type-Options": "nosniff",
            "X-Load-Balancing-Endpoint-Weight": str(self.local_endpoints),
        }
        body = {
            "service": {"namespace": self.namespace, "name": self.service},
            "localEndpoints": self.local_endpoints,
            "serviceProxyHealthy": True,
        }
        return 200 if self.local_endpoints else 503, headers, json.dumps(body, indent="\t")


def health_check(
    key: ServiceKey,
    ports: Mapping[ServicePortName, ServicePort],
    endpoints: Endpoints,
    node: str,
) -> HealthCheck | None:
    """Return the health check that a Service wants; pods with several ports count once."""
    numbers = [port.health_check_node_port for port in ports.values()]
    if not any(numbers):
        return None
    local = {
        endpoint.address
        for group in endpoints.values()
        for endpoint in group
        if endpoint.ready and endpoint.node == node
    }
    return HealthCheck(
        namespace=key[0], service=key[1], port=max(numbers), local_endpoints=len(local)
    )
