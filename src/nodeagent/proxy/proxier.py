"""The core of kube-proxy: what is told of Services and slices in, table changes out.

Events only note what changed; `sync` recomputes the Services concerned and no others, so its cost
does not grow with the number of Services. If two Services claim one frontend (externalIPs may
collide), the first keeps it until it lets go. UDP flows to a backend that left are forgotten by
the datapath as it replaces the frontend (upstream: pkg/proxy/conntrack/cleanup.go).
"""

from __future__ import annotations

from kubeapi.objects import Object, name_of, namespace_of
from nodeagent.proxy.change_tracker import ChangeTracker
from nodeagent.proxy.endpointslice_cache import Endpoints, EndpointSliceCache, ServiceKey
from nodeagent.proxy.frontends import frontends
from nodeagent.proxy.health_check import HealthCheck, health_check
from nodeagent.proxy.mode import IPTABLES, ProxyMode
from nodeagent.proxy.service_port import ServicePort, ServicePortName, service_ports
from nodeagent.proxy.topology import Topology
from nodeagent.tables import Key, Tables, key_of

ServicePorts = dict[ServicePortName, ServicePort]


class Proxier:
    """Services and endpoints as last synced, and what changed since."""

    def __init__(self, here: Topology, tables: Tables, mode: ProxyMode = IPTABLES) -> None:
        self._here, self._tables, self._mode = here, tables, mode
        #: Services that want to be asked how many endpoints this node has.
        self.health_checks: dict[ServiceKey, HealthCheck] = {}
        self._moved = False  # This node is elsewhere than it was at the last sync.
        self._slices = EndpointSliceCache()
        self._services: dict[ServiceKey, ServicePorts] = {}
        self._endpoints: dict[ServiceKey, Endpoints] = {}
        self._service_changes: ChangeTracker[ServiceKey, ServicePorts] = ChangeTracker()
        self._endpoint_changes: ChangeTracker[ServiceKey, Endpoints] = ChangeTracker()
        self._claims: dict[Key, dict[ServicePortName, Object]] = {}
        self._entries: dict[ServicePortName, dict[Key, Object]] = {}

    @property
    def pending(self) -> bool:
        """Tell whether a sync would find something changed."""
        changes = len(self._service_changes) or len(self._endpoint_changes)
        return bool(changes or self._moved)

    def waiting(self) -> tuple[int, int]:
        """Return how many changes of Services, and of slices, a sync would find."""
        return len(self._service_changes), len(self._endpoint_changes)

    def topology_changed(self, here: Topology) -> None:
        """Note where this node is now."""
        if here != self._here:
            self._here, self._moved = here, True

    def service_changed(self, service: Object, *, deleted: bool = False) -> None:
        """Note a Service as it is now."""
        key = (namespace_of(service), name_of(service))
        new: ServicePorts = {} if deleted else service_ports(service)
        old = self._services.get(key, {})
        self._service_changes.note(key, old, new)
        self._services[key] = new
        if deleted:
            del self._services[key]

    def slice_changed(self, endpoint_slice: Object, *, deleted: bool = False) -> None:
        """Note an EndpointSlice as it is now."""
        change = self._slices.delete if deleted else self._slices.update
        key = change(endpoint_slice)
        if key is None:
            return
        new = self._slices.endpoints(key)
        self._endpoint_changes.note(key, self._endpoints.get(key, {}), new)
        self._endpoints[key] = new
        if not new:
            del self._endpoints[key]

    def sync(self) -> None:
        """Bring the tables up to date."""
        services = self._service_changes.checkout()
        concerned = dict.fromkeys((*services, *self._endpoint_changes.checkout()))
        if self._moved:
            concerned |= dict.fromkeys(self._services)
            self._moved = False
        for key in concerned:
            ports = self._services.get(key, {})
            before = services[key][0] if key in services else {}
            for name in before:
                if name not in ports:
                    self._set_entries(name, {})
            endpoints = self._endpoints.get(key, {})
            for name, port in ports.items():
                usable = endpoints.get((name.port, name.protocol, name.family), ())
                entries = frontends(name, port, usable, self._here, self._mode)
                self._set_entries(name, {key_of("frontend", e): e for e in entries})
            self._set_health_check(key, health_check(key, ports, endpoints, self._here.node))

    def no_local_endpoints(self) -> dict[str, int]:
        """Return how many ports are silent here by policy Local, from inside and from outside."""
        counts = {"internal": 0, "external": 0}
        for entries in self._entries.values():
            silent = [each for each in entries.values() if each.get("on_empty") == "drop"]
            counts["external"] += any(each["local_backends"] == [] for each in silent)
            counts["internal"] += any(
                each["local_backends"] is None and not each["backends"] for each in silent
            )
        return counts

    def _set_health_check(self, key: ServiceKey, new: HealthCheck | None) -> None:
        """Let the node's own addresses lead to the health check's port, too."""
        old = self.health_checks.pop(key, None)
        if new is not None:
            self.health_checks[key] = new
        if old is not None and (new is None or new.port != old.port):
            self._tables.delete("host_listener", ("TCP", old.port))
        if new is not None and (old is None or new.port != old.port):
            entry = {"protocol": "TCP", "port": new.port, "service": "/".join(key)}
            self._tables.replace("host_listener", entry)

    def all_known(self) -> None:
        """Every Service and slice has been told once: other frontends may go."""
        self._tables.claim("frontend", "host_listener")

    def _set_entries(self, name: ServicePortName, new: dict[Key, Object]) -> None:
        old = self._entries.pop(name, {})
        if new:
            self._entries[name] = new
        for key in old:
            if key not in new:
                self._release(key, name)
        for key, entry in new.items():
            if old.get(key) != entry:
                claims = self._claims.setdefault(key, {})
                claims[name] = entry
                self._write_first(key, claims)

    def _release(self, key: Key, name: ServicePortName) -> None:
        claims = self._claims[key]
        del claims[name]
        if claims:
            self._write_first(key, claims)
        else:
            del self._claims[key]
            self._tables.delete("frontend", key)

    def _write_first(self, key: Key, claims: dict[ServicePortName, Object]) -> None:
        entry = next(iter(claims.values()))
        if self._tables.wanted("frontend").get(key) != entry:
            self._tables.replace("frontend", entry)
