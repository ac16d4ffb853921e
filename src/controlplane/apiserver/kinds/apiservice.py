"""APIServices: which groups and versions are served, and by whom (apiregistration.k8s.io/v1).

Those of this server are written by it (`api_registration`); others are kept, not proxied to.
Upstream: kube-aggregator.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from controlplane.apiserver.kinds import cells, metadata, strategy
from controlplane.apiserver.kinds.kind import Cell, Column, Kind
from controlplane.apiserver.kinds.rbac.names import path_segment
from kubeapi import field, validation
from kubeapi.objects import Object, name_of
from kubeapi.resources import APISERVICES
from kubeapi.status import Cause

AVAILABLE: Final = "Available"
_LOCAL: Final = "Local"
_PORT: Final = 443
_GROUP_PRIORITY_MAX: Final = 20_000
_VERSION_PRIORITY_MAX: Final = 1_000


def default(api_service: Object) -> None:
    """Reach Services by HTTPS's port."""
    spec = api_service["spec"] = api_service.get("spec") or {}
    if (service := spec.get("service")) is not None:
        service["port"] = service.get("port") or _PORT


def prepare_create(api_service: Object) -> None:
    """Begin without status; what this server serves itself is there."""
    local = api_service["spec"].get("service") is None
    made = api_service["metadata"].get("creationTimestamp")
    condition = {
        "type": AVAILABLE,
        "status": "True",
        "reason": _LOCAL,
        "message": "Local APIServices are always available",
        "lastTransitionTime": made,
    }
    api_service["status"] = {"conditions": [condition]} if local else {}


def validate(api_service: Object) -> list[Cause]:
    spec = api_service["spec"]
    wanted = f"{spec.get('version') or ''}.{spec.get('group') or ''}"

    def name_rule(name: str) -> list[str]:
        if wrong := path_segment(name):
            return wrong
        if name == wanted:
            return []
        return [f'must be `spec.version+"."+spec.group`: "{wanted}"']

    return [
        *metadata.validate(api_service, name_rule),
        *_validate_version(spec),
        *_validate_priorities(spec),
        *_validate_service(spec),
    ]


def _validate_version(spec: Object) -> Iterator[Cause]:
    group, version = spec.get("group") or "", spec.get("version") or ""
    if not group and version != "v1":
        detail = "only v1 may have an empty group and it better be legacy kube"
        yield field.required("spec.group", detail)
    if group:
        yield from validation.validate_name(group, "spec.group", validation.dns1123_subdomain)
    yield from validation.validate_name(version, "spec.version", validation.dns1035_label)


def _validate_priorities(spec: Object) -> Iterator[Cause]:
    for key, most in (
        ("groupPriorityMinimum", _GROUP_PRIORITY_MAX),
        ("versionPriority", _VERSION_PRIORITY_MAX),
    ):
        number = spec.get(key) or 0
        if not 0 < number <= most:
            detail = f"must be positive and less than {most}"
            yield field.invalid(f"spec.{key}", number, detail)


def _validate_service(spec: Object) -> Iterator[Cause]:
    service, bundle = spec.get("service"), spec.get("caBundle")
    insecure, path = bool(spec.get("insecureSkipTLSVerify")), "spec.insecureSkipTLSVerify"
    if service is None:
        if bundle:
            size = f"{len(bundle)} bytes"
            detail = "local APIServices may not have a caBundle"
            yield field.invalid("spec.caBundle", size, detail)
        if insecure:
            detail = "local APIServices may not have insecureSkipTLSVerify"
            yield field.invalid(path, insecure, detail)
        return
    for key in ("namespace", "name"):
        if not service.get(key):
            yield field.required(f"spec.service.{key}")
    for message in validation.port_number(service["port"]):
        yield field.invalid("spec.service.port", service["port"], f"port is not valid: {message}")
    if insecure and bundle:
        detail = "may not be true if caBundle is present"
        yield field.invalid(path, insecure, detail)


def row(api_service: Object, now: float) -> Sequence[Cell]:
    service = api_service["spec"].get("service")
    shown = f"{service.get('namespace')}/{service.get('name')}" if service else _LOCAL
    return name_of(api_service), shown, _availability(api_service), cells.age(api_service, now)


def _availability(api_service: Object) -> str:
    for condition in (api_service.get("status") or {}).get("conditions") or []:
        if condition.get("type") == AVAILABLE:
            status, reason = condition.get("status") or "", condition.get("reason") or ""
            return status if status == "True" else f"{status} ({reason})"
    return "Unknown"


APISERVICE: Final = Kind(
    resource=APISERVICES,
    singular="apiservice",
    categories=("api-extensions",),
    subresources=("status",),
    default=default,
    prepare_create=prepare_create,
    prepare_update=strategy.keep_status,
    prepare_status_update=strategy.keep_all_but_status,
    validate=validate,
    validate_update=metadata.validate_update,
    columns=(
        cells.NAME,
        Column("Service", description="Who serves it, or Local."),
        Column("Available", description="Whether it is served."),
        cells.AGE,
    ),
    cells=row,
)
