"""Ingresses, their classes, Services and EndpointSlices → what requests are routed by.

Which Ingresses are ours follows from their class: one whose `spec.controller` is this controller's,
or, as before 1.18, the annotation `kubernetes.io/ingress.class: nginx`. Of rules for one path the
older Ingress's counts. Both results are made anew as a whole: what they were does not matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, cast

from ingresscontroller.pattern import BadPattern
from ingresscontroller.policy import Policy, read_policy
from ingresscontroller.table import (
    Alternative,
    Backend,
    Endpoint,
    Location,
    PathType,
    Server,
    Table,
    compiled,
)
from kubeapi.objects import Object, annotations_of, key_of, labels_of, name_of, namespace_of

CONTROLLER: Final = "k8s.io/ingress-nginx"
_CLASS_ANNOTATION: Final = "kubernetes.io/ingress.class"
#: Stands for a Service's first port, where none is named.
FIRST_PORT: Final = 0
_SERVICE_NAME: Final = "kubernetes.io/service-name"


@dataclass(frozen=True, slots=True)
class Translation:
    """A table, and what was not understood in making it: (Ingress, text)."""

    table: Table
    wrong: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Selection:
    """Which Ingresses are ours."""

    controller: str = CONTROLLER
    class_name: str = "nginx"  # Of the annotation.
    without_class: bool = False
    default_backend: str = ""  # Key of the Service for requests that fit no rule; its first port.

    def takes(self, ingress: Object, classes: Mapping[str, str]) -> bool:
        """Tell whether *ingress* is this controller's; *classes* is name → controller."""
        name = (ingress.get("spec") or {}).get("ingressClassName")
        if name is not None:
            return classes.get(name) == self.controller
        annotation = annotations_of(ingress).get(_CLASS_ANNOTATION)
        return annotation == self.class_name or (annotation is None and self.without_class)


OURS: Final = Selection()


def translate(
    ingresses: Iterable[Object], classes: Mapping[str, str], selection: Selection = OURS
) -> Translation:
    """Make the table of those of *ingresses* that *selection* takes."""
    ours = [each for each in ingresses if selection.takes(each, classes)]
    ours.sort(key=lambda each: (each["metadata"].get("creationTimestamp") or "", key_of(each)))
    making = _Making()
    policies = [_policy(ingress, making) for ingress in ours]
    for ingress, policy in zip(ours, policies, strict=True):
        if policy.canary is None:
            making.add(ingress, policy)
    for ingress, policy in zip(ours, policies, strict=True):
        if policy.canary is not None:
            making.add_canary(ingress, policy)
    return Translation(making.table(_last_resort(selection)), tuple(making.wrong))


def _last_resort(selection: Selection) -> Location | None:
    if not selection.default_backend:
        return None
    namespace, _, name = selection.default_backend.partition("/")
    return Location("/", "Prefix", Backend(namespace, name, FIRST_PORT), Policy(), "")


def _policy(ingress: Object, making: _Making) -> Policy:
    policy, wrong = read_policy(annotations_of(ingress))
    making.wrong += [(key_of(ingress), text) for text in wrong]
    return policy


class _Making:
    """A table on its way."""

    def __init__(self) -> None:
        self.wrong: list[tuple[str, str]] = []
        self._locations: dict[str, list[Location]] = {}
        self._defaults: dict[str, Location] = {}
        self._fallback: Location | None = None
        self._certificates: dict[str, str] = {}

    def add(self, ingress: Object, policy: Policy) -> None:
        """Take the rules of *ingress*."""
        spec, secured = ingress.get("spec") or {}, self._take_tls(ingress)
        default = self._default(ingress, policy)
        rules = spec.get("rules") or []
        for rule in rules:
            host = rule.get("host") or ""
            has_tls = host in secured or _wildcard_of(host) in secured
            locations = self._locations.setdefault(host, [])
            locations += self._paths(ingress, rule, policy, has_tls=has_tls)
            if default is not None:
                self._defaults.setdefault(host, replace(default, has_tls=has_tls))
        if not rules and self._fallback is None:
            self._fallback = default

    def add_canary(self, ingress: Object, policy: Policy) -> None:
        """Put the backends of *ingress* beside those that its paths have already."""
        for rule in (ingress.get("spec") or {}).get("rules") or []:
            locations = self._locations.get(rule.get("host") or "", [])
            canaries = {
                (each.path, each.kind): Alternative(policy, each.backend)
                for each in self._paths(ingress, rule, policy)
                if each.backend is not None
            }
            for at, main in enumerate(locations):
                extra = canaries.get((main.path, main.kind))
                if extra is not None:
                    locations[at] = replace(main, alternatives=(*main.alternatives, extra))

    def table(self, last_resort: Location | None) -> Table:
        """Return the table; *last_resort* is for what nobody wants."""
        servers = {
            host: Server.of(locations, self._defaults.get(host))
            for host, locations in self._locations.items()
        }
        return Table(
            hosts={host: server for host, server in servers.items() if host and host[0] != "*"},
            wildcards={host[1:]: server for host, server in servers.items() if host[:1] == "*"},
            anywhere=servers.get("", Server()),
            fallback=self._fallback or last_resort,
            certificates=self._certificates,
        )

    def _take_tls(self, ingress: Object) -> dict[str, None]:
        secured: dict[str, None] = {}
        for entry in (ingress.get("spec") or {}).get("tls") or []:
            hosts = entry.get("hosts") or [
                rule.get("host") or "" for rule in (ingress["spec"].get("rules") or [])
            ]
            secret = entry.get("secretName") or ""
            for host in hosts:
                secured[host] = None
                if secret:
                    self._certificates.setdefault(host, f"{namespace_of(ingress)}/{secret}")
        return secured

    def _default(self, ingress: Object, policy: Policy) -> Location | None:
        given = (ingress.get("spec") or {}).get("defaultBackend")
        if given is None:
            return None
        backend = _backend(given, namespace_of(ingress), policy)
        return Location("/", "Prefix", backend, policy, key_of(ingress))

    def _paths(
        self, ingress: Object, rule: Object, policy: Policy, *, has_tls: bool = False
    ) -> Iterator[Location]:
        key, namespace = key_of(ingress), namespace_of(ingress)
        for each in (rule.get("http") or {}).get("paths") or []:
            path, kind = each.get("path") or "/", cast(PathType, each["pathType"])
            backend = _backend(each["backend"], namespace, policy)
            location = Location(path, kind, backend, policy, key, has_tls)
            try:
                yield compiled(location) if policy.is_regex else location
            except BadPattern as error:
                self.wrong.append((key, f"path {path!r} is left out: {error}"))


