"""MetricValueList and ExternalMetricValueList, made of values (k8s.io/metrics, pkg/apis)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Final

from componentbase.clock import rfc3339
from controlplane.apiserver.custom_metrics.series import Value
from kubeapi import quantity
from kubeapi.objects import Object

CUSTOM: Final = "custom.metrics.k8s.io"
EXTERNAL: Final = "external.metrics.k8s.io"
#: v1beta1 says `metricName` where v1beta2 has `metric`.
_OLDER: Final = "v1beta1"
#: What says whose a series is, and nothing of what it counts.
_OWN: Final = ("namespace", "pod")


def metric_value(
    described: Object, metric: str, values: Sequence[Value], selector: str, version: str
) -> Object:
    """Return the sum of *values* as what *described* has of *metric*."""
    shown: Object = {"describedObject": described}
    if version == _OLDER:
        shown["metricName"] = metric
    else:
        shown["metric"] = {"name": metric, "selector": _match_labels(selector)}
    return {**shown, **_measured(values)}


def metric_value_list(items: Iterable[Object], version: str) -> Object:
    """Return the answer about described objects."""
    head = {"kind": "MetricValueList", "apiVersion": f"{CUSTOM}/{version}", "metadata": {}}
    return {**head, "items": list(items)}


def external_list(metric: str, values: Iterable[Value]) -> Object:
    """Return every series of an external metric."""
    items = [
        {
            "metricName": metric,
            "metricLabels": {k: v for k, v in value.labels.items() if k not in _OWN},
            **_measured([value]),
        }
        for value in values
    ]
    head = {"kind": "ExternalMetricValueList", "apiVersion": f"{EXTERNAL}/v1beta1", "metadata": {}}
    return {**head, "items": items}


def _measured(values: Sequence[Value]) -> Object:
    shown: Object = {"timestamp": rfc3339(min(value.at for value in values))}
    window_s = max(value.window_s for value in values)
    if window_s:
        shown["windowSeconds"] = max(1, round(window_s))
    total = sum(value.value for value in values)
    return {**shown, "value": quantity.format(Fraction(round(total * 1000), 1000))}


def _match_labels(selector: str) -> Object | None:
    """Return the selector that was asked by as an object; None without one."""
    if not selector:
        return None
    pairs = (part.replace("==", "=").partition("=") for part in selector.split(","))
    return {"matchLabels": {name: value for name, found, value in pairs if found}}
