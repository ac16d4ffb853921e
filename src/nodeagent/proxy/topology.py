"""Which endpoints a frontend may use (upstream: pkg/proxy/topology.go, CategorizeEndpoints).

Ready endpoints serve; when there is none, those that are terminating but still serving do, and
that is decided for the whole cluster and for this node independently. Hints narrow the cluster's
endpoints to this node or zone, if every ready endpoint has one and one of them names us.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nodeagent.proxy.endpointslice_cache import Endpoint
from nodeagent.proxy.service_port import ServicePort


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """Where this node is, and which addresses it has."""

    node: str
    zone: str = ""
    addresses: tuple[str, ...] = ()  # Its InternalIPs.
    pod_addresses: tuple[str, ...] = ()  # Those of its bridge and of its tunnel.
    excluded: bool = False  # It takes no part in load balancers.


@dataclass(frozen=True, slots=True, kw_only=True)
class Categorized:
    """The endpoints for each traffic policy, and whether there are any at all."""

    cluster: tuple[Endpoint, ...]
    local: tuple[Endpoint, ...]
    any_usable: bool
    any_ready: bool

    @property
    def announces_local(self) -> bool:
        """Tell whether a load balancer should send to this node by policy Local.

        It goes by healthCheckNodePort, which counts ready endpoints alone: a pod that is draining
        gets nobody new while another node has a ready one. Where nobody has, balancers ask all.
        """
        return bool(self.local) and (self.local[0].ready or not self.any_ready)


def categorize(endpoints: Sequence[Endpoint], service: ServicePort, here: Topology) -> Categorized:
    """Sort *endpoints* into those for policy Cluster and those for policy Local."""
    cluster: tuple[Endpoint, ...] = ()
    if service.uses_cluster_endpoints:
        cluster = _usable(_hinted(endpoints, here))
    local: tuple[Endpoint, ...] = ()
    if service.uses_local_endpoints:
        local = _usable([e for e in endpoints if e.node == here.node])
    return Categorized(
        cluster=cluster,
        local=local,
        any_usable=bool(_usable(endpoints)),
        any_ready=any(endpoint.ready for endpoint in endpoints),
    )


def _usable(endpoints: Sequence[Endpoint]) -> tuple[Endpoint, ...]:
    ready = tuple(e for e in endpoints if e.ready)
    return ready or tuple(e for e in endpoints if e.serving and e.terminating)


def _hinted(endpoints: Sequence[Endpoint], here: Topology) -> Sequence[Endpoint]:
    """Keep what hints allow; with no usable hint, everything."""
    ready = [e for e in endpoints if e.ready]
    if not ready:
        return endpoints
    by_node = _named(ready, lambda e: e.node_hints, here.node)
    by_zone = _named(ready, lambda e: e.zone_hints, here.zone) if here.zone else []
    return by_node or by_zone or endpoints


def _named(
    ready: Sequence[Endpoint], hints: Callable[[Endpoint], tuple[str, ...]], name: str
) -> list[Endpoint]:
    if not all(hints(endpoint) for endpoint in ready):
        return []
    return [endpoint for endpoint in ready if name in hints(endpoint)]
