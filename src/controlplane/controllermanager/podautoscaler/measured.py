"""What metrics say of pods, and how far that is from a target (upstream: podautoscaler/metrics).

All values are thousandths, as upstream's: of cores, of octets.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from componentbase.clock import parse_rfc3339
from kubeapi.objects import Object, name_of, namespace_of
from kubeapi.quantity import milli


class NoMetricsError(Exception):
    """There is nothing to count with; the text is upstream's."""


@dataclass(frozen=True, slots=True)
class PodMetric:
    """One pod's value, the average over `window_s` until `at` (Unix seconds)."""

    value: int
    at: float = 0.0
    window_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Usage:
    """A ratio to the target, and what it was made of."""

    ratio: float
    average: int
    utilization: int = 0  # Percent of what was requested.


def of_resource(items: Iterable[Object], resource: str, container: str) -> dict[str, PodMetric]:
    """Read PodMetrics; raises NoMetricsError. *container* "": the whole pods."""
    listed = list(items)
    if not listed:
        raise NoMetricsError("no metrics returned from resource metrics API")
    found: dict[str, PodMetric] = {}
    for item in listed:
        usages = [
            each["usage"].get(resource)
            for each in item["containers"]
            if container in ("", each["name"])
        ]
        if container and not usages:
            where = f"{namespace_of(item)}/{name_of(item)}"
            raise NoMetricsError(f"container {container} not present in metrics for pod {where}")
        if None not in usages:
            value = sum(milli(usage) for usage in usages)
            at, window_s = parse_rfc3339(item["timestamp"]), _seconds(item["window"])
            found[name_of(item)] = PodMetric(value, at, window_s)
    return found


def _seconds(duration: str) -> float:
    """Read a duration as metrics servers write it: seconds, perhaps with minutes before."""
    minutes, _, seconds = duration.rpartition("m")
    return 60.0 * float(minutes or 0) + float(seconds.rstrip("s") or 0)


def utilization(
    metrics: Mapping[str, PodMetric], requests: Mapping[str, int], target_percent: int
) -> Usage:
    """Compare with a share of what the pods request (GetResourceUtilizationRatio)."""
    known = [name for name in metrics if name in requests]
    used = sum(metrics[name].value for name in known)
    requested = sum(requests[name] for name in known)
    if requested == 0:
        raise NoMetricsError("no metrics returned matched known pods")
    percent = used * 100 // requested
    return Usage(percent / target_percent, used // len(known), percent)


def usage(metrics: Mapping[str, PodMetric], target: int) -> Usage:
    """Compare the average with a value (GetMetricUsageRatio)."""
    average = sum(metric.value for metric in metrics.values()) // len(metrics)
    return Usage(average / target, average)
