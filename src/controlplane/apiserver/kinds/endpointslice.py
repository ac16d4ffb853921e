"""EndpointSlices: addresses behind a Service, at most a thousand a slice (discovery.k8s.io/v1)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from typing import Final

from controlplane.apiserver.kinds import cells, metadata
from controlplane.apiserver.kinds.addresses import validate_backend_address
from controlplane.apiserver.kinds.kind import Cell, Column, Kind
from kubeapi import field, validation
from kubeapi.objects import Object, name_of
from kubeapi.resources import ENDPOINTSLICES
from kubeapi.status import Cause

ENDPOINTS_MAX: Final = 1000
ADDRESSES_MAX: Final = 100
PORTS_MAX: Final = 20_000
HINTS_MAX: Final = 8  # Of zones, and of nodes.

_ADDRESS_TYPES: Final = ("FQDN", "IPv4", "IPv6")
PROTOCOLS: Final = ("SCTP", "TCP", "UDP")
_COUNTED: Final = ("endpoints", "ports", "addressType")


def default(endpoint_slice: Object) -> None:
    """A port is TCP and nameless unless it says otherwise."""
    for port in endpoint_slice.get("ports") or []:
        if port.get("name") is None:
            port["name"] = ""
        port["protocol"] = port.get("protocol") or "TCP"
    if endpoint_slice.get("endpoints") is None:
        endpoint_slice["endpoints"] = []


def prepare_create(endpoint_slice: Object) -> None:
    """Begin to count generations."""
    endpoint_slice["metadata"]["generation"] = 1


def prepare_update(new: Object, old: Object) -> None:
    """Count a generation when what it says of endpoints, or its labels, changed."""
    changed = any(new.get(key) != old.get(key) for key in _COUNTED)
    changed = changed or new["metadata"].get("labels") != old["metadata"].get("labels")
    new["metadata"]["generation"] = old["metadata"].get("generation", 0) + changed


def validate(endpoint_slice: Object) -> list[Cause]:
    causes = metadata.validate(endpoint_slice, validation.dns1123_subdomain)
    kind = endpoint_slice.get("addressType") or ""
    if not kind:
        causes.append(field.required("addressType"))
    elif kind not in _ADDRESS_TYPES:
        causes.append(field.not_supported("addressType", kind, _ADDRESS_TYPES))
    endpoints = endpoint_slice.get("endpoints") or []
    if len(endpoints) > ENDPOINTS_MAX:
        causes.append(field.too_many("endpoints", len(endpoints), ENDPOINTS_MAX))
        return causes
    for index, endpoint in enumerate(endpoints):
        causes += _validate_endpoint(endpoint, kind, f"endpoints[{index}]")
    return [*causes, *_validate_ports(endpoint_slice.get("ports") or [])]


def _validate_endpoint(endpoint: Object, kind: str, path: str) -> Iterator[Cause]:
    addresses = endpoint.get("addresses") or []
    if not addresses:
        yield field.required(f"{path}.addresses", "must contain at least 1 address")
    elif len(addresses) > ADDRESSES_MAX:
        yield field.too_many(f"{path}.addresses", len(addresses), ADDRESSES_MAX)
        return
    for index, address in enumerate(addresses):
        yield from _validate_address(address, kind, f"{path}.addresses[{index}]")
    if (hostname := endpoint.get("hostname")) is not None:
        yield from validation.validate_name(hostname, f"{path}.hostname", validation.dns1123_label)
    if (node := endpoint.get("nodeName")) is not None:
        yield from validation.validate_name(node, f"{path}.nodeName", validation.dns1123_subdomain)
    yield from _validate_hints(endpoint.get("hints") or {}, f"{path}.hints")


def _validate_hints(hints: Object, path: str) -> Iterator[Cause]:
    """Judge the names of zones, which are labels' values, and of nodes."""
    for key, judge in (
        ("forZones", validation.label_value),
        ("forNodes", validation.dns1123_subdomain),
    ):
        names = [each.get("name") or "" for each in hints.get(key) or []]
        if len(names) > HINTS_MAX:
            yield field.too_many(f"{path}.{key}", len(names), HINTS_MAX)
            continue
        for index, name in enumerate(names):
            yield from _validate_hint(names, index, judge(name), f"{path}.{key}[{index}].name")


def _validate_hint(
    names: Sequence[str], index: int, messages: Sequence[str], path: str
) -> Iterator[Cause]:
    if names[index] in names[:index]:
        yield field.duplicate(path, names[index])
    for message in messages:
        yield field.invalid(path, names[index], message)


def _validate_address(address: str, kind: str, path: str) -> list[Cause]:
    if kind == "FQDN":
        return validation.validate_name(address, path, validation.dns1123_subdomain)
    causes = validate_backend_address(address, path)
    if not causes and kind in _ADDRESS_TYPES and f"IPv{ip_address(address).version}" != kind:
        return [field.invalid(path, address, f"must be an {kind} address")]
    return causes


def _validate_ports(ports: Sequence[Object]) -> Iterator[Cause]:
    if len(ports) > PORTS_MAX:
        yield field.too_many("ports", len(ports), PORTS_MAX)
        return
    names: set[str] = set()
    for index, port in enumerate(ports):
        path, name = f"ports[{index}]", port.get("name") or ""
        if name:
            yield from validation.validate_name(name, f"{path}.name", validation.dns1123_label)
        if name in names:
            yield field.duplicate(f"{path}.name", name)
        names.add(name)
        if (application := port.get("appProtocol")) is not None:
            yield from validation.validate_name(
                application, f"{path}.appProtocol", validation.qualified_name
            )
        protocol = port.get("protocol") or ""
        if not protocol:
            yield field.required(f"{path}.protocol")
        elif protocol not in PROTOCOLS:
            yield field.not_supported(f"{path}.protocol", protocol, PROTOCOLS)


def validate_update(new: Object, old: Object) -> list[Cause]:
    return [
        *metadata.validate_update(new, old),
        *metadata.immutable(new, old, "addressType", "addressType"),
    ]


def row(endpoint_slice: Object, now: float) -> Sequence[Cell]:
    ports = [_port(port) for port in endpoint_slice.get("ports") or []]
    addresses = [
        address
        for endpoint in endpoint_slice.get("endpoints") or []
        for address in endpoint.get("addresses") or []
    ]
    return (
        name_of(endpoint_slice),
        endpoint_slice.get("addressType") or "",
        cells.first_few(ports, empty="<unset>"),
        cells.first_few(addresses, empty="<unset>"),
        cells.age(endpoint_slice, now),
    )


def _port(port: Object) -> str:
    number = port.get("port")
    return str(number) if number is not None else port.get("name") or "*"


ENDPOINTSLICE: Final = Kind(
    resource=ENDPOINTSLICES,
    singular="endpointslice",
    default=default,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    validate=validate,
    validate_update=validate_update,
    columns=(
        cells.NAME,
        Column("AddressType", description="IPv4, IPv6 or FQDN."),
        Column("Ports", description="Ports of every endpoint."),
        Column("Endpoints", description="Addresses."),
        cells.AGE,
    ),
    cells=row,
)
