"""What the server knows of the cluster: Services, their endpoints, namespaces, pods.

Objects of the API go in and small facts are kept, found by the keys that questions have. `version`
counts changes: what was answered from an older one is made anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final

from kubeapi.objects import Object, labels_of, name_of, namespace_of

_SERVICE_NAME: Final = "kubernetes.io/service-name"
_HEADLESS: Final = "None"

Key = tuple[str, str]  # Namespace, name.


@dataclass(frozen=True, slots=True)
class Port:
    """A port of a Service or of an endpoint; both texts in lower case."""

    name: str
    protocol: str
    number: int


@dataclass(frozen=True, slots=True)
class Service:
    """A Service as names show it."""

    namespace: str
    name: str
    cluster_ips: tuple[str, ...] = ()
    headless: bool = False
    external_name: str = ""
    ports: tuple[Port, ...] = ()


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One ready address behind a Service."""

    address: str
    hostname: str = ""
    pod: str = ""

    def label(self, *, by_pod: bool) -> str:
        """Return what the endpoint is called below its Service."""
        if self.hostname:
            return self.hostname
        if by_pod and self.pod:
            return self.pod
        dashed = self.address.replace(".", "-").replace(":", "-")
        # A label neither begins nor ends with a dash (`::1`, `fd00::`).
        return f"{'0' if dashed[0] == '-' else ''}{dashed}{'0' if dashed[-1] == '-' else ''}"


@dataclass(frozen=True, slots=True)
class Slice:
    """The ready endpoints of one EndpointSlice, and the ports that all of them have."""

    endpoints: tuple[Endpoint, ...]
    ports: tuple[Port, ...]


def _ports(items: object, number: str) -> tuple[Port, ...]:
    found = items if isinstance(items, list) else []
    return tuple(
        Port(each.get("name") or "", (each.get("protocol") or "TCP").lower(), each.get(number) or 0)
        for each in found
    )


def service_of(obj: Object) -> Service:
    """Return what is kept of a Service."""
    spec = obj.get("spec") or {}
    external = spec.get("type") == "ExternalName"
    addresses = spec.get("clusterIPs") or [spec.get("clusterIP") or ""]
    headless = addresses[0] == _HEADLESS
    return Service(
        namespace=namespace_of(obj),
        name=name_of(obj),
        cluster_ips=() if external or headless else tuple(filter(None, addresses)),
        headless=headless and not external,
        external_name=(spec.get("externalName") or "") if external else "",
        ports=_ports(spec.get("ports"), "port"),
    )


def slice_of(obj: Object) -> Slice:
    """Return what is kept of an EndpointSlice: who is ready, or does not say."""
    endpoints = []
    for each in obj.get("endpoints") or ():
        if (each.get("conditions") or {}).get("ready") is False:
            continue
        target = each.get("targetRef") or {}
        pod = target.get("name") or "" if target.get("kind") == "Pod" else ""
        endpoints += [
            Endpoint(str(ip_address(text)), each.get("hostname") or "", pod)
            for text in each.get("addresses") or ()
        ]
    return Slice(tuple(endpoints), _ports(obj.get("ports"), "port"))


