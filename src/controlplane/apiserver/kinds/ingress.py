"""Ingresses: which requests from outside go to which Service (networking.k8s.io/v1).

Upstream: pkg/apis/networking/validation. Nothing here routes: that is `ingresscontroller`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address
from typing import Final

from controlplane.apiserver.kinds import cells, metadata, strategy
from controlplane.apiserver.kinds.kind import Cell, Column, Kind
from kubeapi import field, validation
from kubeapi.objects import Object, annotations_of, name_of
from kubeapi.resources import INGRESSES
from kubeapi.status import Cause

#: What said before 1.18 which controller an Ingress is for.
CLASS_ANNOTATION: Final = "kubernetes.io/ingress.class"

_PATH_TYPES: Final = ("Exact", "ImplementationSpecific", "Prefix")
_NOT_IN_PATHS: Final = ("//", "/./", "/../", "%2f", "%2F")
_NOT_AT_THE_END: Final = ("/..", "/.")
_NO_ADDRESS: Final = "must be a DNS name, not an IP address"


def prepare_create(ingress: Object) -> None:
    """Forget the status that a client sent, and begin to count generations."""
    strategy.begin_generation(ingress)
    ingress["status"] = {"loadBalancer": {}}


def validate(ingress: Object) -> list[Cause]:
    spec = ingress.get("spec") or {}
    return [
        *metadata.validate(ingress, validation.dns1123_subdomain),
        *_validate_spec(spec, "spec"),
        *_validate_class(spec, annotations_of(ingress)),
        *_validate_status(ingress.get("status") or {}),
    ]


def _validate_class(spec: Object, annotations: Mapping[str, str]) -> Iterator[Cause]:
    name, annotated = spec.get("ingressClassName"), annotations.get(CLASS_ANNOTATION)
    if name is not None and annotated is not None and name != annotated:
        detail = "must match `ingressClassName` when both are specified"
        yield field.invalid(f"annotations.{CLASS_ANNOTATION}", annotated, detail)


def _validate_spec(spec: Object, path: str) -> Iterator[Cause]:
    rules, backend = spec.get("rules") or [], spec.get("defaultBackend")
    if not rules and backend is None:
        detail = "either `defaultBackend` or `rules` must be specified"
        yield field.invalid(path, rules, detail)
    if backend is not None:
        yield from _validate_backend(backend, f"{path}.defaultBackend")
    for index, rule in enumerate(rules):
        yield from _validate_rule(rule, f"{path}.rules[{index}]")
    for index, tls in enumerate(spec.get("tls") or []):
        yield from _validate_tls(tls, f"{path}.tls[{index}]")
    name = spec.get("ingressClassName")
    for message in [] if name is None else validation.dns1123_subdomain(name):
        yield field.invalid(f"{path}.ingressClassName", name, message)


def _validate_tls(tls: Object, path: str) -> Iterator[Cause]:
    for index, host in enumerate(tls.get("hosts") or []):
        yield from _validate_name(host, f"{path}.hosts[{index}]")
    secret = tls.get("secretName") or ""
    for message in validation.dns1123_subdomain(secret) if secret else []:
        yield field.invalid(f"{path}.secretName", secret, message)


def _validate_name(host: str, path: str) -> Iterator[Cause]:
    rule = validation.wildcard_dns1123_subdomain if "*" in host else validation.dns1123_subdomain
    for message in rule(host):
        yield field.invalid(path, host, message)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _validate_rule(rule: Object, path: str) -> Iterator[Cause]:
    host = rule.get("host") or ""
    if _is_address(host):
        yield field.invalid(f"{path}.host", host, _NO_ADDRESS)
    if host:
        yield from _validate_name(host, f"{path}.host")
    http = rule.get("http")
    if http is None:
        return
    if not http.get("paths"):
        yield field.required(f"{path}.http.paths")
    for index, each in enumerate(http.get("paths") or []):
        yield from _validate_path(each, f"{path}.http.paths[{index}]")


def _validate_path(entry: Object, where: str) -> Iterator[Cause]:
    kind, path = entry.get("pathType"), entry.get("path") or ""
    if not kind:
        yield field.required(f"{where}.pathType", "pathType must be specified")
        return
    if kind not in _PATH_TYPES:
        yield field.not_supported(f"{where}.pathType", kind, _PATH_TYPES)
    elif not path.startswith("/") and (path or kind != "ImplementationSpecific"):
        yield field.invalid(f"{where}.path", path, "must be an absolute path")
    if kind in ("Exact", "Prefix"):
        for each in _NOT_IN_PATHS:
            if each in path:
                yield field.invalid(f"{where}.path", path, f"must not contain '{each}'")
        for each in _NOT_AT_THE_END:
            if path.endswith(each):
                yield field.invalid(f"{where}.path", path, f"cannot end with '{each}'")
    yield from _validate_backend(entry.get("backend") or {}, f"{where}.backend")


def _validate_backend(backend: Object, path: str) -> Iterator[Cause]:
    resource, service = backend.get("resource"), backend.get("service")
    if resource is not None and service is not None:
        yield field.invalid(path, "", "cannot set both resource and service backends")
    elif resource is not None:
        yield from validate_reference(resource, f"{path}.resource")
    elif service is not None:
        yield from _validate_service(service, path)
    else:
        yield field.invalid(path, "", "resource or service backend is required")


def _validate_service(service: Object, path: str) -> Iterator[Cause]:
    name = service.get("name") or ""
    if not name:
        yield field.required(f"{path}.service.name")
    for message in validation.dns1035_label(name) if name else []:
        yield field.invalid(f"{path}.service.name", name, message)
    port = service.get("port") or {}
    port_name, number = port.get("name") or "", port.get("number") or 0
    if port_name and number:
        yield field.invalid(path, "", "cannot set both port name & port number")
    elif not port_name and not number:
        yield field.required(path, "port name or number is required")
    for message in validation.port_name(port_name) if port_name and not number else []:
        yield field.invalid(f"{path}.service.port.name", port_name, message)
    for message in validation.port_number(number) if number and not port_name else []:
        yield field.invalid(f"{path}.service.port.number", number, message)


def validate_reference(reference: Object, path: str) -> Iterator[Cause]:
    """Judge a reference to an object of any kind (upstream: TypedLocalObjectReference)."""
    group = reference.get("apiGroup")
    for message in [] if group is None else validation.dns1123_subdomain(group):
        yield field.invalid(f"{path}.apiGroup", group, message)
    for key in ("kind", "name"):
        if not reference.get(key):
            yield field.required(f"{path}.{key}", f"{key} is required")


def _validate_status(status: Object) -> Iterator[Cause]:
    for index, entry in enumerate((status.get("loadBalancer") or {}).get("ingress") or []):
        path = f"status.loadBalancer.ingress[{index}]"
        address, host = entry.get("ip") or "", entry.get("hostname") or ""
        if address and not _is_address(address):
            yield field.invalid(f"{path}.ip", address, "must be a valid IP address")
        for message in validation.dns1123_subdomain(host) if host else []:
            yield field.invalid(f"{path}.hostname", host, message)
        if _is_address(host):
            yield field.invalid(f"{path}.hostname", host, _NO_ADDRESS)


def row(ingress: Object, now: float) -> Sequence[Cell]:
    spec = ingress.get("spec") or {}
    hosts = [rule["host"] for rule in spec.get("rules") or [] if rule.get("host")]
    entries = ((ingress.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    addresses = sorted({each.get("ip") or each.get("hostname") or "" for each in entries} - {""})
    return (
        name_of(ingress),
        spec.get("ingressClassName") or cells.NONE,
        cells.first_few(hosts, empty="*"),
        ",".join(addresses),
        "80, 443" if spec.get("tls") else "80",
        cells.age(ingress, now),
    )


INGRESS: Final = Kind(
    resource=INGRESSES,
    singular="ingress",
    short_names=("ing",),
    subresources=("status",),
    prepare_create=prepare_create,
    prepare_update=strategy.keep_status_and_count,
    prepare_status_update=strategy.keep_spec,
    validate=validate,
    validate_update=metadata.validate_update,
    columns=(
        cells.NAME,
        Column("Class", description="The name of the IngressClass resource that is to do it."),
        Column("Hosts", description="Hosts that its rules are for."),
        Column("Address", description="Where the load balancer of its controller is reached."),
        Column("Ports", description="Ports of TLS and of plain HTTP."),
        cells.AGE,
    ),
    cells=row,
)
