"""/stats/summary (upstream: k8s.io/kubelet/pkg/apis/stats/v1alpha1).

Rates (`usageNanoCores`) need two looks: they are left out until there was one before.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from componentbase.clock import rfc3339
from componentbase.process_usage import Usage
from kubeapi.objects import Object
from nodeagent.kubelet.eviction.observations import PIDS
from nodeagent.kubelet.stats.reading import ContainerStats, PodStats, Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeShape:
    """What the document says of the node besides what was measured; memory in octets."""

    name: str
    memory: int


def summary(shape: NodeShape, reading: Reading, before: Reading | None) -> Object:
    """Return the document for *reading*, with rates since *before*."""
    earlier = {} if before is None else {pod.uid: pod for pod in before.pods}
    node_before = None if before is None else (before.node, before.at)
    system_before = {} if before is None else before.system
    used = _used(reading.node, reading.at, node_before)
    used["memory"]["availableBytes"] = max(0, shape.memory - reading.node.working_set)
    return {
        "node": {
            "nodeName": shape.name,
            "startTime": rfc3339(reading.started_at),
            **used,
            "rlimit": {
                "time": rfc3339(reading.at),
                "maxpid": PIDS,
                "curproc": sum(pod.processes for pod in reading.pods),
            },
            "systemContainers": [
                {
                    "name": name,
                    "startTime": rfc3339(reading.started_at),
                    **_used(usage, reading.at, _at(system_before.get(name), before)),
                }
                for name, usage in _system(reading)
            ],
        },
        "pods": [_pod(pod, earlier.get(pod.uid)) for pod in reading.pods],
    }


def _system(reading: Reading) -> Iterable[tuple[str, Usage]]:
    yield from reading.system.items()
    yield "pods", sum((pod.usage for pod in reading.pods), Usage())


def _at(usage: Usage | None, before: Reading | None) -> tuple[Usage, float] | None:
    return None if usage is None or before is None else (usage, before.at)


def _pod(pod: PodStats, before: PodStats | None) -> Object:
    earlier = {} if before is None else {(c.name, c.started_at): c for c in before.containers}
    of_pod = None if before is None else (before.usage, before.at)
    return {
        "podRef": {"name": pod.name, "namespace": pod.namespace, "uid": pod.uid},
        "startTime": rfc3339(pod.started_at),
        "containers": [
            _container(each, pod, earlier.get((each.name, each.started_at)), before)
            for each in pod.containers
        ],
        **_used(pod.usage, pod.at, of_pod),
        "process_stats": {"process_count": pod.processes},
    }


def _container(
    container: ContainerStats, pod: PodStats, before: ContainerStats | None, then: PodStats | None
) -> Object:
    earlier = None if before is None or then is None else (before.usage, then.at)
    return {
        "name": container.name,
        "startTime": rfc3339(container.started_at),
        **_used(container.usage, pod.at, earlier),
    }


def _used(usage: Usage, at: float, before: tuple[Usage, float] | None) -> Object:
    cpu: Object = {"time": rfc3339(at), "usageCoreNanoSeconds": usage.cpu_ns}
    if before is not None and at > before[1]:
        grown = max(0, usage.cpu_ns - before[0].cpu_ns)
        cpu["usageNanoCores"] = round(grown / (at - before[1]))
    return {
        "cpu": cpu,
        "memory": {
            "time": rfc3339(at),
            "usageBytes": usage.rss,
            "workingSetBytes": usage.working_set,
            "rssBytes": usage.rss,
        },
    }
