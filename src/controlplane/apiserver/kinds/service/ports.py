"""The ports of a Service: numbers, names and who may have a node port."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from kubeapi import field, validation
from kubeapi.objects import Object
from kubeapi.status import Cause

_PROTOCOLS: Final = ("SCTP", "TCP", "UDP")
_KUBELET_PORT: Final = 10250


def validate(service: Object) -> Iterator[Cause]:
    ports = service["spec"].get("ports") or []
    for index, port in enumerate(ports):
        yield from _validate_port(port, service, f"spec.ports[{index}]")
    yield from _validate_names(ports)
    yield from _validate_uniqueness(ports)


def _validate_port(port: Object, service: Object, path: str) -> Iterator[Cause]:
    number, protocol = port.get("port", 0), port["protocol"]
    for message in validation.port_number(number):
        yield field.invalid(f"{path}.port", number, message)
    if protocol not in _PROTOCOLS:
        yield field.not_supported(f"{path}.protocol", protocol, _PROTOCOLS)
    yield from validate_target(port.get("targetPort") or 0, f"{path}.targetPort")
    if (application := port.get("appProtocol")) is not None:
        yield from validation.validate_name(
            application, f"{path}.appProtocol", validation.qualified_name
        )
    kind = service["spec"]["type"]
    if kind == "LoadBalancer" and number == _KUBELET_PORT:
        detail = f"may not expose port {number} externally since it is used by kubelet"
        yield field.invalid(path, number, detail)
    if port.get("nodePort") and kind in ("ClusterIP", "ExternalName"):
        detail = f"may not be used when `type` is '{kind}'"
        yield field.forbidden(f"{path}.nodePort", detail)


def validate_target(target: int | str, path: str) -> Iterator[Cause]:
    """Judge an IntOrString that means a container's port."""
    if isinstance(target, int):
        messages = validation.port_number(target)
    else:
        messages = validation.port_name(target)
    for message in messages:
        yield field.invalid(path, target, message)


def _validate_names(ports: list[Object]) -> Iterator[Cause]:
    names: set[str] = set()
    for index, port in enumerate(ports):
        path, name = f"spec.ports[{index}].name", port.get("name") or ""
        if not name:
            if len(ports) > 1:
                yield field.required(path)
            continue
        yield from validation.validate_name(name, path, validation.dns1123_label)
        if name in names:
            yield field.duplicate(path, name)
        names.add(name)


def _validate_uniqueness(ports: list[Object]) -> Iterator[Cause]:
    seen: set[tuple[str, int]] = set()
    node_ports: set[tuple[str, int]] = set()
    for index, port in enumerate(ports):
        path, protocol = f"spec.ports[{index}]", port["protocol"]
        key = (protocol, port.get("port", 0))
        if key in seen:
            yield field.duplicate(path, {"port": port.get("port"), "protocol": protocol})
        seen.add(key)
        if number := port.get("nodePort"):
            if (protocol, number) in node_ports:
                yield field.duplicate(f"{path}.nodePort", number)
            node_ports.add((protocol, number))
