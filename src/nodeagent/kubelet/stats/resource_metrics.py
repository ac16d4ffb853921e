"""/metrics/resource, what metrics-server reads (upstream: metrics/collectors/resource_metrics.go).

Prometheus' text format with upstream's names; every sample but the last has its own time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from nodeagent.kubelet.stats.reading import Reading

_NANO: Final = 1_000_000_000
_SECONDS: Final = "Cumulative cpu time consumed by the {} in core-seconds"
_OCTETS: Final = "Current working set of the {} in bytes"
_BEGUN: Final = "Start time of the {} since unix epoch in seconds"
#: Families in upstream's order: what is told of whom, and its type.
_FAMILIES: Final = (
    ("container_cpu_usage_seconds_total", "counter", _SECONDS.format("container")),
    ("container_memory_working_set_bytes", "gauge", _OCTETS.format("container")),
    ("container_start_time_seconds", "gauge", _BEGUN.format("container")),
    ("node_cpu_usage_seconds_total", "counter", _SECONDS.format("node")),
    ("node_memory_working_set_bytes", "gauge", _OCTETS.format("node")),
    ("pod_cpu_usage_seconds_total", "counter", _SECONDS.format("pod")),
    ("pod_memory_working_set_bytes", "gauge", _OCTETS.format("pod")),
)
_ERROR: Final = "resource_scrape_error"
_ERROR_HELP: Final = "1 if there was an error while getting container metrics, 0 otherwise"


def exposition(reading: Reading) -> str:
    """Return the page."""
    samples: dict[str, list[str]] = {name: [] for name, _, _ in _FAMILIES}
    for name, line in _samples(reading):
        samples[name].append(line)
    lines: list[str] = []
    for name, kind, help_text in _FAMILIES:
        if samples[name]:
            lines += [f"# HELP {name} [STABLE] {help_text}", f"# TYPE {name} {kind}"]
            lines += samples[name]
    lines += [f"# HELP {_ERROR} [STABLE] {_ERROR_HELP}", f"# TYPE {_ERROR} gauge"]
    lines.append(f"{_ERROR} {int(reading.is_partial)}")
    return "\n".join(lines) + "\n"


def _samples(reading: Reading) -> Iterator[tuple[str, str]]:
    yield _sample("node_cpu_usage_seconds_total", "", reading.node.cpu_ns / _NANO, reading.at)
    yield _sample("node_memory_working_set_bytes", "", reading.node.working_set, reading.at)
    for pod in reading.pods:
        of_pod = f'namespace="{pod.namespace}",pod="{pod.name}"'
        yield _sample("pod_cpu_usage_seconds_total", of_pod, pod.usage.cpu_ns / _NANO, pod.at)
        yield _sample("pod_memory_working_set_bytes", of_pod, pod.usage.working_set, pod.at)
        for each in pod.containers:
            whose, used = f'container="{each.name}",{of_pod}', each.usage
            yield _sample("container_cpu_usage_seconds_total", whose, used.cpu_ns / _NANO, pod.at)
            yield _sample("container_memory_working_set_bytes", whose, used.working_set, pod.at)
            yield _sample("container_start_time_seconds", whose, each.started_at, pod.at)


def _sample(name: str, labels: str, value: float, at: float) -> tuple[str, str]:
    whose = f"{{{labels}}}" if labels else ""
    return name, f"{name}{whose} {value!r} {int(at * 1000)}"
