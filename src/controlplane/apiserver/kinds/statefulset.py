"""StatefulSets: pods with names and claims of their own (apps/v1).

Upstream: ValidateStatefulSetSpec. Of the template only labels and annotations are judged here, as
upstream: its volumes come from the claims, so that whole pods are judged when they are made.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from controlplane.apiserver.kinds import cells, metadata, strategy, workload
from controlplane.apiserver.kinds.kind import Cell, Column, Kind
from controlplane.apiserver.kinds.quantities import NOT_NEGATIVE
from controlplane.apiserver.kinds.shares import validate_share
from controlplane.apiserver.kinds.storage.persistentvolumeclaim import default as default_claim
from kubeapi import field, validation
from kubeapi.objects import Object, name_of
from kubeapi.resources import STATEFULSETS
from kubeapi.status import Cause

_HISTORY_LIMIT: Final = 10
_ORDERS: Final = ("OrderedReady", "Parallel")
_ROLLING, _ON_DELETE = "RollingUpdate", "OnDelete"
_RETENTIONS: Final = ("Retain", "Delete")
_RETENTION_TIMES: Final = ("whenDeleted", "whenScaled")
_RETENTION: Final = "persistentVolumeClaimRetentionPolicy"
#: What an update may change of the spec.
_CHANGEABLE: Final = (
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    _RETENTION,
    "minReadySeconds",
)
_REFUSED: Final = (
    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', "
    "'updateStrategy', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
)
_COUNTS: Final = (
    "replicas",
    "readyReplicas",
    "currentReplicas",
    "updatedReplicas",
    "availableReplicas",
    "observedGeneration",
    "collisionCount",
)
_PARTS: Final = ("readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas")


def default(stateful_set: Object) -> None:
    """One replica after the other; claims stay when their pod goes."""
    spec = stateful_set["spec"] = stateful_set.get("spec") or {}
    for key, value in (("replicas", 1), ("revisionHistoryLimit", _HISTORY_LIMIT)):
        if spec.get(key) is None:
            spec[key] = value
    spec["podManagementPolicy"] = spec.get("podManagementPolicy") or _ORDERS[0]
    spec["serviceName"] = spec.get("serviceName") or ""
    rollout = spec["updateStrategy"] = spec.get("updateStrategy") or {}
    rollout["type"] = rollout.get("type") or _ROLLING
    if rollout["type"] == _ROLLING:
        rolling = rollout["rollingUpdate"] = rollout.get("rollingUpdate") or {}
        rolling["partition"] = rolling.get("partition") or 0
    retention = spec[_RETENTION] = spec.get(_RETENTION) or {}
    for key in _RETENTION_TIMES:
        retention[key] = retention.get(key) or _RETENTIONS[0]
    workload.default_template(spec)
    for claim in spec.get("volumeClaimTemplates") or []:
        claim.update(apiVersion="v1", kind="PersistentVolumeClaim")
        claim["metadata"] = claim.get("metadata") or {}
        default_claim(claim)


def prepare_create(stateful_set: Object) -> None:
    strategy.begin_generation(stateful_set)
    stateful_set["status"] = {"replicas": 0, "availableReplicas": 0}
    _rolling(stateful_set).pop("maxUnavailable", None)


def prepare_update(new: Object, old: Object) -> None:
    if "maxUnavailable" not in _rolling(old):
        _rolling(new).pop("maxUnavailable", None)
    strategy.keep_status_and_count(new, old)


def _rolling(stateful_set: Object) -> Object:
    """Return the rolling update's fields; maxUnavailable is alpha, and dropped as upstream does."""
    rolling: Object = stateful_set["spec"]["updateStrategy"].get("rollingUpdate") or {}
    return rolling


