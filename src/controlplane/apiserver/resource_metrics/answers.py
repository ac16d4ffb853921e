"""NodeMetrics and PodMetrics, made of what was measured (metrics-server: pkg/api)."""

from __future__ import annotations

from collections.abc import Mapping

from componentbase.clock import rfc3339
from controlplane.apiserver.resource_metrics.points import Use
from kubeapi.objects import Object, name_of, namespace_of
from kubeapi.resources import NODEMETRICS, PODMETRICS, Resource


def node_metrics(node: Object, used: Use, now: float) -> Object:
    """Return what *node* uses."""
    return {**_head(NODEMETRICS, node, now), **_when(used), "usage": _usage(used)}


def pod_metrics(pod: Object, used: Mapping[str, Use], now: float) -> Object:
    """Return what the containers of *pod* use; the earliest of them says when."""
    earliest = min(used.values(), key=lambda each: each.at)
    containers = [{"name": name, "usage": _usage(each)} for name, each in used.items()]
    return {**_head(PODMETRICS, pod, now), **_when(earliest), "containers": containers}


def _head(resource: Resource, obj: Object, now: float) -> Object:
    metadata: Object = {"name": name_of(obj), "creationTimestamp": rfc3339(now)}
    if namespace_of(obj):
        metadata["namespace"] = namespace_of(obj)
    labels = obj["metadata"].get("labels")
    if labels:
        metadata["labels"] = labels
    return {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": metadata}


def _when(used: Use) -> Object:
    return {"timestamp": rfc3339(used.at), "window": f"{used.window_s:.3f}s"}


def _usage(used: Use) -> Object:
    """Return quantities as metrics-server writes them: nanocores and KiB."""
    return {"cpu": f"{round(used.cores * 1e9)}n", "memory": f"{round(used.working_set / 1024)}Ki"}