def _wildcard_of(host: str) -> str:
    return f"*.{host.partition('.')[2]}"


def _backend(given: Object, namespace: str, policy: Policy) -> Backend | None:
    """Return the port of a Service; None for other resources, which nobody here serves."""
    service = given.get("service")
    if service is None:
        return None
    port = service.get("port") or {}
    number = port.get("name") or port.get("number") or FIRST_PORT
    return Backend(namespace, service["name"], number, not policy.service_upstream)


# --- endpoints -----------------------------------------------------------------------------------


class Endpoints:
    """Where each backend is served, found when it is first asked for."""

    def __init__(self, services: Sequence[Object] = (), slices: Sequence[Object] = ()) -> None:
        self._services = {key_of(each): each for each in services}
        self._slices: dict[str, list[Object]] = {}
        for each in slices:
            service = labels_of(each).get(_SERVICE_NAME)
            if service and each.get("addressType") != "FQDN":
                self._slices.setdefault(f"{namespace_of(each)}/{service}", []).append(each)
        self._found: dict[Backend, tuple[Endpoint, ...]] = {}

    def of(self, backend: Backend) -> tuple[Endpoint, ...]:
        """Return the ready endpoints of *backend*."""
        found = self._found.get(backend)
        if found is None:
            found = self._found[backend] = tuple(dict.fromkeys(self._find(backend)))
        return found

    def all_addresses(self) -> dict[Endpoint, None]:
        """Return every endpoint that is ready now."""
        found: dict[Endpoint, None] = {}
        for slices in self._slices.values():
            for each in slices:
                for port in each.get("ports") or []:
                    found.update(dict.fromkeys(_ready(each, port.get("port") or 0)))
        return found

    def _find(self, backend: Backend) -> Iterator[Endpoint]:
        key = f"{backend.namespace}/{backend.service}"
        service = self._services.get(key)
        if service is None:
            return
        spec = service["spec"]
        port = _service_port(spec.get("ports") or [], backend.port)
        if spec.get("type") == "ExternalName":
            number = port["port"] if port is not None else backend.port
            if isinstance(number, int) and spec.get("externalName"):
                yield spec["externalName"], number
            return
        if port is None:
            return
        address = spec.get("clusterIP") or "None"
        if not backend.straight and address != "None":
            yield address, port["port"]
            return
        for each in self._slices.get(key, ()):
            for numbered in each.get("ports") or []:
                if (numbered.get("name") or "") == (port.get("name") or ""):
                    yield from _ready(each, numbered.get("port") or port["port"])


def _service_port(ports: Sequence[Object], wanted: int | str) -> Object | None:
    """Return the TCP port of a Service by name or number, or its first."""
    key = "name" if isinstance(wanted, str) else "port"
    fitting = (each for each in ports if (each.get("protocol") or "TCP") == "TCP")
    return next((each for each in fitting if wanted in (each.get(key), FIRST_PORT)), None)


def _ready(each: Object, port: int) -> Iterator[Endpoint]:
    for endpoint in each.get("endpoints") or []:
        if (endpoint.get("conditions") or {}).get("ready") is not False:
            for address in endpoint.get("addresses") or []:
                yield address, port


def classes_of(objects: Iterable[Object]) -> dict[str, str]:
    """Return the controllers of classes by the classes' names."""
    return {name_of(each): (each.get("spec") or {}).get("controller") or "" for each in objects}
