"""What node, pods and containers use, as upstream's Summary (pkg/kubelet/server/stats).

A rate is that between two samples of the node's monitoring period. Containers are tasks of their
pod's process and share its usage evenly. Of the machine only what its pods use is known, so that
is the node's usage, too; file systems and networks are not in here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from componentbase.clock import rfc3339
from kubeapi.objects import Object, metadata_of, name_of, namespace_of, uid_of
from nodeagent.kubelet.eviction.observations import PIDS, SandboxStats
from nodeagent.kubelet.runtime_status import PodRuntimeStatus

_NANOS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class _Sample:
    stats: Mapping[str, SandboxStats] = field(default_factory=dict)
    at: float = 0.0  # Of the monotonic clock.


@dataclass(frozen=True, slots=True, kw_only=True)
class Rated:
    """What a sandbox has used, uses now, and holds."""

    cpu_ns: int
    nano_cores: int
    memory: int
    processes: int


class StatsProvider:
    """The last two samples of a node."""

    def __init__(self) -> None:
        self._before, self._last = _Sample(), _Sample()

    def sample(self, stats: Mapping[str, SandboxStats], now: float) -> None:
        """Take a sample."""
        self._before, self._last = self._last, _Sample(stats, now)

    def of(self, sandbox_id: str) -> Rated | None:
        """Return what is known of a sandbox."""
        stats = self._last.stats.get(sandbox_id)
        if stats is None:
            return None
        before = self._before.stats.get(sandbox_id)
        past_s = self._last.at - self._before.at
        rate = 0
        if before is not None and past_s > 0:
            rate = int(max(0, stats.cpu_ns - before.cpu_ns) / past_s)
        return Rated(
            cpu_ns=stats.cpu_ns, nano_cores=rate, memory=stats.memory, processes=stats.processes
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeShape:
    """What the summary says of the node itself."""

    name: str
    memory: Fraction
    started_at: float


def summary(
    node: NodeShape,
    pods: Sequence[tuple[Object, PodRuntimeStatus]],
    provider: StatsProvider,
    now: float,
) -> Object:
    """Return the Summary; *now* is Unix seconds."""
    time = rfc3339(now)
    rated = [
        (pod, status, found)
        for pod, status in pods
        if status.sandbox is not None and (found := provider.of(status.sandbox.id)) is not None
    ]
    everything = [found for _, _, found in rated]
    used = sum(each.memory for each in everything)
    return {
        "node": {
            "nodeName": node.name,
            "startTime": rfc3339(node.started_at),
            "cpu": _cpu(
                sum(each.cpu_ns for each in everything),
                sum(each.nano_cores for each in everything),
                time,
            ),
            "memory": {
                **_memory(used, time),
                "availableBytes": max(0, int(node.memory) - used),
            },
            "rlimit": {
                "time": time,
                "maxpid": PIDS,
                "curproc": sum(each.processes for each in everything),
            },
        },
        "pods": [_pod(pod, status, found, time) for pod, status, found in rated],
    }


def _pod(pod: Object, status: PodRuntimeStatus, rated: Rated, time: str) -> Object:
    reference = {"name": name_of(pod), "namespace": namespace_of(pod), "uid": uid_of(pod)}
    running = status.running
    count = max(1, len(running))
    containers = [
        {
            "name": container.name,
            "startTime": rfc3339(container.started_at),
            "cpu": _cpu(rated.cpu_ns // count, rated.nano_cores // count, time),
            "memory": _memory(rated.memory // count, time),
        }
        for container in running
    ]
    began = (pod.get("status") or {}).get("startTime") or metadata_of(pod).get("creationTimestamp")
    return {
        "podRef": reference,
        "startTime": began,
        "containers": containers,
        "cpu": _cpu(rated.cpu_ns, rated.nano_cores, time),
        "memory": _memory(rated.memory, time),
        "process_stats": {"process_count": rated.processes},
    }


def _cpu(total_ns: int, nano_cores: int, time: str) -> Object:
    return {"time": time, "usageNanoCores": nano_cores, "usageCoreNanoSeconds": total_ns}


def _memory(octets: int, time: str) -> Object:
    return {"time": time, "usageBytes": octets, "workingSetBytes": octets, "rssBytes": octets}


def resource_metrics(found: Object) -> str:
    """Return a Summary as /metrics/resource shows it, in Prometheus' text format."""
    lines = [
        "# TYPE container_cpu_usage_seconds_total counter",
        *_container_lines(found, "container_cpu_usage_seconds_total", "cpu"),
        "# TYPE container_memory_working_set_bytes gauge",
        *_container_lines(found, "container_memory_working_set_bytes", "memory"),
        "# TYPE node_cpu_usage_seconds_total counter",
        f"node_cpu_usage_seconds_total {_value(found['node'], 'cpu')}",
        "# TYPE node_memory_working_set_bytes gauge",
        f"node_memory_working_set_bytes {_value(found['node'], 'memory')}",
        "# TYPE pod_cpu_usage_seconds_total counter",
        *_pod_lines(found, "pod_cpu_usage_seconds_total", "cpu"),
        "# TYPE pod_memory_working_set_bytes gauge",
        *_pod_lines(found, "pod_memory_working_set_bytes", "memory"),
        "# TYPE resource_scrape_error gauge",
        "resource_scrape_error 0",
    ]
    return "\n".join(lines) + "\n"


def _container_lines(found: Object, metric: str, what: str) -> Iterator[str]:
    for pod in found["pods"]:
        place = f'namespace="{pod["podRef"]["namespace"]}",pod="{pod["podRef"]["name"]}"'
        for each in pod["containers"]:
            yield f'{metric}{{container="{each["name"]}",{place}}} {_value(each, what)}'


def _pod_lines(found: Object, metric: str, what: str) -> Iterator[str]:
    for pod in found["pods"]:
        place = f'namespace="{pod["podRef"]["namespace"]}",pod="{pod["podRef"]["name"]}"'
        yield f"{metric}{{{place}}} {_value(pod, what)}"


def _value(found: Object, what: str) -> float | int:
    if what == "cpu":
        seconds: float = found["cpu"]["usageCoreNanoSeconds"] / _NANOS
        return seconds
    octets: int = found["memory"]["workingSetBytes"]
    return octets
