"""HorizontalPodAutoscalers as they are stored: autoscaling/v2."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from controlplane.apiserver.kinds import cells, metadata, strategy, workload
from controlplane.apiserver.kinds.autoscaling import behavior, targets
from controlplane.apiserver.kinds.autoscaling.metrics import validate_metrics, validate_reference
from controlplane.apiserver.kinds.kind import Cell, Column, Kind
from kubeapi import field, validation
from kubeapi.objects import Object, name_of
from kubeapi.resources import HORIZONTALPODAUTOSCALERS
from kubeapi.status import Cause

_CPU_SHARE: Final = 80


def default(autoscaler: Object) -> None:
    """One replica at least, and processors busy for four fifths."""
    spec = autoscaler["spec"] = autoscaler.get("spec") or {}
    if spec.get("minReplicas") is None:
        spec["minReplicas"] = 1
    if not spec.get("metrics"):
        target = {"type": "Utilization", "averageUtilization": _CPU_SHARE}
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    if spec.get("behavior") is not None:
        behavior.default(spec["behavior"])


def prepare_create(autoscaler: Object) -> None:
    autoscaler["status"] = {"currentReplicas": 0, "desiredReplicas": 0}


def validate(autoscaler: Object) -> list[Cause]:
    return [
        *metadata.validate(autoscaler, validation.dns1123_subdomain),
        *_validate_spec(autoscaler["spec"]),
    ]


def _validate_spec(spec: Object) -> Iterator[Cause]:
    least, most = spec["minReplicas"], spec.get("maxReplicas") or 0
    if least < 1:
        yield field.invalid("spec.minReplicas", least, "must be greater than or equal to 1")
    if most < 1:
        yield field.invalid("spec.maxReplicas", most, "must be greater than 0")
    if most < least:
        detail = "must be greater than or equal to `minReplicas`"
        yield field.invalid("spec.maxReplicas", most, detail)
    yield from validate_reference(spec.get("scaleTargetRef") or {}, "spec.scaleTargetRef")
    yield from validate_metrics(spec["metrics"], "spec.metrics")
    if spec.get("behavior") is not None:
        yield from behavior.validate(spec["behavior"], "spec.behavior")


def validate_status(autoscaler: Object) -> Iterator[Cause]:
    status = autoscaler.get("status") or {}
    for key in ("currentReplicas", "desiredReplicas"):
        yield from workload.validate_count(status, key, "status")


def validate_update(new: Object, old: Object) -> list[Cause]:
    return [*metadata.validate_update(new, old), *validate_status(new)]


def row(autoscaler: Object, now: float) -> Sequence[Cell]:
    spec, status = autoscaler["spec"], autoscaler.get("status") or {}
    reference, least = spec.get("scaleTargetRef") or {}, spec.get("minReplicas")
    return (
        name_of(autoscaler),
        f"{reference.get('kind')}/{reference.get('name')}",
        targets.shown(spec.get("metrics") or (), status.get("currentMetrics") or ()),
        "<unset>" if least is None else str(least),
        spec.get("maxReplicas") or 0,
        status.get("currentReplicas") or 0,
        cells.age(autoscaler, now),
    )


COLUMNS: Final = (
    cells.NAME,
    Column("Reference", description="What is scaled."),
    Column("Targets", description="What is measured, out of what is wanted."),
    Column("MinPods", description="Pods there are at least."),
    Column("MaxPods", description="Pods there are at most."),
    Column("Replicas", "integer", description="Pods there are."),
    cells.AGE,
)

HORIZONTALPODAUTOSCALER: Final = Kind(
    resource=HORIZONTALPODAUTOSCALERS,
    singular="horizontalpodautoscaler",
    short_names=("hpa",),
    categories=("all",),
    subresources=("status",),
    default=default,
    prepare_create=prepare_create,
    prepare_update=strategy.keep_status,
    prepare_status_update=strategy.keep_spec,
    validate=validate,
    validate_update=validate_update,
    columns=COLUMNS,
    cells=row,
)
