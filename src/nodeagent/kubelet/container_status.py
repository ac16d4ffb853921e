"""v1.ContainerStatus of one container (kubelet_pods.go, convertToAPIContainerStatuses)."""

from __future__ import annotations

from dataclasses import dataclass

from componentbase.clock import rfc3339
from kubeapi.objects import Object
from nodeagent.kubelet.pod_spec import is_sidecar
from nodeagent.kubelet.runtime_status import ContainerState, ContainerStatus, PodRuntimeStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Why a container does not run yet, for `state.waiting`."""

    reason: str
    message: str = ""

    def state(self) -> Object:
        text: Object = {"reason": self.reason}
        if self.message:
            text["message"] = self.message
        return {"waiting": text}


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """What probes say of a running container."""

    started: bool = True
    ready: bool = True


def state_of(status: ContainerStatus) -> Object:
    """Return v1.ContainerState of what the runtime reports."""
    if status.state is ContainerState.RUNNING:
        return {"running": {"startedAt": rfc3339(status.started_at)}}
    if status.state is ContainerState.EXITED:
        return {"terminated": _terminated(status)}
    return Waiting(reason="ContainerCreating").state()


def _terminated(status: ContainerStatus) -> Object:
    reason = status.reason or ("Completed" if status.exit_code == 0 else "Error")
    ended: Object = {
        "exitCode": status.exit_code,
        "reason": reason,
        "finishedAt": rfc3339(status.finished_at),
        "containerID": container_id(status),
    }
    if status.started_at:
        ended["startedAt"] = rfc3339(status.started_at)
    if status.message:
        ended["message"] = status.message
    return ended


def container_id(status: ContainerStatus) -> str:
    """Return the id as the API shows it, with its runtime."""
    return f"podruntime://{status.id}"


def api_container_status(
    spec: Object,
    seen: PodRuntimeStatus,
    *,
    waiting: Waiting | None,
    probed: Probed,
    default: Waiting,
    init: bool,
) -> Object:
    """Return the status of the container *spec*.

    *waiting* is why the kubelet holds the next start back, if it does; *default* what is shown
    of a container that does not exist yet.
    """
    status = seen.container(spec["name"])
    result: Object = {
        "name": spec["name"],
        "image": spec.get("image") or "",
        "imageID": "",
        "ready": False,
        "started": False,
        "restartCount": 0,
        "lastState": {},
        "state": (waiting or default).state(),
    }
    if spec.get("volumeMounts"):
        result["volumeMounts"] = [_volume_mount(mount) for mount in spec["volumeMounts"]]
    if status is None:
        return result
    result |= {
        "restartCount": status.attempt,
        "imageID": status.image_ref,
        "containerID": container_id(status),
        "state": state_of(status),
    }
    previous = seen.previous(spec["name"])
    if previous is not None and previous.exited:
        result["lastState"] = state_of(previous)
    if waiting is not None and not status.running:
        # What ended is history as soon as a restart is held back.
        if status.exited:
            result["lastState"] = state_of(status)
        result["state"] = waiting.state()
    elif status.running:
        result["started"] = probed.started
        result["ready"] = probed.ready and probed.started
    if init and not is_sidecar(spec):
        result["ready"] = status.exited and status.exit_code == 0 and waiting is None
    return result


def _volume_mount(mount: Object) -> Object:
    """Return v1.VolumeMountStatus; no mount is read-only recursively (KEP-3857)."""
    shown: Object = {"name": mount["name"], "mountPath": mount["mountPath"]}
    if mount.get("readOnly"):
        shown |= {"readOnly": True, "recursiveReadOnly": "Disabled"}
    return shown