def validate(stateful_set: Object) -> list[Cause]:
    spec = stateful_set["spec"]
    template = spec["template"]
    return [
        *metadata.validate(stateful_set, validation.dns1123_label),
        *_validate_order(spec),
        *_validate_strategy(spec["updateStrategy"], "spec.updateStrategy"),
        *_validate_retention(spec[_RETENTION], f"spec.{_RETENTION}"),
        *workload.validate_count(spec, "replicas"),
        *workload.validate_count(spec, "minReadySeconds"),
        *_validate_ordinals(spec.get("ordinals") or {}),
        *workload.validate_selector(spec, kind="statefulset"),
        *workload.validate_template_metadata(template, "spec.template.metadata"),
        *workload.validate_endless(template, "StatefulSet"),
        *workload.validate_count(spec, "revisionHistoryLimit"),
        *_validate_status(stateful_set.get("status") or {}),
    ]


def _validate_order(spec: Object) -> Iterator[Cause]:
    order = spec["podManagementPolicy"]
    if order not in _ORDERS:
        detail = f"must be '{_ORDERS[0]}' or '{_ORDERS[1]}'"
        yield field.invalid("spec.podManagementPolicy", order, detail)


def _validate_strategy(rollout: Object, path: str) -> Iterator[Cause]:
    rolling = rollout.get("rollingUpdate")
    if rollout["type"] == _ON_DELETE:
        if rolling is not None:
            detail = f"only allowed for updateStrategy '{_ROLLING}'"
            yield field.invalid(f"{path}.rollingUpdate", rolling, detail)
    elif rollout["type"] != _ROLLING:
        yield field.invalid(path, rollout, f"must be '{_ROLLING}' or '{_ON_DELETE}'")
    elif rolling is not None:
        at = f"{path}.rollingUpdate"
        yield from workload.validate_count(rolling, "partition", at)
        if (share := rolling.get("maxUnavailable")) is not None:
            yield from validate_share(share, f"{at}.maxUnavailable", percent_max=100)
            if share in (0, "0%"):
                yield field.invalid(f"{at}.maxUnavailable", share, "cannot be 0")


def _validate_retention(retention: Object, path: str) -> Iterator[Cause]:
    for key in _RETENTION_TIMES:
        if retention[key] not in _RETENTIONS:
            yield field.not_supported(f"{path}.{key}", retention[key], _RETENTIONS)


def _validate_ordinals(ordinals: Object) -> Iterator[Cause]:
    if (start := ordinals.get("start") or 0) < 0:
        yield field.invalid("spec.ordinals.start", start, NOT_NEGATIVE)


def _validate_status(status: Object) -> Iterator[Cause]:
    for key in _COUNTS:
        yield from workload.validate_count(status, key, "status")
    counts = {key: status.get(key) or 0 for key in _COUNTS}
    for key in _PARTS:
        if counts[key] > counts["replicas"]:
            detail = "cannot be greater than status.replicas"
            yield field.invalid(f"status.{key}", counts[key], detail)
    if (available := counts["availableReplicas"]) > counts["readyReplicas"]:
        detail = "cannot be greater than status.readyReplicas"
        yield field.invalid("status.availableReplicas", available, detail)


def validate_update(new: Object, old: Object) -> list[Cause]:
    causes = metadata.validate_update(new, old)
    after, before = (
        {key: value for key, value in obj["spec"].items() if key not in _CHANGEABLE and value}
        for obj in (new, old)
    )
    if after != before:
        causes.append(field.forbidden("spec", _REFUSED))
    return causes


def row(stateful_set: Object, now: float) -> Sequence[Cell]:
    spec, status = stateful_set["spec"], stateful_set.get("status") or {}
    names, images = cells.container_cells(spec.get("template"))
    return (
        name_of(stateful_set),
        f"{status.get('readyReplicas', 0)}/{spec.get('replicas', 0)}",
        cells.age(stateful_set, now),
        names,
        images,
    )


STATEFULSET: Final = Kind(
    resource=STATEFULSETS,
    singular="statefulset",
    short_names=("sts",),
    categories=("all",),
    subresources=("status", "scale"),
    default=default,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    prepare_status_update=strategy.keep_spec,
    validate=validate,
    validate_update=validate_update,
    columns=(
        cells.NAME,
        Column("Ready", description="Ready pods out of wanted ones."),
        cells.AGE,
        cells.CONTAINERS,
        cells.IMAGES,
    ),
    cells=row,
    scale_selector=workload.scale_selector,
)
