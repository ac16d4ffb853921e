"""The Targets cell of an autoscaler: what is measured, what is wanted (formatHPAMetrics)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from controlplane.apiserver.kinds import cells
from kubeapi.objects import Object

_SHOWN_MAX: Final = 2


def shown(metrics: Sequence[Object], measured: Sequence[Object]) -> str:
    """Return the cell for a spec's metrics and a status' current ones."""
    if not metrics:
        return cells.NONE
    texts = [
        _one(metric, measured[index] if index < len(measured) else {})
        for index, metric in enumerate(metrics)
    ]
    text = ", ".join(texts[:_SHOWN_MAX])
    more = len(texts) - _SHOWN_MAX
    return f"{text} + {more} more..." if more > 0 else text


def _one(metric: Object, measured: Object) -> str:
    match metric.get("type"):
        case "Resource" | "ContainerResource" as kind:
            key = "resource" if kind == "Resource" else "containerResource"
            source = metric.get(key) or {}
            return f"{source.get('name')}: {_resource(source, measured.get(key) or {})}"
        case "Pods":
            return _plain(metric, measured, "pods", average_only=True)
        case "Object":
            return _plain(metric, measured, "object")
        case "External":
            return _plain(metric, measured, "external")
    return "<unknown type>"


def _resource(source: Object, measured: Object) -> str:
    target, current = source.get("target") or {}, measured.get("current") or {}
    if target.get("averageValue") is not None:
        return f"{current.get('averageValue', cells.UNKNOWN)}/{target['averageValue']}"
    share = current.get("averageUtilization")
    seen = cells.UNKNOWN if share is None else f"{share}%"
    wanted = target.get("averageUtilization")
    return f"{seen}/{'<auto>' if wanted is None else f'{wanted}%'}"


def _plain(metric: Object, measured: Object, key: str, *, average_only: bool = False) -> str:
    target = (metric.get(key) or {}).get("target") or {}
    current = (measured.get(key) or {}).get("current") or {}
    if target.get("averageValue") is not None:
        text = f"{current.get('averageValue', cells.UNKNOWN)}/{target['averageValue']}"
        return text if average_only else f"{text} (avg)"
    return f"{current.get('value', cells.UNKNOWN)}/{target.get('value', 0)}"
