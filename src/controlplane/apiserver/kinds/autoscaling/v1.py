"""HorizontalPodAutoscalers as autoscaling/v1 has them: one share of processors, no more.

What that version cannot say stands in annotations, as JSON of its own making; upstream:
pkg/apis/autoscaling/v1/conversion.go. An annotation that cannot be read counts as absent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from componentbase.decoding import UNREADABLE
from controlplane.apiserver.kinds.autoscaling import horizontalpodautoscaler as v2
from controlplane.apiserver.kinds.kind import Kind
from kubeapi.objects import Object
from kubeapi.resources import HORIZONTALPODAUTOSCALERS, HORIZONTALPODAUTOSCALERS_V1

_PREFIX: Final = "autoscaling.alpha.kubernetes.io/"
METRICS: Final = f"{_PREFIX}metrics"
CURRENT_METRICS: Final = f"{_PREFIX}current-metrics"
CONDITIONS: Final = f"{_PREFIX}conditions"
BEHAVIOR: Final = f"{_PREFIX}behavior"
_ANNOTATIONS: Final = (METRICS, CURRENT_METRICS, CONDITIONS, BEHAVIOR)
_SHARE: Final = "targetCPUUtilizationPercentage"
_SHARE_NOW: Final = "currentCPUUtilizationPercentage"
#: Types of metrics → the key of the source, in both versions.
_SOURCES: Final[Mapping[str, str]] = {
    "Object": "object",
    "Pods": "pods",
    "Resource": "resource",
    "ContainerResource": "containerResource",
    "External": "external",
}
#: By kind of source: this version's names of a target's values → v2's.
_OF_RESOURCE: Final = {
    "targetAverageUtilization": "averageUtilization",
    "targetAverageValue": "averageValue",
}
_TARGETS: Final[Mapping[str, Mapping[str, str]]] = {
    "object": {"targetValue": "value", "averageValue": "averageValue"},
    "pods": {"targetAverageValue": "averageValue"},
    "resource": _OF_RESOURCE,
    "containerResource": _OF_RESOURCE,
    "external": {"targetValue": "value", "targetAverageValue": "averageValue"},
}
#: The same of what is measured.
_CURRENTS: Final[Mapping[str, Mapping[str, str]]] = {
    key: {name.replace("target", "current"): value for name, value in names.items()}
    for key, names in _TARGETS.items()
}
_KINDS: Final = {
    "averageUtilization": "Utilization",
    "averageValue": "AverageValue",
    "value": "Value",
}


def to_v2(obj: Object) -> Object:
    """Return the autoscaling/v2 object."""
    meta = dict(obj.get("metadata") or {})
    kept = dict(meta.get("annotations") or {})
    told = {name: _read(kept.pop(name, "")) for name in _ANNOTATIONS}
    if "annotations" in meta:
        meta["annotations"] = kept
        if not kept:
            del meta["annotations"]
    result = {**obj, "apiVersion": HORIZONTALPODAUTOSCALERS.api_version, "metadata": meta}
    if (spec := obj.get("spec")) is not None:
        result["spec"] = _spec_to_v2(spec, told)
    if (status := obj.get("status")) is not None:
        result["status"] = _status_to_v2(status, told)
    return result


def _read(text: str) -> object:
    try:
        return msgspec.json.decode(text) if text else None
    except UNREADABLE:
        return None


def _rows(told: object) -> list[Object]:
    rows = told if isinstance(told, list) else []
    return [row for row in rows if isinstance(row, dict)]


def _spec_to_v2(spec: Object, told: Mapping[str, object]) -> Object:
    result = {key: value for key, value in spec.items() if key != _SHARE}
    metrics = [_metric_to_v2(row, _TARGETS, "target") for row in _rows(told[METRICS])]
    if spec.get(_SHARE) is not None:
        target = {"type": "Utilization", "averageUtilization": spec[_SHARE]}
        metrics.append({"type": "Resource", "resource": {"name": "cpu", "target": target}})
    if metrics:
        result["metrics"] = metrics
    if isinstance(told[BEHAVIOR], dict):
        result["behavior"] = told[BEHAVIOR]
    return result


def _status_to_v2(status: Object, told: Mapping[str, object]) -> Object:
    result = {key: value for key, value in status.items() if key != _SHARE_NOW}
    metrics = [_metric_to_v2(row, _CURRENTS, "current") for row in _rows(told[CURRENT_METRICS])]
    if status.get(_SHARE_NOW) is not None:
        current = {"averageUtilization": status[_SHARE_NOW]}
        metrics.append({"type": "Resource", "resource": {"name": "cpu", "current": current}})
    if metrics:
        result["currentMetrics"] = metrics
    if conditions := _rows(told[CONDITIONS]):
        result["conditions"] = conditions
    return result


def _metric_to_v2(row: Object, tables: Mapping[str, Mapping[str, str]], part: str) -> Object:
    key = _SOURCES.get(str(row.get("type")), "")
    source = row.get(key)
    if not isinstance(source, dict):
        return dict(row)
    table = tables[key]
    result: Object = {name: source[name] for name in ("name", "container") if name in source}
    if "metricName" in source:
        identifier = result["metric"] = {"name": source["metricName"]}
        selector = source.get("metricSelector", source.get("selector"))
        identifier.update({} if selector is None else {"selector": selector})
    if key == "object" and "target" in source:
        result["describedObject"] = source["target"]
    values = {v2_name: source[name] for name, v2_name in table.items() if name in source}
    kind = next((_KINDS[name] for name in _KINDS if name in values), "")
    result[part] = {"type": kind, **values} if part == "target" else values
    return {"type": row["type"], key: result}


def from_v2(obj: Object) -> Object:
    """Return the autoscaling/v1 object."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    share, metrics = _take_share(spec.get("metrics") or (), "target")
    share_now, current = _take_share(status.get("currentMetrics") or (), "current")
    told: Mapping[str, object] = {
        METRICS: [_metric_from_v2(row, _TARGETS, "target") for row in metrics],
        CURRENT_METRICS: [_metric_from_v2(row, _CURRENTS, "current") for row in current],
        CONDITIONS: status.get("conditions"),
        BEHAVIOR: spec.get("behavior"),
    }
    texts = {name: msgspec.json.encode(value).decode() for name, value in told.items() if value}
    result = {**obj, "apiVersion": HORIZONTALPODAUTOSCALERS_V1.api_version}
    if texts:
        meta = obj.get("metadata") or {}
        result["metadata"] = {**meta, "annotations": {**(meta.get("annotations") or {}), **texts}}
    if "spec" in obj:
        result["spec"] = _without(spec, ("metrics", "behavior"), _SHARE, share)
    if "status" in obj:
        result["status"] = _without(status, ("currentMetrics", "conditions"), _SHARE_NOW, share_now)
    return result


