"""The row of Services in the registry."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from controlplane.apiserver.kinds import strategy as strategies
from controlplane.apiserver.kinds.kind import Kind
from controlplane.apiserver.kinds.service import families, printer, strategy, validation
from kubeapi.objects import Object
from kubeapi.resources import SERVICES


def service_kind(configured: Sequence[str]) -> Kind:
    """Return the row for a cluster with the address families *configured*, the first foremost."""

    def prepare_create(service: Object) -> None:
        strategy.prepare_create(service)
        families.settle(service, None, configured)

    def prepare_update(new: Object, old: Object) -> None:
        strategy.prepare_update(new, old)
        families.settle(new, old, configured)

    return Kind(
        resource=SERVICES,
        returns_deleted=True,
        singular="service",
        short_names=("svc",),
        categories=("all",),
        subresources=("status",),
        default=strategy.default,
        prepare_create=prepare_create,
        prepare_update=prepare_update,
        prepare_status_update=strategies.keep_spec,
        validate=partial(validation.validate, configured=configured),
        validate_update=validation.validate_update,
        fields=strategy.fields,
        columns=printer.COLUMNS,
        cells=printer.row,
    )
