"""A container runtime that runs nothing: CRI's verbs upon rows in memory (contracts.md §7).

Upstream: kubemark's fake runtime. Every image is there once it was pulled. What was started runs
until somebody stops it, and ends then at once with status 0; commands in it succeed and say
nothing. Deviation from podruntime: no events, since nothing happens here that the kubelet has
not asked for, and it lists after each thing that it does.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Final

from componentbase.clock import Clock
from componentbase.rpc import Params, RpcError
from kubeapi.objects import Object
from nodeagent.kubelet.image_pull import normalized
from nodeagent.kubelet.runtime_status import ContainerState

_READY, _NOT_READY = "SANDBOX_READY", "SANDBOX_NOTREADY"
#: What images weigh whose layers nobody has: that of registry.k8s.io/pause, about.
_IMAGE_OCTETS: Final = 320_000


class HollowRuntime:
    """The sandboxes, containers and images of one node."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._sandboxes: dict[str, Object] = {}
        self._containers: dict[str, Object] = {}
        self._images: dict[str, None] = {}
        self._verbs: Final[Mapping[str, Callable[[Params], object]]] = {
            "GetContainerEvents": lambda _params: None,
            "RunPodSandbox": self._run_pod_sandbox,
            "StopPodSandbox": self._stop_pod_sandbox,
            "RemovePodSandbox": self._remove_pod_sandbox,
            "ListPodSandbox": lambda _params: list(self._sandboxes.values()),
            "PullImage": self._pull_image,
            "ListImages": self._list_images,
            "CreateContainer": self._create_container,
            "StartContainer": self._start_container,
            "StopContainer": self._stop_container,
            "RemoveContainer": self._remove_container,
            "ListContainers": lambda _params: list(self._containers.values()),
            "ExecSync": self._exec_sync,
        }

    def answer(self, method: str, params: Params) -> object:
        """Carry out one call; raises RpcError."""
        verb = self._verbs.get(method)
        if verb is None:
            raise RpcError("NotFound", f"there is no method {method!r}")
        return verb(params)

    def _sandbox(self, params: Params) -> Object:
        return _found(self._sandboxes, params["pod_sandbox_id"], "sandbox")

    def _container(self, params: Params) -> Object:
        return _found(self._containers, params["container_id"], "container")

    def _run_pod_sandbox(self, params: Params) -> Object:
        config = params["config"]
        sandbox = {
            "id": uuid.uuid4().hex,
            "metadata": config["metadata"],
            "state": _READY,
            "created_at": self._clock(),
            "labels": config.get("labels") or {},
            "annotations": config.get("annotations") or {},
            "pid": 0,
            "network": config["network"],
        }
        self._sandboxes[sandbox["id"]] = sandbox
        return {"pod_sandbox_id": sandbox["id"], "pid": 0}

    def _stop_pod_sandbox(self, params: Params) -> None:
        sandbox = self._sandbox(params)
        for container in self._of(sandbox["id"]):
            self._end(container)
        # Rows that were listed are others' by now: a change is a new row.
        self._sandboxes[sandbox["id"]] = {**sandbox, "state": _NOT_READY}

    def _remove_pod_sandbox(self, params: Params) -> None:
        self._stop_pod_sandbox(params)
        for container in self._of(params["pod_sandbox_id"]):
            del self._containers[container["id"]]
        del self._sandboxes[params["pod_sandbox_id"]]

    def _of(self, sandbox_id: str) -> list[Object]:
        rows = self._containers.values()
        return [row for row in rows if row["pod_sandbox_id"] == sandbox_id]

    def _pull_image(self, params: Params) -> Object:
        name = normalized(params["image"])
        self._images[name] = None
        return {"image_ref": name}

    def _list_images(self, _params: Params) -> list[Object]:
        return [{"repo_tags": [name], "id": name, "size": _IMAGE_OCTETS} for name in self._images]

    def _create_container(self, params: Params) -> Object:
        config = params["config"]
        self._sandbox(params)
        container = {
            "id": uuid.uuid4().hex,
            "pod_sandbox_id": params["pod_sandbox_id"],
            "metadata": config["metadata"],
            "image": config["image"],
            "image_ref": normalized(config["image"]),
            "state": ContainerState.CREATED.value,
            "created_at": self._clock(),
            "labels": config.get("labels") or {},
            "annotations": config.get("annotations") or {},
        }
        self._containers[container["id"]] = container
        return {"container_id": container["id"]}

    def _start_container(self, params: Params) -> None:
        container = self._container(params)
        if container["state"] != ContainerState.CREATED:
            raise RpcError("FailedPrecondition", f"container {container['id']} has begun already")
        running = {"state": ContainerState.RUNNING.value, "started_at": self._clock()}
        self._containers[container["id"]] = container | running

    def _stop_container(self, params: Params) -> None:
        self._end(self._container(params))

    def _end(self, container: Object) -> None:
        if container["state"] == ContainerState.EXITED:
            return
        self._containers[container["id"]] = container | {
            "state": ContainerState.EXITED.value,
            "finished_at": self._clock(),
            "exit_code": 0,
            "reason": "Completed",
        }

    def _remove_container(self, params: Params) -> None:
        del self._containers[self._container(params)["id"]]

    def _exec_sync(self, params: Params) -> Object:
        if self._container(params)["state"] != ContainerState.RUNNING:
            text = f"container {params['container_id']} is not running"
            raise RpcError("FailedPrecondition", text)
        return {"exit_code": 0, "stdout": b"", "stderr": b""}


def _found(rows: Mapping[str, Object], key: str, what: str) -> Object:
    row = rows.get(key)
    if row is None:
        raise RpcError("NotFound", f"there is no {what} {key!r}")
    return row
