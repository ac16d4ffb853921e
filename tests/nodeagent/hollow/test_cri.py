"""CRI in memory: the life of a pod's rows."""

from __future__ import annotations

import pytest

from componentbase.rpc import RpcError
from nodeagent.hollow.cri import HollowRuntime
from nodeagent.kubelet.runtime_status import pods_of

METADATA = {"name": "web", "namespace": "shop", "uid": "u1", "attempt": 0}
NETWORK = {"interface": "veth1", "mac": "0a:58:0a:f4:01:02", "address": "10.244.1.2/24"}
LABELS = {"io.kubernetes.pod.uid": "u1", "io.kubernetes.container.name": "app"}


class Now:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def runtime():
    return HollowRuntime(Now())


def pod(runtime):
    made = runtime.answer(
        "RunPodSandbox", {"config": {"metadata": METADATA, "network": NETWORK, "labels": LABELS}}
    )
    return made["pod_sandbox_id"]


def container(runtime, sandbox):
    config = {"metadata": {"name": "app", "attempt": 0}, "image": "nginx", "labels": LABELS}
    params = {"pod_sandbox_id": sandbox, "config": config}
    return runtime.answer("CreateContainer", params)["container_id"]


def seen(runtime):
    lists = [runtime.answer(method, {}) for method in ("ListPodSandbox", "ListContainers")]
    return pods_of(*lists)["u1"]


def test_a_started_container_runs_until_it_is_stopped(runtime):
    sandbox = pod(runtime)
    name = container(runtime, sandbox)
    assert seen(runtime).container("app").state == "CONTAINER_CREATED"
    runtime.answer("StartContainer", {"container_id": name})
    assert seen(runtime).address == "10.244.1.2"
    assert seen(runtime).container("app").running
    before = seen(runtime)
    runtime.answer("StopContainer", {"container_id": name, "timeout_s": 30})
    ended = seen(runtime).container("app")
    assert (ended.exited, ended.exit_code, ended.reason) == (True, 0, "Completed")
    assert before.container("app").running  # What was listed once does not change.


def test_a_stopped_sandbox_ends_its_containers_and_a_removed_one_leaves_nothing(runtime):
    sandbox = pod(runtime)
    name = container(runtime, sandbox)
    runtime.answer("StartContainer", {"container_id": name})
    runtime.answer("StopPodSandbox", {"pod_sandbox_id": sandbox})
    assert not seen(runtime).sandbox.ready
    assert seen(runtime).container("app").exited
    runtime.answer("RemovePodSandbox", {"pod_sandbox_id": sandbox})
    assert runtime.answer("ListPodSandbox", {}) == runtime.answer("ListContainers", {}) == []


def test_an_image_is_there_once_it_was_pulled(runtime):
    assert runtime.answer("ListImages", {}) == []
    assert runtime.answer("PullImage", {"image": "nginx"})["image_ref"].endswith("nginx:latest")
    assert [each["repo_tags"] for each in runtime.answer("ListImages", {})] == [
        ["docker.io/library/nginx:latest"]
    ]


def test_commands_succeed_in_running_containers_only(runtime):
    name = container(runtime, pod(runtime))
    with pytest.raises(RpcError, match="not running"):
        runtime.answer("ExecSync", {"container_id": name, "cmd": ["true"]})
    runtime.answer("StartContainer", {"container_id": name})
    done = runtime.answer("ExecSync", {"container_id": name, "cmd": ["true"]})
    assert done == {"exit_code": 0, "stdout": b"", "stderr": b""}


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("StopPodSandbox", {"pod_sandbox_id": "x"}, "NotFound"),
        ("StartContainer", {"container_id": "x"}, "NotFound"),
        ("Checkpoint", {}, "NotFound"),
    ],
)
def test_what_is_not_there_is_not_found(runtime, method, params, code):
    with pytest.raises(RpcError) as refused:
        runtime.answer(method, params)
    assert refused.value.code == code


def test_a_container_begins_once(runtime):
    name = container(runtime, pod(runtime))
    runtime.answer("StartContainer", {"container_id": name})
    with pytest.raises(RpcError, match="begun already"):
        runtime.answer("StartContainer", {"container_id": name})
