"""DefaultBinder: binds pods by the binding subresource."""

from __future__ import annotations

from controlplane.scheduler.framework.cycle_state import CycleState
from controlplane.scheduler.framework.handle import Binder
from controlplane.scheduler.pod_info import PodInfo


class DefaultBinder:
    """Binds every pod."""

    name = "DefaultBinder"

    def __init__(self, binder: Binder) -> None:
        self._binder = binder

    async def bind(self, _state: CycleState, pod: PodInfo, node_name: str) -> bool:
        await self._binder.bind(pod, node_name)
        return True
