"""Metrics of the types Pods, Object and External (upstream: horizontal.go, replica_calculator.go).

Their values come from custom.metrics.k8s.io and external.metrics.k8s.io: `query_of` says what is
asked there, the others what the answer's items ask for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final
from urllib.parse import quote

from componentbase.clock import parse_rfc3339
from controlplane.controllermanager.podautoscaler.measured import NoMetricsError, PodMetric
from controlplane.controllermanager.podautoscaler.replica_calculator import (
    Proposal,
    Question,
    Settings,
    raw_replicas,
    usage_ratio_replicas,
)
from kubeapi import quantity
from kubeapi.objects import Object
from kubeapi.resources import NAMESPACES, Resource
from kubeapi.selectors import LabelSelector

_CUSTOM: Final = "/apis/custom.metrics.k8s.io/v1beta2"
_EXTERNAL: Final = "/apis/external.metrics.k8s.io/v1beta1"


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked of an API of metrics: a path, and selectors by their parameters' names."""

    path: str
    selectors: Mapping[str, str]
    #: Which of the two APIs it is.
    server: str = "custom"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaled:
    """The target's pods, and how many there are to be (spec) and are (status)."""

    pods: Sequence[Object]
    wanted: int
    there: int
    settings: Settings


@dataclass(frozen=True, slots=True)
class Answered:
    """How many replicas a metric asks for, what it is called, and its part of the status."""

    replicas: int
    name: str
    shown: Object


def query_of(
    spec: Object, namespace: str, pods: str, resource_of: Callable[[Object], Resource]
) -> Query | None:
    """Return what is asked for *spec*; None: it is about resources. Raises LookupError.

    *pods* is the target's selector, *resource_of* knows what an object's kind is.
    """
    match spec["type"]:
        case "Pods":
            metric = spec["pods"]["metric"]
            path = f"{_CUSTOM}/namespaces/{namespace}/pods/*/{quote(metric['name'])}"
            return Query(path, _set(labelSelector=pods, metricLabelSelector=_text(metric)))
        case "Object":
            metric, described = spec["object"]["metric"], spec["object"]["describedObject"]
            path = f"{_CUSTOM}/{_path(described, namespace, resource_of(described))}"
            path = f"{path}/{quote(metric['name'])}"
            return Query(path, _set(metricLabelSelector=_text(metric)))
        case "External":
            metric = spec["external"]["metric"]
            path = f"{_EXTERNAL}/namespaces/{namespace}/{quote(metric['name'])}"
            return Query(path, _set(labelSelector=_text(metric)), server="external")
    return None


def _path(described: Object, namespace: str, resource: Resource) -> str:
    name = quote(described["name"])
    if resource == NAMESPACES:
        return f"namespaces/{name}/metrics"
    whose = f"namespaces/{namespace}/" if resource.namespaced else ""
    return f"{whose}{resource.qualified}/{name}"


def _set(**selectors: str) -> Mapping[str, str]:
    return {name: text for name, text in selectors.items() if text}


def _text(metric: Object) -> str:
    selector = metric.get("selector")
    return str(LabelSelector.from_object(selector)) if selector else ""


def of_pods(source: Object, items: Sequence[Object], scaled: Scaled, now: float) -> Answered:
    """Return what an average over the pods asks for (GetMetricReplicas)."""
    name = source["metric"]["name"]
    if not items:
        raise NoMetricsError("no metrics returned from custom metrics API")
    question = Question(
        pods=scaled.pods,
        metrics={each["describedObject"]["name"]: _pod_metric(each) for each in items},
        resource="",
        current=scaled.wanted,
        settings=scaled.settings,
    )
    found = raw_replicas(question, _milli(source, "averageValue"), now)
    shown = {"metric": source["metric"], "current": {"averageValue": _shown(found.usage.average)}}
    return Answered(found.replicas, f"pods metric {name}", shown)


def of_object(source: Object, items: Sequence[Object], scaled: Scaled, _now: float) -> Answered:
    """Return what an object's value asks for (GetObjectMetricReplicas, …PerPod…)."""
    metric, described = source["metric"], source["describedObject"]
    if not items:
        raise NoMetricsError("no metrics returned from custom metrics API")
    used = quantity.milli(items[0]["value"])
    if source["target"].get("type") == "Value" and source["target"].get("value") is not None:
        name = f"{described['kind']} metric {metric['name']}"
    elif source["target"].get("averageValue") is not None:
        name = _external_name(metric)  # As upstream calls it.
    else:
        raise NoMetricsError(
            "invalid object metric source: neither a value target nor an average value target was"
            " set"
        )
    found, current = _of_total(used, source, scaled)
    shown = {"metric": metric, "describedObject": described, "current": current}
    return Answered(found, name, shown)


def of_external(source: Object, items: Sequence[Object], scaled: Scaled, _now: float) -> Answered:
    """Return what the sum of the series asks for (GetExternalMetricReplicas, …PerPod…)."""
    metric, target = source["metric"], source["target"]
    if target.get("averageValue") is None and target.get("value") is None:
        raise NoMetricsError(
            "invalid external metric source: neither a value target nor an average value target"
            " was set"
        )
    if not items:
        raise NoMetricsError("no metrics returned from external metrics API")
    used = sum(quantity.milli(each["value"]) for each in items)
    found, current = _of_total(used, source, scaled)
    return Answered(found, _external_name(metric), {"metric": metric, "current": current})


def _of_total(used: int, source: Object, scaled: Scaled) -> tuple[int, Object]:
    """Return how many replicas one number asks for, and what is shown of it."""
    if source["target"].get("averageValue") is None:
        ratio = used / _milli(source, "value")
        return usage_ratio_replicas(scaled.pods, ratio, scaled.wanted, scaled.settings.tolerance), {
            "value": _shown(used)
        }
    found = _per_pod(used, _milli(source, "averageValue"), scaled)
    return found.replicas, {"averageValue": _shown(found.usage.average)}


def _per_pod(used: int, target: int, scaled: Scaled) -> Proposal:
    replicas = scaled.there
    ratio = used / (target * replicas) if replicas else math.inf
    if abs(1.0 - ratio) > scaled.settings.tolerance:
        replicas = math.ceil(used / target)
    return Proposal.of(replicas, ratio, math.ceil(used / max(1, scaled.there)))


def _milli(source: Object, field: str) -> int:
    return quantity.milli(source["target"][field])


def _shown(thousandths: int) -> str:
    return quantity.format(Fraction(thousandths, 1000))


def _pod_metric(item: Object) -> PodMetric:
    at, window_s = parse_rfc3339(item["timestamp"]), float(item.get("windowSeconds") or 0)
    return PodMetric(quantity.milli(item["value"]), at, window_s)


def selector_text(selector: Object | None) -> str:
    """Write a selector as Go's `%+v` does, because that is in names and messages."""
    if selector is None:
        return "nil"
    labels = selector.get("matchLabels") or {}
    pairs = "".join(f"{name}: {labels[name]}," for name in sorted(labels))
    rules = "".join(
        f"LabelSelectorRequirement{{Key:{each['key']},Operator:{each['operator']},"
        f"Values:[{' '.join(each.get('values') or ())}],}},"
        for each in selector.get("matchExpressions") or ()
    )
    return (
        f"&LabelSelector{{MatchLabels:map[string]string{{{pairs}}},"
        f"MatchExpressions:[]LabelSelectorRequirement{{{rules}}},}}"
    )


def _external_name(metric: Object) -> str:
    return f"external metric {metric['name']}({selector_text(metric.get('selector'))})"
