"""DaemonSets: a pod of one template on every node (apps/v1).

`deprecated.daemonset.template.generation` is what is left of a field of extensions/v1beta1; as
upstream, the server counts it and writes it into the annotations.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from controlplane.apiserver.kinds import cells, metadata, strategy, workload
from controlplane.apiserver.kinds.kind import Cell, Column, Kind
from controlplane.apiserver.kinds.shares import validate_share
from kubeapi import field, validation
from kubeapi.objects import Object, name_of
from kubeapi.resources import DAEMONSETS
from kubeapi.status import Cause

TEMPLATE_GENERATION: Final = "deprecated.daemonset.template.generation"
_HISTORY_LIMIT: Final = 10
_STRATEGIES: Final = ("RollingUpdate", "OnDelete")
_COUNTED: Final = (
    "currentNumberScheduled",
    "desiredNumberScheduled",
    "numberMisscheduled",
    "numberReady",
)
_MAYBE_COUNTED: Final = ("updatedNumberScheduled", "numberAvailable", "numberUnavailable")


def default(daemon_set: Object) -> None:
    """Roll node by node."""
    spec = daemon_set["spec"] = daemon_set.get("spec") or {}
    if spec.get("revisionHistoryLimit") is None:
        spec["revisionHistoryLimit"] = _HISTORY_LIMIT
    rollout = spec["updateStrategy"] = spec.get("updateStrategy") or {}
    rollout["type"] = rollout.get("type") or "RollingUpdate"
    if rollout["type"] == "RollingUpdate":
        rolling = rollout["rollingUpdate"] = rollout.get("rollingUpdate") or {}
        for key, value in (("maxUnavailable", 1), ("maxSurge", 0)):
            if rolling.get(key) is None:
                rolling[key] = value
    workload.default_template(spec)


def prepare_create(daemon_set: Object) -> None:
    strategy.begin_generation(daemon_set)
    daemon_set["status"] = dict.fromkeys(_COUNTED, 0)
    _count_template(daemon_set, 1)


def prepare_update(new: Object, old: Object) -> None:
    strategy.keep_status_and_count(new, old)
    counted = (old["metadata"].get("annotations") or {}).get(TEMPLATE_GENERATION, "")
    generation = int(counted) if counted.isdecimal() else 1
    _count_template(new, generation + (new["spec"]["template"] != old["spec"]["template"]))


def _count_template(daemon_set: Object, generation: int) -> None:
    meta = daemon_set["metadata"]
    annotations = meta.get("annotations") or {}
    meta["annotations"] = {**annotations, TEMPLATE_GENERATION: str(generation)}


def validate(daemon_set: Object) -> list[Cause]:
    spec = daemon_set["spec"]
    return [
        *metadata.validate(daemon_set, validation.dns1123_subdomain),
        *workload.validate_selector_and_template(spec, kind="daemonset", pods_of="DaemonSet"),
        *workload.validate_count(spec, "minReadySeconds"),
        *_validate_strategy(spec["updateStrategy"], "spec.updateStrategy"),
        *workload.validate_count(spec, "revisionHistoryLimit"),
        *_validate_status(daemon_set.get("status") or {}),
    ]


def _validate_strategy(rollout: Object, path: str) -> Iterator[Cause]:
    if rollout["type"] not in _STRATEGIES:
        yield field.not_supported(f"{path}.type", rollout["type"], _STRATEGIES)
    elif rollout["type"] == "RollingUpdate":
        yield from _validate_rolling(rollout["rollingUpdate"], f"{path}.rollingUpdate")


def _validate_rolling(rolling: Object, path: str) -> Iterator[Cause]:
    unavailable, surge = rolling["maxUnavailable"], rolling["maxSurge"]
    yield from validate_share(unavailable, f"{path}.maxUnavailable", percent_max=100)
    yield from validate_share(surge, f"{path}.maxSurge", percent_max=100)
    some_away, some_more = (share not in (0, "0%") for share in (unavailable, surge))
    if some_away and some_more:
        detail = "may not be set when maxUnavailable is non-zero"
        yield field.invalid(f"{path}.maxSurge", surge, detail)
    elif not some_away and not some_more:
        yield field.required(f"{path}.maxUnavailable", "cannot be 0 when maxSurge is 0")


def _validate_status(status: Object) -> Iterator[Cause]:
    for key in (*_COUNTED, "observedGeneration", *_MAYBE_COUNTED, "collisionCount"):
        yield from workload.validate_count(status, key, "status")


def validate_update(new: Object, old: Object) -> list[Cause]:
    return [*metadata.validate_update(new, old), *workload.selector_changes(new, old)]


def row(daemon_set: Object, now: float) -> Sequence[Cell]:
    spec, status = daemon_set["spec"], daemon_set.get("status") or {}
    names, images = cells.container_cells(spec.get("template"))
    return (
        name_of(daemon_set),
        status.get("desiredNumberScheduled", 0),
        status.get("currentNumberScheduled", 0),
        status.get("numberReady", 0),
        status.get("updatedNumberScheduled", 0),
        status.get("numberAvailable", 0),
        cells.labels(spec["template"]["spec"].get("nodeSelector")),
        cells.age(daemon_set, now),
        names,
        images,
        cells.label_selector(spec.get("selector")),
    )


DAEMONSET: Final = Kind(
    resource=DAEMONSETS,
    singular="daemonset",
    short_names=("ds",),
    categories=("all",),
    subresources=("status",),
    default=default,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    prepare_status_update=strategy.keep_spec,
    validate=validate,
    validate_update=validate_update,
    columns=(
        cells.NAME,
        Column("Desired", "integer", description="Nodes that should run a pod."),
        Column("Current", "integer", description="Nodes that have one."),
        Column("Ready", "integer", description="Nodes whose pod is ready."),
        Column("Up-to-date", "integer", description="Nodes whose pod is of the newest template."),
        Column("Available", "integer", description="Nodes whose pod is ready for long enough."),
        Column("Node Selector", description="Labels of the nodes."),
        cells.AGE,
        cells.CONTAINERS,
        cells.IMAGES,
        cells.SELECTOR,
    ),
    cells=row,
)
