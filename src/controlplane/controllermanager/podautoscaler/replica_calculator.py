"""How many replicas a metric asks for (upstream: podautoscaler/replica_calculator.go).

Pods that cannot be judged yet are counted carefully: where there would be more replicas they use
nothing, where there would be fewer those without metrics use all that they may. A decision that
this turns around is none.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from componentbase.clock import parse_rfc3339
from controlplane.controllermanager.podautoscaler.measured import (
    NoMetricsError,
    PodMetric,
    Usage,
    usage,
    utilization,
)
from kubeapi.objects import Object, is_being_deleted, name_of
from kubeapi.quantity import milli

_CPU = "cpu"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Upstream's options, in seconds (HPAControllerConfiguration)."""

    tolerance: float = 0.1
    cpu_initialization_s: float = 300.0
    initial_readiness_delay_s: float = 30.0
    downscale_stabilization_s: float = 300.0
    sync_period_s: float = 15.0

    def faster(self, pace: float) -> Settings:
        """Return these settings with times that pass *pace* times as fast."""
        return Settings(
            tolerance=self.tolerance,
            cpu_initialization_s=self.cpu_initialization_s / pace,
            initial_readiness_delay_s=self.initial_readiness_delay_s / pace,
            downscale_stabilization_s=self.downscale_stabilization_s / pace,
            sync_period_s=self.sync_period_s / pace,
        )


@dataclass(frozen=True, slots=True)
class Proposal:
    """How many replicas there should be, and what was used."""

    replicas: int
    usage: Usage

    @classmethod
    def of(cls, replicas: int, ratio: float, average: int) -> Proposal:
        """Return what follows from a ratio and an average alone."""
        return cls(replicas, Usage(ratio, average))


@dataclass(slots=True)
class Groups:
    """Pods by what can be said of them."""

    ready: int = 0
    unready: set[str] = field(default_factory=set)
    missing: set[str] = field(default_factory=set)
    ignored: set[str] = field(default_factory=set)


def group_pods(
    pods: Sequence[Object],
    metrics: Mapping[str, PodMetric],
    resource: str,
    settings: Settings,
    now: float,
) -> Groups:
    """Sort pods (groupPods)."""
    groups = Groups()
    for pod in pods:
        name, phase = name_of(pod), (pod.get("status") or {}).get("phase")
        metric = metrics.get(name)
        if is_being_deleted(pod) or phase == "Failed":
            groups.ignored.add(name)
        elif phase == "Pending":
            groups.unready.add(name)
        elif metric is None:
            groups.missing.add(name)
        elif resource == _CPU and _is_unready(pod, metric, settings, now):
            groups.unready.add(name)
        else:
            groups.ready += 1
    return groups


def _is_unready(pod: Object, metric: PodMetric, settings: Settings, now: float) -> bool:
    """Tell whether the pod's CPU says nothing yet: it starts, or never was ready."""
    status = pod.get("status") or {}
    ready = next((c for c in status.get("conditions") or () if c.get("type") == "Ready"), None)
    if ready is None or not status.get("startTime"):
        return True
    began, is_false = parse_rfc3339(status["startTime"]), ready.get("status") == "False"
    changed = parse_rfc3339(ready["lastTransitionTime"]) if ready.get("lastTransitionTime") else 0.0
    if began + settings.cpu_initialization_s > now:
        return is_false or metric.at < changed + metric.window_s
    return is_false and began + settings.initial_readiness_delay_s > changed


def pod_requests(pods: Sequence[Object], container: str, resource: str) -> dict[str, int]:
    """Return what each pod requests; raises NoMetricsError where one requests nothing."""
    requests: dict[str, int] = {}
    for pod in pods:
        spec = pod["spec"]
        inits = spec.get("initContainers") or ()
        sidecars = [each for each in inits if each.get("restartPolicy") == "Always"]
        for each in (*(spec.get("containers") or ()), *sidecars):
            if container not in ("", each["name"]):
                continue
            asked = ((each.get("resources") or {}).get("requests") or {}).get(resource)
            if asked is None:
                where = f"in container {each['name']} of Pod {name_of(pod)}"
                raise NoMetricsError(f"missing request for {resource} {where}")
            requests[name_of(pod)] = requests.get(name_of(pod), 0) + milli(asked)
    return requests


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked about: pods, their metrics, and how many replicas there are."""

    pods: Sequence[Object]
    metrics: Mapping[str, PodMetric]
    resource: str
    current: int
    settings: Settings
    container: str = ""


def resource_replicas(question: Question, target_percent: int, now: float) -> Proposal:
    """Return what a share of the requests asks for (GetResourceReplicas)."""
    if not question.pods:
        raise NoMetricsError("No pods returned by selector while calculating replica count")
    requests = pod_requests(question.pods, question.container, question.resource)
    fallback = max(100, target_percent)
    return _proposal(
        question,
        lambda metrics: utilization(metrics, requests, target_percent),
        lambda name: requests.get(name, 0) * fallback // 100,
        now,
    )


def raw_replicas(question: Question, target: int, now: float) -> Proposal:
    """Return what an average value asks for (GetRawResourceReplicas, GetMetricReplicas)."""
    if not question.pods:
        raise NoMetricsError("no pods returned by selector while calculating replica count")
    return _proposal(question, lambda metrics: usage(metrics, target), lambda _name: target, now)


def usage_ratio_replicas(
    pods: Sequence[Object], ratio: float, current: int, tolerance: float
) -> int:
    """Return what one number for all pods asks for (getUsageRatioReplicaCount)."""
    if current == 0:
        return math.ceil(ratio)
    if abs(1.0 - ratio) <= tolerance:
        return current
    if not pods:
        raise NoMetricsError(
            "unable to calculate ready pods: no pods returned by selector while calculating replica"
            " count"
        )
    return math.ceil(ratio * sum(map(_is_ready, pods)))


def _is_ready(pod: Object) -> bool:
    status = pod.get("status") or {}
    ready = (c.get("status") for c in status.get("conditions") or () if c.get("type") == "Ready")
    return status.get("phase") == "Running" and next(ready, "") == "True"


def _proposal(
    question: Question,
    compare: Callable[[Mapping[str, PodMetric]], Usage],
    assumed: Callable[[str], int],
    now: float,
) -> Proposal:
    settings, current = question.settings, question.current
    groups = group_pods(question.pods, question.metrics, question.resource, settings, now)
    left_out = groups.ignored | groups.unready
    metrics = {name: each for name, each in question.metrics.items() if name not in left_out}
    if not metrics:
        raise NoMetricsError("did not receive metrics for targeted pods (pods might be unready)")
    found = compare(metrics)
    unready_count = bool(groups.unready) and found.ratio > 1.0
    if not unready_count and not groups.missing:
        if abs(1.0 - found.ratio) <= settings.tolerance:
            return Proposal(current, found)
        return Proposal(math.ceil(found.ratio * groups.ready), found)
    for name in groups.missing:
        if found.ratio < 1.0:
            metrics[name] = PodMetric(assumed(name))
        elif found.ratio > 1.0:
            metrics[name] = PodMetric(0)
    if unready_count:
        metrics |= {name: PodMetric(0) for name in groups.unready}
    careful = compare(metrics).ratio
    turned = (found.ratio < 1.0 < careful) or (careful < 1.0 < found.ratio)
    if abs(1.0 - careful) <= settings.tolerance or turned:
        return Proposal(current, found)
    replicas = math.ceil(careful * len(metrics))
    if (careful < 1.0 and replicas > current) or (careful > 1.0 and replicas < current):
        return Proposal(current, found)
    return Proposal(replicas, found)
