"""What the server is told besides bindings: who waits and why, who has to end for whom."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from componentbase import clock
from controlplane.scheduler.framework.plugins.default_preemption import PREEMPTED
from controlplane.scheduler.pod_info import PodInfo
from kubeapi.client import EventRecorder, PatchType, RestClient, Unreachable
from kubeapi.objects import Object, condition, name_of, namespace_of, uid_of
from kubeapi.resources import PODS
from kubeapi.status import StatusError, is_not_found

log = logging.getLogger(__name__)

#: Reasons of the condition PodScheduled.
_UNSCHEDULABLE: Final = "Unschedulable"
_ERROR: Final = "SchedulerError"


class Reports:
    """Tells one API server, in the name of the profiles' schedulers."""

    def __init__(self, client: RestClient, events: EventRecorder) -> None:
        self._client, self._events = client, events

    async def bind(self, pod: PodInfo, node_name: str) -> None:
        """Bind *pod*; raises StatusError and Unreachable."""
        name = name_of(pod.obj)
        binding: Object = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": name, "namespace": pod.namespace, "uid": pod.uid},
            "target": {"apiVersion": "v1", "kind": "Node", "name": node_name},
        }
        await self._client.create(PODS, binding, pod.namespace, subresource="binding", name=name)

    def bound(self, pod: PodInfo, node_name: str) -> None:
        """Say that *pod* has a node."""
        text = f"Successfully assigned {pod.key} to {node_name}"
        self._events.event(pod.obj, "Normal", "Scheduled", text)

    def failed(self, pod: PodInfo, why: str) -> None:
        """Say that an attempt failed."""
        self._events.event(pod.obj, "Warning", "FailedScheduling", why)

    async def waits(self, pod: PodInfo, why: str, nominated: str | None = None) -> None:
        """Say in an event and in the pod's conditions why it has to wait.

        *nominated*: which node it was promised, or "" that it is promised none any more.
        """
        await self._waits(pod, why, _UNSCHEDULABLE, nominated)

    async def broke_down(self, pod: PodInfo, why: str) -> None:
        """Say that the scheduler itself, or a plugin of its, failed over *pod*."""
        await self._waits(pod, why, _ERROR, "")

    async def _waits(self, pod: PodInfo, why: str, reason: str, nominated: str | None) -> None:
        self.failed(pod, why)
        status = _changes(pod.obj, reason, why)
        known = (pod.obj.get("status") or {}).get("nominatedNodeName") or ""
        if nominated is not None and nominated != known:
            status["nominatedNodeName"] = nominated or None
        if status:
            await self._tell(self._patch(pod, status), pod)

    async def clear_nomination(self, pod: PodInfo) -> None:
        """Take back the node that *pod* was promised."""
        await self._tell(self._patch(pod, {"nominatedNodeName": None}), pod)

    async def preempt(self, pod: PodInfo, victims: Sequence[PodInfo], node_name: str) -> bool:
        """End *victims* so that *pod* has room; return False if one could not be told."""
        return all([await self._evict(pod, victim, node_name) for victim in victims])

    async def _evict(self, pod: PodInfo, victim: PodInfo, node_name: str) -> bool:
        if not victim.being_deleted:
            why = f"{pod.obj['spec'].get('schedulerName')}: preempting to accommodate a higher "
            wanted = _condition("DisruptionTarget", "True", PREEMPTED, f"{why}priority pod")
            if not await self._tell(self._patch(victim, {"conditions": [wanted]}), victim):
                return False
            if not await self._tell(self._delete(victim), victim):
                return False
        text = f"Preempted by pod {pod.uid} on node {node_name}"
        self._events.event(victim.obj, "Normal", "Preempted", text)
        return True

    def _delete(self, pod: PodInfo) -> Callable[[], Awaitable[object]]:
        return lambda: self._client.delete(PODS, name_of(pod.obj), pod.namespace, uid=pod.uid)

    def _patch(self, pod: PodInfo, status: Object) -> Callable[[], Awaitable[object]]:
        return lambda: self._client.patch(
            PODS,
            name_of(pod.obj),
            {"metadata": {"uid": uid_of(pod.obj)}, "status": status},
            namespace_of(pod.obj),
            kind=PatchType.STRATEGIC,
            subresource="status",
        )

    async def _tell(self, call: Callable[[], Awaitable[object]], pod: PodInfo) -> bool:
        """Tell the server something that the next attempt says again if it fails."""
        try:
            await call()
        except (StatusError, Unreachable) as error:
            if isinstance(error, StatusError) and is_not_found(error):
                return True  # It is gone: nothing is left to say.
            log.info("%s: %s", pod.key, error)
            return False
        return True


def _changes(pod: Object, reason: str, why: str) -> Object:
    """Return what to patch in the status so that it says *why*; nothing if it does."""
    known = condition(pod, "PodScheduled") or {}
    wanted = _condition("PodScheduled", "False", reason, why)
    if all(known.get(name) == wanted[name] for name in ("status", "reason", "message")):
        return {}
    if known.get("status") == "False" and known.get("lastTransitionTime"):
        wanted["lastTransitionTime"] = known["lastTransitionTime"]
    return {"conditions": [wanted]}


def _condition(kind: str, status: str, reason: str, message: str) -> Object:
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": clock.rfc3339(clock.wall()),
    }
