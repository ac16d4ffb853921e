"""What each metric of an autoscaler asks for (upstream: horizontal.go, computeReplicasForMetric).

Metrics of resources come from metrics.k8s.io. There is no server of custom.metrics.k8s.io or
external.metrics.k8s.io here, so metrics of the types Pods, Object and External say that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from controlplane.controllermanager.podautoscaler.measured import (
    NoMetricsError,
    PodMetric,
    of_resource,
)
from controlplane.controllermanager.podautoscaler.replica_calculator import (
    Proposal,
    Question,
    Settings,
    raw_replicas,
    resource_replicas,
)
from kubeapi import quantity
from kubeapi.objects import Object

#: Where a metric's type keeps its fields, and the reason of a condition when it fails.
_FIELDS: Final[Mapping[str, tuple[str, str]]] = {
    "Resource": ("resource", "FailedGetResourceMetric"),
    "ContainerResource": ("containerResource", "FailedGetContainerResourceMetric"),
    "Pods": ("pods", "FailedGetPodsMetric"),
    "Object": ("object", "FailedGetObjectMetric"),
    "External": ("external", "FailedGetExternalMetric"),
}
_NO_TARGET: Final = (
    "invalid resource metric source: neither an average utilization target nor an average value"
    " (usage) target was set"
)


class MetricError(Exception):
    """One metric says nothing: the reason of its condition, what that says, and the error whole."""

    def __init__(self, reason: str, why: str, whole: str) -> None:
        super().__init__(whole)
        self.reason, self.why = reason, why


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What is known about the pods of a target."""

    pods: Sequence[Object]
    #: PodMetrics of them; an error when they could not be read.
    metrics: Sequence[Object] | NoMetricsError
    replicas: int
    settings: Settings


@dataclass(frozen=True, slots=True)
class Asked:
    """How many replicas a metric asks for, what it is called, and what is shown of it."""

    replicas: int
    name: str
    status: Object


def needs_resources(specs: Iterable[Object]) -> bool:
    """Tell whether metrics of resources are asked about."""
    return any(spec["type"] in ("Resource", "ContainerResource") for spec in specs)


def ask(spec: Object, measured: Measured, now: float) -> Asked:
    """Return what one metric asks for; raises MetricError."""
    kind = spec["type"]
    where, reason = _FIELDS[kind]
    source = spec[where]
    if kind in ("Resource", "ContainerResource"):
        try:
            return _resource(kind, source, measured, now)
        except NoMetricsError as error:
            what = f"{source['name']} resource" if kind == "Resource" else _container_of(source)
            raise MetricError(
                reason, str(error), f"failed to get {what} metric value: {error}"
            ) from None
    server = "external" if kind == "External" else "custom"
    name = (source.get("metric") or {}).get("name")
    why = (
        f"unable to get {'external ' if kind == 'External' else ''}metric {name}: unable to fetch"
        f" metrics from {server} metrics API: no {server} metrics API registered"
    )
    raise MetricError(reason, why, f"failed to get {where} metric value: {why}")


def _container_of(source: Object) -> str:
    return f"{source['container']} container"


def _resource(kind: str, source: Object, measured: Measured, now: float) -> Asked:
    name, target, container = source["name"], source["target"], source.get("container") or ""
    metrics = _fetched(measured, name, container, target)
    question = Question(
        pods=measured.pods,
        metrics=metrics,
        resource=name,
        current=measured.replicas,
        settings=measured.settings,
        container=container,
    )
    if target.get("averageValue") is not None:
        wanted = quantity.milli(target["averageValue"])
        found = _told(lambda: raw_replicas(question, wanted, now), f"failed to get {name} usage")
        current: Object = {"averageValue": _milli(found.usage.average)}
        title = f"{name} resource"
    elif target.get("averageUtilization") is not None:
        percent = target["averageUtilization"]
        found = _told(
            lambda: resource_replicas(question, percent, now), f"failed to get {name} utilization"
        )
        current = {
            "averageUtilization": found.usage.utilization,
            "averageValue": _milli(found.usage.average),
        }
        title = f"{name} resource utilization (percentage of request)"
    else:
        raise NoMetricsError(_NO_TARGET)
    where = _FIELDS[kind][0]
    shown: Object = {"name": name, "current": current}
    if container:
        shown["container"] = container
    return Asked(found.replicas, title, {"type": kind, where: shown})


def _fetched(
    measured: Measured, name: str, container: str, target: Object
) -> Mapping[str, PodMetric]:
    wanted = "usage" if target.get("averageValue") is not None else "utilization"
    try:
        if isinstance(measured.metrics, NoMetricsError):
            raise measured.metrics
        return of_resource(measured.metrics, name, container)
    except NoMetricsError as error:
        unable = f"unable to get metrics for resource {name}: {error}"
        raise NoMetricsError(f"failed to get {name} {wanted}: {unable}") from None


def _told(propose: Callable[[], Proposal], what: str) -> Proposal:
    try:
        return propose()
    except NoMetricsError as error:
        raise NoMetricsError(f"{what}: {error}") from None


def _milli(thousandths: int) -> str:
    return quantity.format(Fraction(thousandths, 1000))
