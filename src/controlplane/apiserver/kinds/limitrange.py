"""LimitRanges: what one pod, container or claim of a namespace may ask for (core/v1).

Upstream: ValidateLimitRange. What they do to pods, the LimitRanger does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from controlplane.apiserver.kinds import cells, metadata
from controlplane.apiserver.kinds.kind import Cell, Kind
from kubeapi import validation
from kubeapi.objects import Object, name_of
from kubeapi.resources import LIMITRANGES
from kubeapi.status import Cause


def validate(limit_range: Object) -> list[Cause]:
    return metadata.validate(limit_range, validation.dns1123_subdomain)


def row(limit_range: Object, _now: float) -> Sequence[Cell]:
    return name_of(limit_range), cells.created_at(limit_range)


LIMITRANGE: Final = Kind(
    resource=LIMITRANGES,
    singular="limitrange",
    short_names=("limits",),
    validate=validate,
    validate_update=metadata.validate_update,
    columns=(cells.NAME, cells.CREATED_AT),
    cells=row,
)
