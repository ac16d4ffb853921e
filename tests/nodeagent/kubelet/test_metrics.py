"""What the kubelet counts, and under which names."""

from __future__ import annotations

import pytest

from componentbase.series import exposition
from nodeagent.kubelet.metrics import (
    KubeletMetrics,
    by_source,
    container_type,
    running_containers,
    running_pods,
    size_class,
)
from nodeagent.kubelet.runtime_status import (
    ContainerState,
    ContainerStatus,
    PodRuntimeStatus,
    SandboxStatus,
)


@pytest.mark.parametrize(
    ("megabytes", "name"),
    [(0, "0-10MB"), (9.9, "0-10MB"), (10, "10MB-100MB"), (600, "500MB-1GB"), (200_000, "GT100GB")],
)
def test_sizes_of_images_have_upstreams_names(megabytes, name):
    assert size_class(int(megabytes * (1 << 20))) == name


def test_containers_are_counted_by_their_kind():
    named = {"initContainers": [{"name": "i"}], "ephemeralContainers": [{"name": "e"}]}
    pod = {"spec": {"containers": [{"name": "c"}], **named}}
    kinds = [container_type(pod, name) for name in "cie"]
    assert kinds == ["container", "init_container", "ephemeral_container"]


def pod(uid: str, *, ready: bool, states: list[ContainerState]) -> PodRuntimeStatus:
    containers = tuple(
        ContainerStatus(id=f"{uid}{n}", sandbox_id=uid, name=f"c{n}", attempt=0, state=state)
        for n, state in enumerate(states)
    )
    sandboxes = (SandboxStatus(id=uid, attempt=0, ready=ready),)
    return PodRuntimeStatus(
        uid=uid, name=uid, namespace="n", sandboxes=sandboxes, containers=containers
    )


def test_what_runs_is_counted_as_the_runtime_has_it():
    """A pod runs that has a sandbox, whatever its containers do."""
    running, exited = ContainerState.RUNNING, ContainerState.EXITED
    pods = [
        pod("a", ready=True, states=[running, running]),
        pod("b", ready=True, states=[exited]),
        pod("c", ready=False, states=[exited]),
    ]
    assert running_pods(pods) == {(): 2}
    assert running_containers(pods) == {("running",): 2, ("exited",): 2}


def test_static_pods_are_counted_apart():
    static = {"kubernetes.io/config.source": "file"}
    pods = [{"metadata": {"annotations": static}}, {"metadata": {}}, {"metadata": {}}]
    assert by_source(pods) == {("",): 2, ("true",): 1}


def test_numbers_go_by_upstreams_names():
    metrics = KubeletMetrics()
    metrics.operations.add(("run_podsandbox",))
    metrics.operation_seconds.observe(("run_podsandbox",), 0.02)
    metrics.image_pull_seconds.observe((size_class(5),), 2)
    text = exposition(metrics.counters())
    for line in (
        'kubelet_runtime_operations_total{operation_type="run_podsandbox"} 1',
        "kubelet_runtime_operations_duration_seconds_bucket"
        '{operation_type="run_podsandbox",le="0.03125"} 1',
        'kubelet_image_pull_duration_seconds_count{image_size_in_bytes="0-10MB"} 1',
        "# TYPE kubelet_started_pods_total counter",
        "# TYPE kubelet_pleg_relist_duration_seconds histogram",
        "# TYPE kubelet_evictions_total counter",
    ):
        assert line in text.splitlines()
