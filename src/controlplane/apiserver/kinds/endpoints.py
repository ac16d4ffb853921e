"""Endpoints: the older form of EndpointSlices, kept for clients that still read it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from controlplane.apiserver.kinds import cells, metadata
from controlplane.apiserver.kinds.addresses import validate_backend_address
from controlplane.apiserver.kinds.endpointslice import PROTOCOLS
from controlplane.apiserver.kinds.kind import Cell, Column, Kind
from kubeapi import field, resources, validation
from kubeapi.objects import Object, name_of
from kubeapi.status import Cause


def default(endpoints: Object) -> None:
    """A port is TCP unless it says otherwise."""
    for subset in endpoints.get("subsets") or []:
        for port in subset.get("ports") or []:
            port["protocol"] = port.get("protocol") or "TCP"


def validate(endpoints: Object) -> list[Cause]:
    causes = metadata.validate(endpoints, validation.dns1123_subdomain)
    for index, subset in enumerate(endpoints.get("subsets") or []):
        causes += _validate_subset(subset, f"subsets[{index}]")
    return causes


def _validate_subset(subset: Object, path: str) -> Iterator[Cause]:
    if not (subset.get("addresses") or subset.get("notReadyAddresses")):
        yield field.required(path, "must specify `addresses` or `notReadyAddresses`")
    for key in ("addresses", "notReadyAddresses"):
        for index, address in enumerate(subset.get(key) or []):
            yield from _validate_address(address, f"{path}.{key}[{index}]")
    ports = subset.get("ports") or []
    for index, port in enumerate(ports):
        yield from _validate_port(port, f"{path}.ports[{index}]", is_alone=len(ports) == 1)


def _validate_address(address: Object, path: str) -> Iterator[Cause]:
    yield from validate_backend_address(address.get("ip", ""), f"{path}.ip")
    if hostname := address.get("hostname"):
        yield from validation.validate_name(hostname, f"{path}.hostname", validation.dns1123_label)
    if (node := address.get("nodeName")) is not None:
        yield from validation.validate_name(node, f"{path}.nodeName", validation.dns1123_subdomain)


def _validate_port(port: Object, path: str, *, is_alone: bool) -> Iterator[Cause]:
    number = port.get("port", 0)
    if port.get("name"):
        yield from validation.validate_name(port["name"], f"{path}.name", validation.dns1123_label)
    elif not is_alone:
        yield field.required(f"{path}.name")
    for message in validation.port_number(number):
        yield field.invalid(f"{path}.port", number, message)
    if port["protocol"] not in PROTOCOLS:
        yield field.not_supported(f"{path}.protocol", port["protocol"], PROTOCOLS)
    if (application := port.get("appProtocol")) is not None:
        yield from validation.validate_name(
            application, f"{path}.appProtocol", validation.qualified_name
        )


def row(endpoints: Object, now: float) -> Sequence[Cell]:
    shown = [text for subset in endpoints.get("subsets") or [] for text in _subset(subset)]
    return (
        name_of(endpoints),
        cells.first_few(shown, empty=cells.NONE),
        cells.age(endpoints, now),
    )


def _subset(subset: Object) -> list[str]:
    addresses = [address.get("ip", "") for address in subset.get("addresses") or []]
    ports = subset.get("ports") or []
    if not ports:  # A headless service may have none.
        return addresses
    shown = [f"[{address}]" if ":" in address else address for address in addresses]
    return [f"{address}:{port.get('port')}" for port in ports for address in shown]


ENDPOINTS: Final = Kind(
    resource=resources.ENDPOINTS,
    singular="endpoints",
    short_names=("ep",),
    default=default,
    validate=validate,
    validate_update=metadata.validate_update,
    columns=(
        cells.NAME,
        Column("Endpoints", description="Addresses and ports of ready backends."),
        cells.AGE,
    ),
    cells=row,
)
