"""ServiceCIDRs: which addresses Services may have (networking.k8s.io/v1).

As objects: this cluster's own range is its configuration's, and cannot be widened while it runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from controlplane.apiserver.kinds import cells, metadata, strategy
from controlplane.apiserver.kinds.addresses import validate_cidr
from controlplane.apiserver.kinds.kind import Cell, Column, Kind, in_version
from kubeapi import field, validation
from kubeapi.objects import Object, name_of
from kubeapi.resources import SERVICECIDRS, SERVICECIDRS_V1BETA1
from kubeapi.status import Cause

_CIDRS_MAX: Final = 2
_ONE_OF_EACH: Final = (
    "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64"
)


def default(service_cidr: Object) -> None:
    service_cidr["spec"] = service_cidr.get("spec") or {}


def prepare_create(service_cidr: Object) -> None:
    service_cidr["status"] = {}


def validate(service_cidr: Object) -> list[Cause]:
    return [
        *metadata.validate(service_cidr, validation.dns1123_subdomain),
        *_validate_cidrs(service_cidr["spec"], "spec.cidrs"),
    ]


def _validate_cidrs(spec: Object, path: str) -> Iterator[Cause]:
    cidrs = spec.get("cidrs") or []
    if not cidrs:
        yield field.required(path, "at least one CIDR required")
    elif len(cidrs) > _CIDRS_MAX:
        yield field.invalid(path, spec, f"may only hold up to {_CIDRS_MAX} values")
    elif len(cidrs) == _CIDRS_MAX and len({":" in cidr for cidr in cidrs}) == 1:
        yield field.invalid(path, spec, _ONE_OF_EACH)
    else:
        for index, cidr in enumerate(cidrs):
            yield from validate_cidr(cidr, f"{path}[{index}]")


def validate_update(new: Object, old: Object) -> list[Cause]:
    return [
        *metadata.validate_update(new, old),
        *metadata.immutable(new["spec"], old["spec"], "cidrs", "spec.cidrs"),
    ]


def row(service_cidr: Object, now: float) -> Sequence[Cell]:
    cidrs = ",".join(service_cidr["spec"].get("cidrs") or ())
    return name_of(service_cidr), cidrs, cells.age(service_cidr, now)


SERVICECIDR: Final = Kind(
    resource=SERVICECIDRS,
    singular="servicecidr",
    subresources=("status",),
    default=default,
    prepare_create=prepare_create,
    prepare_update=strategy.keep_status,
    prepare_status_update=strategy.keep_all_but_status,
    validate=validate,
    validate_update=validate_update,
    columns=(cells.NAME, Column("CIDRs", description="The networks."), cells.AGE),
    cells=row,
)

#: Kubernetes 1.31 and 1.32 have no newer one; their kubectl asks for it.
SERVICECIDR_V1BETA1: Final = replace(
    SERVICECIDR,
    resource=SERVICECIDRS_V1BETA1,
    hub=SERVICECIDR,
    to_hub=in_version(SERVICECIDRS),
    from_hub=in_version(SERVICECIDRS_V1BETA1),
)
