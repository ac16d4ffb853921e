"""What this node's pods say of themselves, for autoscalers: `/metrics/pods`.

Upstream a Prometheus finds annotated pods, and prometheus-adapter asks it. Here the kubelet reads
them itself, when it is asked: pods with `prometheus.io/scrape: "true"`, at `prometheus.io/port`
(else the first port of theirs) and `prometheus.io/path` (else /metrics). Of a pod without the
annotation, `http_requests_total` says what its containers have answered, where they are servers
that the runtime counts. Labels are Prometheus' own: `namespace` and `pod` say whose a sample is,
what had these names before is `exported_namespace` and `exported_pod`. Buckets are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from componentbase.exposition import Sample, parse
from kubeapi.objects import Object, is_being_deleted, name_of, namespace_of
from nodeagent.kubelet.stats.reading import Reading

_SCRAPE: Final = "prometheus.io/scrape"
_PORT: Final = "prometheus.io/port"
_PATH: Final = "prometheus.io/path"
_OURS: Final = ("namespace", "pod")
#: What one pod may say.
SAMPLES_MAX: Final = 2_000
REQUESTS: Final = "http_requests_total"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A pod that is to be read, and where."""

    namespace: str
    pod: str
    address: str
    port: int
    path: str


def targets(pods: Iterable[Object]) -> list[Target]:
    """Return the pods that ask to be read and can be."""
    found = (_target(pod) for pod in pods if _is_annotated(pod))
    return [target for target in found if target is not None]


def _is_annotated(pod: Object) -> bool:
    return (pod["metadata"].get("annotations") or {}).get(_SCRAPE) == "true"


def _target(pod: Object) -> Target | None:
    status = pod.get("status") or {}
    port, address = _port(pod), status.get("podIP") or ""
    if not port or not address or status.get("phase") != "Running" or is_being_deleted(pod):
        return None
    path = pod["metadata"]["annotations"].get(_PATH) or "/metrics"
    if any(character.isspace() for character in path):
        return None
    return Target(
        namespace=namespace_of(pod),
        pod=name_of(pod),
        address=address,
        port=port,
        path=path if path.startswith("/") else f"/{path}",
    )


def _port(pod: Object) -> int:
    text = pod["metadata"]["annotations"].get(_PORT)
    if text is not None:
        return int(text) if text.isdecimal() and 0 < int(text[:6]) < 1 << 16 else 0
    for container in pod["spec"].get("containers") or ():
        for port in container.get("ports") or ():
            if port.get("protocol", "TCP") == "TCP":
                return int(port["containerPort"])
    return 0


def said(target: Target, text: str | None, now: float) -> list[Sample]:
    """Return what a pod said, and whether it could be read; *text* None: it did not answer."""
    mine = ("namespace", target.namespace), ("pod", target.pod)
    try:
        samples = [] if text is None else parse(text, SAMPLES_MAX)
    except ValueError:
        samples, text = [], None
    own = [
        Sample(each.name, _relabelled(each, mine), each.value, now)
        for each in samples
        if not each.name.endswith("_bucket")
    ]
    return [*own, Sample("up", mine, 0.0 if text is None else 1.0, now)]


def _relabelled(sample: Sample, mine: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    theirs = (
        (f"exported_{name}" if name in _OURS else name, value) for name, value in sample.labels
    )
    return tuple(sorted((*theirs, *mine)))


def counted(reading: Reading, asked: Iterable[Target]) -> Iterator[Sample]:
    """Yield the requests that the runtime counted of pods that were not *asked* themselves."""
    left_out = {(target.namespace, target.pod) for target in asked}
    for pod in reading.pods:
        if (pod.namespace, pod.name) in left_out:
            continue
        for each in pod.containers:
            if each.requests is not None:
                labels = (
                    ("container", each.name),
                    ("namespace", pod.namespace),
                    ("pod", pod.name),
                )
                yield Sample(REQUESTS, labels, float(each.requests), pod.at)