def _without(part: Object, keys: tuple[str, ...], name: str, share: int | None) -> Object:
    kept = {key: value for key, value in part.items() if key not in keys}
    return kept if share is None else {**kept, name: share}


def _take_share(rows: object, part: str) -> tuple[int | None, list[Object]]:
    """Return the share of processors that is said, and all other metrics."""
    share, others = None, []
    for row in _rows(list(rows) if isinstance(rows, list | tuple) else []):
        resource = row.get("resource") or {}
        found = (resource.get(part) or {}).get("averageUtilization")
        if resource.get("name") == "cpu" and found is not None:
            share = found
        else:
            others.append(row)
    return share, others


def _metric_from_v2(row: Object, tables: Mapping[str, Mapping[str, str]], part: str) -> Object:
    key = _SOURCES.get(str(row.get("type")), "")
    source = row.get(key) or {}
    if not source:
        return dict(row)
    result: Object = {name: source[name] for name in ("name", "container") if name in source}
    if (metric := source.get("metric")) is not None:
        result["metricName"] = metric.get("name")
        if metric.get("selector") is not None:
            result["metricSelector" if key == "external" else "selector"] = metric["selector"]
    if key == "object" and "describedObject" in source:
        result["target"] = source["describedObject"]
    values = source.get(part) or {}
    names = {v2_name: name for name, v2_name in tables[key].items()}
    result |= {names[name]: value for name, value in values.items() if name in names}
    return {"type": row["type"], key: result}


HORIZONTALPODAUTOSCALER_V1: Final = Kind(
    resource=HORIZONTALPODAUTOSCALERS_V1,
    singular="horizontalpodautoscaler",
    short_names=("hpa",),
    categories=("all",),
    subresources=("status",),
    columns=v2.COLUMNS,
    cells=lambda obj, now: v2.row(to_v2(obj), now),
    hub=v2.HORIZONTALPODAUTOSCALER,
    to_hub=to_v2,
    from_hub=from_v2,
)
