"""What a kubelet counts (upstream: pkg/kubelet/metrics, prober/prober_manager.go).

Names, labels and buckets are upstream's. What is a count of something that is there anyway is read
when somebody asks. Left out: what belongs to cgroups, devices, swap and garbage of Go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from componentbase.series import Counter, Histogram, Labels, Series, exponential
from kubeapi.objects import Object, name_of, namespace_of
from kubeapi.pod_containers import container_path
from nodeagent.kubelet.runtime_status import ContainerState, PodRuntimeStatus
from nodeagent.kubelet.static_pods import is_static_source

_DEFAULT: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_POD_START: Final = (
    *(0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 20.0, 30.0, 45.0, 60.0, 120.0, 180.0, 240.0),
    *(300.0, 360.0, 480.0, 600.0, 900.0, 1200.0, 1800.0, 2700.0, 3600.0),
)
_OPERATIONS: Final = exponential(0.005, 2.5, 14)
_OPERATION: Final = ("operation_type",)
_PULL: Final = (1, 5, 10, 20, 30, 60, 180, 300, 600, 900, 1200, 1800, 2700, 3600)
_PROBE: Final = ("probe_type", "result", "container", "pod", "namespace", "pod_uid")
_PROBE_SECONDS: Final = ("probe_type", "container", "pod", "namespace")
#: kubelet_image_pull_duration_seconds: sizes from these on, and below the next.
_SIZES: Final = (
    (0, "0-10MB"),
    (10, "10MB-100MB"),
    (100, "100MB-500MB"),
    (500, "500MB-1GB"),
    (1 << 10, "1GB-5GB"),
    (5 << 10, "5GB-10GB"),
    (10 << 10, "10GB-20GB"),
    (20 << 10, "20GB-30GB"),
    (30 << 10, "30GB-40GB"),
    (40 << 10, "40GB-60GB"),
    (60 << 10, "60GB-100GB"),
    (100 << 10, "GT100GB"),
)

#: By the field of a pod's spec that has the container.
_CONTAINER_TYPES: Final = {
    "initContainers": "init_container",
    "ephemeralContainers": "ephemeral_container",
}
_STATES: Final = {
    ContainerState.CREATED: "created",
    ContainerState.RUNNING: "running",
    ContainerState.EXITED: "exited",
    ContainerState.UNKNOWN: "unknown",
}


class KubeletMetrics:
    """The counters of one kubelet."""

    def __init__(self) -> None:
        self.operations = Counter(
            "kubelet_runtime_operations", "Operations of the runtime, by type.", _OPERATION
        )
        self.operation_errors = Counter(
            "kubelet_runtime_operations_errors", "Those that failed, by type.", _OPERATION
        )
        self.operation_seconds = Histogram(
            "kubelet_runtime_operations_duration_seconds",
            "How long operations of the runtime take, by type.",
            _OPERATION,
            _OPERATIONS,
        )
        self.relist_seconds = Histogram(
            "kubelet_pleg_relist_duration_seconds", "How long the lists take.", (), _DEFAULT
        )
        self.relist_interval = Histogram(
            "kubelet_pleg_relist_interval_seconds", "How far apart they are.", (), _DEFAULT
        )
        self.pod_start_seconds = Histogram(
            "kubelet_pod_start_duration_seconds",
            "From when the kubelet sees a pod until its containers run.",
            (),
            _POD_START,
        )
        self.pod_sync_seconds = Histogram(
            "kubelet_pod_worker_duration_seconds",
            "How long one sync of a pod takes, by what is done to it.",
            _OPERATION,
            _DEFAULT,
        )
        self.image_pull_seconds = Histogram(
            "kubelet_image_pull_duration_seconds",
            "How long pulls take, by the size of the image.",
            ("image_size_in_bytes",),
            _PULL,
        )
        self.started_pods = Counter("kubelet_started_pods", "Pods whose sandbox was made.", ())
        self.started_pod_errors = Counter(
            "kubelet_started_pods_errors", "Failures to make one.", ("reason",)
        )
        self.started_containers = Counter(
            "kubelet_started_containers", "Containers started, by type.", ("container_type",)
        )
        self.started_container_errors = Counter(
            "kubelet_started_containers_errors", "Failures to.", ("container_type", "code")
        )
        self.evictions = Counter(
            "kubelet_evictions", "Pods evicted, by signal.", ("eviction_signal",)
        )
        self.http_fallbacks = Counter(
            "kubelet_lifecycle_handler_http_fallbacks", "Hooks that fell back to http.", ()
        )
        self.probes = Counter("prober_probe", "Probes, by their results.", _PROBE)
        self.probe_seconds = Histogram(
            "prober_probe_duration_seconds", "How long probes take.", _PROBE_SECONDS, _DEFAULT
        )

    def forget_probes(self, pod: Object) -> None:
        """A pod that has gone is counted no more (upstream: at the end of each probe's worker)."""
        here = name_of(pod), namespace_of(pod)
        for counted in (self.probes.values, self.probe_seconds.values):
            for labels in [each for each in counted if here == _pod_of(each)]:
                del counted[labels]

    def counters(self) -> Sequence[Series]:
        """Return what `/metrics` shows of these."""
        return (
            self.operations,
            self.operation_errors,
            self.operation_seconds,
            self.relist_seconds,
            self.relist_interval,
            self.pod_start_seconds,
            self.pod_sync_seconds,
            self.image_pull_seconds,
            self.started_pods,
            self.started_pod_errors,
            self.started_containers,
            self.started_container_errors,
            self.evictions,
            self.http_fallbacks,
        )


def _pod_of(labels: Labels) -> tuple[str, str]:
    """Return name and namespace of the pod that was probed."""
    place = _PROBE.index("pod") if len(labels) == len(_PROBE) else _PROBE_SECONDS.index("pod")
    return labels[place], labels[place + 1]


def container_type(pod: Object, name: str) -> str:
    """Return which kind of container of *pod* is called *name*."""
    kind = container_path(pod["spec"], name).partition(".")[2].partition("{")[0]
    return _CONTAINER_TYPES.get(kind, "container")


def size_class(octets: int) -> str:
    """Return upstream's name of an image's size."""
    return next(name for megabytes, name in reversed(_SIZES) if octets >= megabytes << 20)


def by_source(pods: Iterable[Object]) -> Mapping[Labels, float]:
    """Return how many of *pods* are static, and how many are not."""
    found: dict[Labels, float] = {("",): 0, ("true",): 0}
    for pod in pods:
        found["true" if is_static_source(pod) else "",] += 1
    return found


def running_pods(pods: Iterable[PodRuntimeStatus]) -> Mapping[Labels, float]:
    """Return how many pods have a sandbox that is ready."""
    return {(): sum(any(each.ready for each in pod.sandboxes) for pod in pods)}


def running_containers(pods: Iterable[PodRuntimeStatus]) -> Mapping[Labels, float]:
    """Return how many containers there are, by their states."""
    found: dict[Labels, float] = {}
    for pod in pods:
        for container in pod.containers:
            labels = (_STATES[container.state],)
            found[labels] = found.get(labels, 0) + 1
    return found
