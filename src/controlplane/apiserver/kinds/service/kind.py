"""The row of Services in the registry."""

from __future__ import annotations

from typing import Final

from controlplane.apiserver.kinds import strategy as strategies
from controlplane.apiserver.kinds.kind import Kind
from controlplane.apiserver.kinds.service import printer, strategy, validation
from kubeapi.resources import SERVICES

SERVICE: Final = Kind(
    resource=SERVICES,
    singular="service",
    short_names=("svc",),
    categories=("all",),
    subresources=("status",),
    default=strategy.default,
    prepare_create=strategy.prepare_create,
    prepare_update=strategy.prepare_update,
    prepare_status_update=strategies.keep_spec,
    validate=validation.validate,
    validate_update=validation.validate_update,
    columns=printer.COLUMNS,
    cells=printer.row,
)
