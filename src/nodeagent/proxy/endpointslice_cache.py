"""EndpointSlices by Service (upstream: pkg/proxy/endpointslicecache.go).

A Service's endpoints may be spread over slices, and for a moment one address may stand in two of
them: the union counts, and the better of two conditions wins.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from kubeapi.objects import Object, labels_of, name_of, namespace_of
from nodeagent.proxy.service_port import IPV4, IPV6

_SERVICE_LABEL: Final = "kubernetes.io/service-name"

#: A port of a Service's endpoints: (name, protocol, address family).
PortKey = tuple[str, str, str]
ServiceKey = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Endpoint:
    """One address and port behind a Service."""

    address: str
    port: int
    node: str
    zone_hints: tuple[str, ...]
    node_hints: tuple[str, ...]
    ready: bool
    serving: bool
    terminating: bool


Endpoints = dict[PortKey, tuple[Endpoint, ...]]


def service_of(endpoint_slice: Object) -> ServiceKey | None:
    """Return (namespace, name) of the Service that the slice belongs to."""
    service = labels_of(endpoint_slice).get(_SERVICE_LABEL)
    return (namespace_of(endpoint_slice), service) if service else None


class EndpointSliceCache:
    """The latest word of every slice, by Service."""

    def __init__(self) -> None:
        self._slices: dict[ServiceKey, dict[str, Object]] = {}

    def update(self, endpoint_slice: Object) -> ServiceKey | None:
        """Take a slice's new content; return the Service that it changes."""
        service = service_of(endpoint_slice)
        if service is not None:
            self._slices.setdefault(service, {})[name_of(endpoint_slice)] = endpoint_slice
        return service

    def delete(self, endpoint_slice: Object) -> ServiceKey | None:
        """Forget a slice; return the Service that this changes."""
        service = service_of(endpoint_slice)
        if service is None or service not in self._slices:
            return service
        self._slices[service].pop(name_of(endpoint_slice), None)
        if not self._slices[service]:
            del self._slices[service]
        return service

    def endpoints(self, service: ServiceKey) -> Endpoints:
        """Return the endpoints of *service* by port, in a stable order."""
        found: dict[PortKey, dict[tuple[str, int], Endpoint]] = {}
        for endpoint_slice in self._slices.get(service, {}).values():
            for key, endpoint in _endpoints_of(endpoint_slice):
                place = (endpoint.address, endpoint.port)
                known = found.setdefault(key, {}).get(place)
                if known is None or _rank(endpoint) > _rank(known):
                    found[key][place] = endpoint
        return {key: tuple(sorted(places.values())) for key, places in found.items()}


def _rank(endpoint: Endpoint) -> tuple[bool, bool, bool]:
    return endpoint.ready, endpoint.serving, not endpoint.terminating


def _endpoints_of(endpoint_slice: Object) -> Iterator[tuple[PortKey, Endpoint]]:
    family = endpoint_slice.get("addressType", IPV4)
    if family not in (IPV4, IPV6):
        return  # FQDN: nobody sends packets to a name.
    for port in endpoint_slice.get("ports") or []:
        if not port.get("port"):
            continue
        key = (port.get("name") or "", port.get("protocol") or "TCP", family)
        for item in endpoint_slice.get("endpoints") or []:
            if item.get("addresses"):
                yield key, _endpoint(item, port["port"])


def _endpoint(item: Object, port: int) -> Endpoint:
    conditions = item.get("conditions") or {}
    ready = conditions.get("ready") is not False
    serving = conditions.get("serving")
    hints = item.get("hints") or {}
    return Endpoint(
        address=item["addresses"][0],  # Upstream too uses the first address only.
        port=port,
        node=item.get("nodeName") or "",
        zone_hints=tuple(hint["name"] for hint in hints.get("forZones") or ()),
        node_hints=tuple(hint["name"] for hint in hints.get("forNodes") or ()),
        ready=ready,
        serving=ready if serving is None else bool(serving),
        terminating=bool(conditions.get("terminating")),
    )
