"""IPAddresses: who has an address of the Services' range (networking.k8s.io/v1).

As objects: this cluster notes what its Services hold elsewhere (`claims`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from ipaddress import ip_address
from typing import Final

from controlplane.apiserver.kinds import cells, metadata
from controlplane.apiserver.kinds.kind import Cell, Column, Kind, in_version
from controlplane.apiserver.kinds.rbac.names import path_segment
from kubeapi import field, validation
from kubeapi.objects import Object, name_of
from kubeapi.resources import IPADDRESSES, IPADDRESSES_V1BETA1
from kubeapi.status import Cause

_NO_ADDRESS: Final = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"


def _name_rule(name: str) -> list[str]:
    """Take addresses as they are written best."""
    try:
        best = str(ip_address(name))
    except ValueError:
        return [_NO_ADDRESS]
    return [] if best == name else [f'must be in canonical form ("{best}")']


def default(address: Object) -> None:
    address["spec"] = address.get("spec") or {}


def validate(address: Object) -> list[Cause]:
    return [
        *metadata.validate(address, _name_rule),
        *_validate_parent(address["spec"].get("parentRef"), "spec.parentRef"),
    ]


def _validate_parent(parent: Object | None, path: str) -> Iterator[Cause]:
    if parent is None:
        yield field.required(path)
        return
    if group := parent.get("group"):
        yield from validation.validate_name(group, f"{path}.group", validation.dns1123_subdomain)
    for key in ("resource", "name"):
        if not parent.get(key):
            yield field.required(f"{path}.{key}")
    for key in ("resource", "name", "namespace"):
        if value := parent.get(key):
            yield from validation.validate_name(value, f"{path}.{key}", path_segment)


def validate_update(new: Object, old: Object) -> list[Cause]:
    return [
        *metadata.validate_update(new, old),
        *metadata.immutable(new["spec"], old["spec"], "parentRef", "spec.parentRef"),
    ]


def row(address: Object, _now: float) -> Sequence[Cell]:
    parent = address["spec"].get("parentRef") or {}
    keys = ("group", "resource", "namespace", "name")
    return name_of(address), "/".join(part for key in keys if (part := parent.get(key)))


IPADDRESS: Final = Kind(
    resource=IPADDRESSES,
    singular="ipaddress",
    short_names=("ip",),
    default=default,
    validate=validate,
    validate_update=validate_update,
    columns=(cells.NAME, Column("ParentRef", description="Who has it.")),
    cells=row,
)

#: Kubernetes 1.31 and 1.32 have no newer one; their kubectl asks for it.
IPADDRESS_V1BETA1: Final = replace(
    IPADDRESS,
    resource=IPADDRESSES_V1BETA1,
    hub=IPADDRESS,
    to_hub=in_version(IPADDRESSES),
    from_hub=in_version(IPADDRESSES_V1BETA1),
)
