"""ServiceAccounts: who a pod is. Their tokens are `controlplane.apiserver.serviceaccount`'s."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from controlplane.apiserver.kinds import cells, metadata
from controlplane.apiserver.kinds.kind import Cell, Column, Kind
from kubeapi import validation
from kubeapi.objects import Object, name_of
from kubeapi.resources import SERVICEACCOUNTS
from kubeapi.status import Cause


def validate(account: Object) -> list[Cause]:
    return metadata.validate(account, validation.dns1123_subdomain)


def row(account: Object, now: float) -> Sequence[Cell]:
    return name_of(account), len(account.get("secrets") or []), cells.age(account, now)


SERVICEACCOUNT: Final = Kind(
    resource=SERVICEACCOUNTS,
    returns_deleted=True,
    singular="serviceaccount",
    short_names=("sa",),
    validate=validate,
    validate_update=metadata.validate_update,
    columns=(
        cells.NAME,
        Column("Secrets", "integer", description="Number of secrets it may use."),
        cells.AGE,
    ),
    cells=row,
)
