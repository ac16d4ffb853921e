"""Deployments: a template that may change, rolled out step by step (apps/v1)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from controlplane.apiserver.kinds import cells, metadata, strategy, workload
from controlplane.apiserver.kinds.kind import Cell, Column, Kind
from controlplane.apiserver.kinds.shares import validate_share
from kubeapi import field, validation
from kubeapi.objects import Object, name_of
from kubeapi.resources import DEPLOYMENTS
from kubeapi.status import Cause

HISTORY_LIMIT: Final = 10
PROGRESS_DEADLINE_S: Final = 600
_STRATEGIES: Final = ("Recreate", "RollingUpdate")
_SHARE: Final = "25%"


def default(deployment: Object) -> None:
    """One replica, rolled by a quarter at a time."""
    spec = deployment["spec"] = deployment.get("spec") or {}
    for key, value in (
        ("replicas", 1),
        ("revisionHistoryLimit", HISTORY_LIMIT),
        ("progressDeadlineSeconds", PROGRESS_DEADLINE_S),
    ):
        if spec.get(key) is None:
            spec[key] = value
    rollout = spec["strategy"] = spec.get("strategy") or {}
    rollout["type"] = rollout.get("type") or "RollingUpdate"
    if rollout["type"] == "RollingUpdate":
        rolling = rollout["rollingUpdate"] = rollout.get("rollingUpdate") or {}
        for key in ("maxUnavailable", "maxSurge"):
            if rolling.get(key) is None:
                rolling[key] = _SHARE
    workload.default_template(spec)


def validate(deployment: Object) -> list[Cause]:
    spec = deployment["spec"]
    return [
        *metadata.validate(deployment, validation.dns1123_subdomain),
        *workload.validate_count(spec, "replicas"),
        *workload.validate_selector_and_template(spec, kind="deployment"),
        *_validate_strategy(spec["strategy"]),
        *workload.validate_count(spec, "minReadySeconds"),
        *workload.validate_count(spec, "revisionHistoryLimit"),
        *_validate_deadline(spec),
    ]


def _validate_strategy(rollout: Object) -> Iterator[Cause]:
    kind: str = rollout["type"]
    rolling: Object = rollout.get("rollingUpdate") or {}
    if kind not in _STRATEGIES:
        yield field.not_supported("spec.strategy.type", kind, _STRATEGIES)
    elif kind == "Recreate" and rollout.get("rollingUpdate") is not None:
        detail = f"may not be specified when strategy `type` is '{kind}'"
        yield field.forbidden("spec.strategy.rollingUpdate", detail)
    elif kind == "RollingUpdate":
        path = "spec.strategy.rollingUpdate"
        unavailable, surge = rolling["maxUnavailable"], rolling["maxSurge"]
        yield from validate_share(unavailable, f"{path}.maxUnavailable", percent_max=100)
        yield from validate_share(surge, f"{path}.maxSurge", percent_max=None)
        if _is_zero(unavailable) and _is_zero(surge):
            detail = "may not be 0 when `maxSurge` is 0"
            yield field.invalid(f"{path}.maxUnavailable", unavailable, detail)


def _is_zero(share: int | str) -> bool:
    return share in (0, "0%")


def _validate_deadline(spec: Object) -> Iterator[Cause]:
    yield from workload.validate_count(spec, "progressDeadlineSeconds")
    deadline_s = spec["progressDeadlineSeconds"]
    if 0 <= deadline_s <= (spec.get("minReadySeconds") or 0):
        detail = "must be greater than minReadySeconds"
        yield field.invalid("spec.progressDeadlineSeconds", deadline_s, detail)


def validate_update(new: Object, old: Object) -> list[Cause]:
    return [*metadata.validate_update(new, old), *workload.selector_changes(new, old)]


def row(deployment: Object, now: float) -> Sequence[Cell]:
    spec, status = deployment.get("spec") or {}, deployment.get("status") or {}
    names, images = cells.container_cells(spec.get("template"))
    return (
        name_of(deployment),
        f"{status.get('readyReplicas', 0)}/{spec.get('replicas', 0)}",
        status.get("updatedReplicas", 0),
        status.get("availableReplicas", 0),
        cells.age(deployment, now),
        names,
        images,
        cells.label_selector(spec.get("selector")),
    )


DEPLOYMENT: Final = Kind(
    resource=DEPLOYMENTS,
    singular="deployment",
    short_names=("deploy",),
    categories=("all",),
    subresources=("status", "scale"),
    default=default,
    prepare_create=strategy.begin_generation,
    prepare_update=strategy.keep_status_and_count,
    prepare_status_update=strategy.keep_spec_and_labels,
    validate=validate,
    validate_update=validate_update,
    columns=(
        cells.NAME,
        Column("Ready", description="Ready pods out of wanted ones."),
        Column("Up-to-date", description="Pods of the newest template."),
        Column("Available", description="Pods ready for at least minReadySeconds."),
        cells.AGE,
        cells.CONTAINERS,
        cells.IMAGES,
        cells.SELECTOR,
    ),
    cells=row,
    scale_selector=workload.scale_selector,
)
