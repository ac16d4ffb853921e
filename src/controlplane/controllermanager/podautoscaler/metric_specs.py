"""What each metric of an autoscaler asks for (upstream: horizontal.go, computeReplicasForMetric).

Metrics of resources come from metrics.k8s.io; those of the types Pods, Object and External are in
`custom_specs`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

from controlplane.controllermanager.podautoscaler import custom_specs
from controlplane.controllermanager.podautoscaler.custom_specs import Scaled, selector_text
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
    #: What the APIs of metrics said, by the metric's place in the autoscaler's list.
    answers: Mapping[int, Sequence[Object] | NoMetricsError] = field(default_factory=dict)
    #: How many replicas the target says that there are.
    there: int = 0
    namespace: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """How many replicas a metric asks for, what it is called, and what is shown of it."""

    replicas: int
    name: str
    status: Object


def needs_resources(specs: Iterable[Object]) -> bool:
    """Tell whether metrics of resources are asked about."""
    return any(spec["type"] in ("Resource", "ContainerResource") for spec in specs)


def ask(number: int, spec: Object, measured: Measured, now: float) -> Asked:
    """Return what the metric at place *number* asks for; raises MetricError."""
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
    whole = f"{source['metric']['name']} external" if kind == "External" else where
    try:
        answered = _custom(kind, source, measured.answers[number], measured, now)
    except NoMetricsError as error:
        raise MetricError(
            reason, str(error), f"failed to get {whole} metric value: {error}"
        ) from None
    return Asked(answered.replicas, answered.name, {"type": kind, where: answered.shown})


def _custom(
    kind: str,
    source: Object,
    answer: Sequence[Object] | NoMetricsError,
    measured: Measured,
    now: float,
) -> custom_specs.Answered:
    scaled = Scaled(
        pods=measured.pods,
        wanted=measured.replicas,
        there=measured.there,
        settings=measured.settings,
    )
    try:
        if isinstance(answer, NoMetricsError):
            raise answer
        decide = {
            "Pods": custom_specs.of_pods,
            "Object": custom_specs.of_object,
            "External": custom_specs.of_external,
        }[kind]
        return decide(source, answer, scaled, now)
    except NoMetricsError as error:
        raise NoMetricsError(_unable(kind, source, measured.namespace, str(error))) from None


def _unable(kind: str, source: Object, namespace: str, error: str) -> str:
    """Return what upstream says of a metric that could not be read."""
    metric = source["metric"]
    name = metric["name"]
    if error.startswith("invalid ") or not error.startswith(("no metrics", "unable to fetch")):
        return error
    if kind == "Pods":
        return f"unable to get metric {name}: {error}"
    if kind == "Object":
        described = source["describedObject"]
        return (
            f"unable to get metric {name}: {described['kind']} on {namespace}"
            f" {described['name']}/{error}"
        )
    per_pod = source["target"].get("averageValue") is not None
    what = (
        f"failed to get {name} external metric"
        if per_pod
        else f"failed to get external metric {name}"
    )
    shown = selector_text(metric.get("selector"))
    return f"{what}: unable to get external metric {namespace}/{name}/{shown}: {error}"


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
