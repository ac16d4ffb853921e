"""Ends of a connection as people write them, for `podwire policy explain`.

`[NAMESPACE/]POD`, `svc/[NAMESPACE/]NAME`, `node-1`, `outside` (the person's machine), or an
address; behind it `:PORT[/PROTOCOL]`, by number or by the name that the pod or Service gives it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from kubeapi.objects import Object, key_of, labels_of, name_of, namespace_of
from kubeapi.resources import ENDPOINTSLICES, NODES, PODS, SERVICES, Resource
from nodeagent.policy.evaluation import PROTOCOLS
from nodeagent.policy.facts import NodeFacts, PodFacts
from podwire.cluster.layout import UsageError

_SERVICE_LABEL: Final = "kubernetes.io/service-name"
_NODE: Final = re.compile(r"node-[1-9]\d*")
_PORT_MAX: Final = 65535

Objects = Mapping[Resource, Sequence[Object]]


@dataclass(frozen=True, slots=True)
class Target:
    """What was typed behind the source: to whom, and which port by number or name."""

    host: str
    port: str
    protocol: str

    @classmethod
    def parse(cls, text: str) -> Target:
        """Read `HOST:PORT[/PROTOCOL]`, or `HOST/ICMP`; raises UsageError."""
        protocol = "TCP"
        head, slash, tail = text.rpartition("/")
        if slash and tail.upper() in PROTOCOLS:
            text, protocol = head, tail.upper()
        elif slash and ":" in head:
            raise UsageError(f"no protocol {tail!r}: it is one of {', '.join(PROTOCOLS)}")
        if protocol == "ICMP":
            if text.rpartition(":")[2].isdigit() and text.count(":") == 1:
                raise UsageError(f"ICMP has no ports: write {text.partition(':')[0]}/ICMP")
            return cls(text.strip("[]"), "", protocol)
        host, colon, port = text.rpartition(":")
        if not colon or not host or not port or (":" in host and not host.startswith("[")):
            raise UsageError(
                f"{text}: which port? Write DST:PORT[/PROTOCOL], as web:80, shop/db:5432/TCP or "
                "[fd00::1]:53/UDP"
            )
        if port.isdigit() and not 0 < int(port) <= _PORT_MAX:
            raise UsageError(f"{port} is no port: they are 1 to {_PORT_MAX}")
        return cls(host.strip("[]"), port, protocol)


@dataclass(frozen=True, slots=True)
class End:
    """One end of connections: what it is called, and its addresses."""

    name: str
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Backend:
    """An end, and the port that is reached there."""

    end: End
    port: int


def source(text: str, objects: Objects, outside: Sequence[str]) -> End:
    """Return the end that *text* names; raises UsageError when there is none."""
    if text.startswith("svc/"):
        raise UsageError("a Service sends nothing: name a pod, a node, an address or outside")
    return _end(text, objects, outside)


def backends(target: Target, objects: Objects, outside: Sequence[str]) -> list[Backend]:
    """Return where a connection to *target* may arrive: behind a Service each endpoint."""
    service = _service(target, objects)
    if service is not None:
        return _endpoints(service, target, objects)
    end = _end(target.host, objects, outside)
    return [Backend(end, _port_of(target, end, objects))]


def _end(text: str, objects: Objects, outside: Sequence[str]) -> End:
    if text == "outside":
        return End("outside", tuple(outside))
    with suppress(ValueError):
        address = str(ip_address(text))
        return End(_called(address, objects), (address,))
    if _NODE.fullmatch(text):
        for node in objects[NODES]:
            if name_of(node) == text:
                return End(text, NodeFacts.of(node).addresses)
        raise UsageError(f"there is no {text}: podwire get nodes")
    namespace, _, name = text.rpartition("/")
    key = f"{namespace or 'default'}/{name}"
    pod = next((each for each in objects[PODS] if key_of(each) == key), None)
    if pod is None:
        raise UsageError(f"there is no pod {key}: podwire get pods -A")
    addresses = [each["ip"] for each in (pod.get("status") or {}).get("podIPs") or ()]
    if not addresses:
        raise UsageError(f"pod {key} has no address yet: it is not running")
    return End(key, tuple(addresses))


def _called(address: str, objects: Objects) -> str:
    for pod in objects[PODS]:
        facts = PodFacts.of(pod)
        if facts is not None and address in facts.addresses:
            return facts.key
    return address


def _port_of(target: Target, end: End, objects: Objects) -> int:
    if target.port.isdigit() or not target.port:
        return int(target.port or 0)
    for pod in objects[PODS]:
        if key_of(pod) == end.name and (facts := PodFacts.of(pod)) is not None:
            number = facts.ports.get((target.protocol, target.port))
            if number is not None:
                return number
    raise UsageError(f"{end.name} has no port called {target.port} of {target.protocol}")


def _service(target: Target, objects: Objects) -> Object | None:
    if not target.host.startswith("svc/"):
        return next(
            (
                each
                for each in objects[SERVICES]
                if target.host in (each["spec"].get("clusterIPs") or ())
            ),
            None,
        )
    namespace, _, name = target.host.removeprefix("svc/").rpartition("/")
    key = f"{namespace or 'default'}/{name}"
    found = next((each for each in objects[SERVICES] if key_of(each) == key), None)
    if found is None:
        raise UsageError(f"there is no Service {key}: podwire get services -A")
    return found


def _endpoints(service: Object, target: Target, objects: Objects) -> list[Backend]:
    key = key_of(service)
    ports = [
        port
        for port in service["spec"].get("ports") or ()
        if target.port in (str(port["port"]), port.get("name"))
        and (port.get("protocol") or "TCP") == target.protocol
    ]
    if not ports:
        raise UsageError(f"Service {key} has no port {target.port}/{target.protocol}")
    found = [
        Backend(End(_called(address, objects), (address,)), number)
        for each in objects[ENDPOINTSLICES]
        if namespace_of(each) == namespace_of(service)
        and labels_of(each).get(_SERVICE_LABEL) == name_of(service)
        for number in _numbers(each, ports[0].get("name") or "")
        for endpoint in each.get("endpoints") or ()
        if (endpoint.get("conditions") or {}).get("ready") is not False
        for address in endpoint["addresses"]
    ]
    if not found:
        raise UsageError(f"Service {key} has no ready endpoints: podwire get endpointslices -A")
    return found


def _numbers(piece: Object, name: str) -> list[int]:
    return [
        port["port"]
        for port in piece.get("ports") or ()
        if (port.get("name") or "") == name and port.get("port")
    ]
