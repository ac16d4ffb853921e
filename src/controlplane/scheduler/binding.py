"""From a chosen node to a bound pod: Permit, PreBind, Bind, PostBind (upstream: bindingCycle)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from controlplane.scheduler.framework.cycle_state import CycleState
from controlplane.scheduler.framework.interface import Rejection, Wait
from controlplane.scheduler.framework.runtime import Framework, Refusal
from controlplane.scheduler.pod_info import PodInfo
from controlplane.scheduler.waiting_pods import WaitingPod, WaitingPods

_BY_NOBODY = "no bind plugin has bound the pod"


@dataclass(frozen=True, slots=True)
class Chosen:
    """A pod with the node that it is to be bound to."""

    pod: PodInfo
    node_name: str
    state: CycleState
    framework: Framework
    began_at: float = 0.0  # monotonic: when the attempt began


class NotBound(Exception):
    """A plugin has taken the node from the pod, or nobody bound it."""

    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal
        super().__init__(", ".join(refusal.rejection.reasons))


def permit(chosen: Chosen, waiting: WaitingPods, waiting_max: int) -> Refusal | None:
    """Ask the Permit plugins, at once; a pod that has to wait is among *waiting* afterwards."""
    deadlines: dict[str, float] = {}
    now = asyncio.get_running_loop().time()
    for plugin in chosen.framework.permit:
        answer = plugin.permit(chosen.state, chosen.pod, chosen.node_name)
        if isinstance(answer, Rejection):
            return Refusal(plugin.name, answer)
        if isinstance(answer, Wait) and len(waiting) >= waiting_max:
            return Refusal(plugin.name, Rejection((f"{waiting_max} pods wait already",)))
        if isinstance(answer, Wait):
            deadlines[plugin.name] = now + answer.timeout_s
    if deadlines:
        waiting.add(WaitingPod(chosen.pod, chosen.node_name, deadlines))
    return None


async def bind(chosen: Chosen, waiting: WaitingPods) -> None:
    """Bind the pod; raises NotBound, StatusError and Unreachable."""
    pod, node_name, state = chosen.pod, chosen.node_name, chosen.state
    held = waiting.get(pod.key)
    if held is not None:
        why = await waiting.wait(held)
        if why:
            raise NotBound(Refusal(_holder(held.held_by), Rejection((why,))))
    for before in chosen.framework.pre_bind:
        rejection = await before.pre_bind(state, pod, node_name)
        if rejection is not None:
            raise NotBound(Refusal(before.name, rejection))
    for plugin in chosen.framework.bind:
        if await plugin.bind(state, pod, node_name):
            break
    else:
        raise NotBound(Refusal(chosen.framework.bind[-1].name, Rejection((_BY_NOBODY,))))
    for after in chosen.framework.post_bind:
        after.post_bind(state, pod, node_name)


def _holder(names: Sequence[str]) -> str:
    return names[0] if names else ""
