"""The phase of a pod, counted from what its containers do (kubelet_pods.go, getPhase)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum, auto

from kubeapi.objects import Object
from nodeagent.kubelet.pod_spec import is_sidecar


class _Doing(Enum):
    UNKNOWN = auto()
    WAITING = auto()
    RUNNING = auto()
    STOPPED = auto()
    SUCCEEDED = auto()


def has_begun(spec: Object, statuses: Sequence[Object]) -> bool:
    """Tell whether a container proper was started, so that the pod has been initialized."""
    proper = {each["name"] for each in spec.get("containers") or ()}
    return any(
        status["name"] in proper and not status["state"].get("waiting") and status["state"]
        for status in statuses
    )


def phase_of(spec: Object, statuses: Sequence[Object], *, ended: bool) -> str:
    """Return the phase; *ended*: nothing of the pod will be started again."""
    known = {status["name"]: status for status in statuses}
    inits = spec.get("initContainers") or ()
    once = [each for each in inits if not is_sidecar(each)]
    sidecars = [each for each in inits if is_sidecar(each)]
    failed = any(_failed(known.get(each["name"])) for each in once)
    if failed and spec.get("restartPolicy") == "Never":
        return "Failed"
    pending = any(not _once_done(known.get(each["name"])) for each in once)
    pending = pending or any(_sidecar_pending(known.get(each["name"])) for each in sidecars)
    doing = [*_sidecars(sidecars, known)]
    doing += [_doing(known.get(each["name"])) for each in spec.get("containers") or ()]
    if (pending and not has_begun(spec, statuses)) or _Doing.WAITING in doing:
        return "Pending"
    if _Doing.UNKNOWN in doing:
        return "Pending"
    if _Doing.RUNNING in doing:
        return "Running"
    return _stopped_phase(doing, "Never" if ended else spec.get("restartPolicy") or "Always")


def _stopped_phase(doing: Sequence[_Doing], policy: str) -> str:
    if not doing:
        return "Pending"
    if policy == "Always":
        return "Running"
    if all(each is _Doing.SUCCEEDED for each in doing):
        return "Succeeded"
    return "Failed" if policy == "Never" else "Running"


def _doing(status: Object | None) -> _Doing:
    state = status["state"] if status is not None else {}
    if "running" in state:
        return _Doing.RUNNING
    if "terminated" in state:
        return _Doing.STOPPED if state["terminated"]["exitCode"] else _Doing.SUCCEEDED
    if "waiting" in state:
        # What ended and waits for its next start has stopped; it has not succeeded.
        return _Doing.STOPPED if _last_end(status) is not None else _Doing.WAITING
    return _Doing.UNKNOWN


def _sidecars(sidecars: Sequence[Object], known: Mapping[str, Object]) -> Iterator[_Doing]:
    """Yield what sidecars do; that one has ended says nothing of the pod."""
    for each in sidecars:
        doing = _doing(known.get(each["name"]))
        if doing not in (_Doing.STOPPED, _Doing.SUCCEEDED):
            yield doing


def _last_end(status: Object | None) -> Object | None:
    ended: Object | None = ((status or {}).get("lastState") or {}).get("terminated")
    return ended


def _failed(status: Object | None) -> bool:
    ended = ((status or {}).get("state") or {}).get("terminated")
    return bool(ended and ended["exitCode"])


def _once_done(status: Object | None) -> bool:
    """Tell whether an init container has done its work, now or before its state was lost."""
    state = (status or {}).get("state") or {}
    ended = _last_end(status) if "waiting" in state else state.get("terminated")
    return bool(ended is not None and ended["exitCode"] == 0)


def _sidecar_pending(status: Object | None) -> bool:
    state = (status or {}).get("state") or {}
    if status is None or "terminated" in state:
        return False
    if "running" in state:
        return not status.get("started")
    return _last_end(status) is None