@dataclass(slots=True)
class Index:
    """All facts, by what they are asked for with."""

    synced: bool = False
    version: int = 0
    services: dict[Key, Service] = field(default_factory=dict)
    namespaces: dict[str, None] = field(default_factory=dict)
    _slices: dict[Key, dict[str, Slice]] = field(default_factory=dict)
    _owners: dict[Key, Key] = field(default_factory=dict)  # Of slices: the Service.
    _by_cluster_ip: dict[str, Key] = field(default_factory=dict)
    _by_endpoint: dict[str, dict[Key, int]] = field(default_factory=dict)
    _pods: dict[Key, tuple[str, ...]] = field(default_factory=dict)
    _by_pod_ip: dict[str, dict[Key, None]] = field(default_factory=dict)

    # --- what changes ------------------------------------------------------------------------

    def put_service(self, obj: Object) -> None:
        new = service_of(obj)
        if self.services.get((new.namespace, new.name)) == new:
            return
        self.remove_service(obj)
        self.version += 1
        key = new.namespace, new.name
        self.services[key] = new
        for address in new.cluster_ips:
            self._by_cluster_ip[str(ip_address(address))] = key

    def remove_service(self, obj: Object) -> None:
        old = self.services.pop((namespace_of(obj), name_of(obj)), None)
        if old is None:
            return
        self.version += 1
        for address in old.cluster_ips:
            # Another Service may have the address already, when events come late.
            if self._by_cluster_ip.get(str(ip_address(address))) == (old.namespace, old.name):
                del self._by_cluster_ip[str(ip_address(address))]

    def put_slice(self, obj: Object) -> None:
        owner = namespace_of(obj), labels_of(obj).get(_SERVICE_NAME, "")
        own, new = (namespace_of(obj), name_of(obj)), slice_of(obj)
        if self._owners.get(own) == owner and self._slices[owner].get(own[1]) == new:
            return
        self.remove_slice(obj)
        if not owner[1]:
            return
        self.version += 1
        self._owners[own] = owner
        self._slices.setdefault(owner, {})[own[1]] = new
        for endpoint in new.endpoints:
            services = self._by_endpoint.setdefault(endpoint.address, {})
            services[owner] = services.get(owner, 0) + 1

    def remove_slice(self, obj: Object) -> None:
        owner = self._owners.pop((namespace_of(obj), name_of(obj)), None)
        if owner is None:
            return
        self.version += 1
        old = self._slices[owner].pop(name_of(obj))
        if not self._slices[owner]:
            del self._slices[owner]
        for endpoint in old.endpoints:
            services = self._by_endpoint[endpoint.address]
            services[owner] -= 1
            if not services[owner]:
                del services[owner]
            if not services:
                del self._by_endpoint[endpoint.address]

    def put_namespace(self, obj: Object) -> None:
        if name_of(obj) not in self.namespaces:
            self.version += 1
            self.namespaces[name_of(obj)] = None

    def remove_namespace(self, obj: Object) -> None:
        self.version += 1
        self.namespaces.pop(name_of(obj), None)

    def put_pod(self, obj: Object) -> None:
        key, status = (namespace_of(obj), name_of(obj)), obj.get("status") or {}
        ended = status.get("phase") in ("Succeeded", "Failed")
        listed = [] if ended else status.get("podIPs") or ()
        addresses = tuple(str(ip_address(each["ip"])) for each in listed)
        if self._pods.get(key, ()) == addresses:
            return
        self.remove_pod(obj)
        self.version += 1
        self._pods[key] = addresses
        for address in addresses:
            self._by_pod_ip.setdefault(address, {})[key] = None

    def remove_pod(self, obj: Object) -> None:
        key = namespace_of(obj), name_of(obj)
        for address in self._pods.pop(key, ()):
            self.version += 1
            del self._by_pod_ip[address][key]
            if not self._by_pod_ip[address]:
                del self._by_pod_ip[address]

    # --- what is asked -----------------------------------------------------------------------

    def slices(self, key: Key) -> Iterator[Slice]:
        """Return the endpoints of the Service *key*."""
        yield from self._slices.get(key, {}).values()

    def service_at(self, address: str) -> Service | None:
        """Return the Service that has the cluster IP *address*."""
        key = self._by_cluster_ip.get(address)
        return None if key is None else self.services.get(key)

    def services_behind(self, address: str) -> list[Key]:
        """Return the Services that the endpoint *address* is ready for."""
        return sorted(self._by_endpoint.get(address, {}))

    def is_pod(self, namespace: str, address: str) -> bool:
        """Tell whether a pod of *namespace* has *address*."""
        return any(key[0] == namespace for key in self._by_pod_ip.get(address, {}))
