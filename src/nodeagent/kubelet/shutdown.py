"""Carries out a node's shutdown: tells the API, ends the pods by priority, sends what they were."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from kubeapi.objects import uid_of
from nodeagent.kubelet.configuration import PriorityGrace
from nodeagent.kubelet.kubelet import Kubelet
from nodeagent.kubelet.node_shutdown import ShutdownGroup, group_by_priority, termination
from nodeagent.kubelet.status_manager import StatusManager

log = logging.getLogger(__name__)

#: How long what the pods have ended with may take to reach the API server.
_STATUSES_S: Final = 3.0


async def shut_down(
    kubelet: Kubelet, statuses: StatusManager, graces: tuple[PriorityGrace, ...]
) -> None:
    """End every pod of the node; return when that is done, or its time is over."""
    for group in group_by_priority(graces, kubelet.active_pods()):
        if group.pods:
            await _end(kubelet, group)
    await statuses.settle(_STATUSES_S)


async def _end(kubelet: Kubelet, group: ShutdownGroup) -> None:
    log.info("ending %d pods within %g s", len(group.pods), group.grace_s)
    ends = [kubelet.terminate(uid_of(pod), termination(pod, group)) for pod in group.pods]
    try:
        async with asyncio.timeout(group.grace_s):
            await asyncio.gather(*(each.wait() for each in ends if each is not None))
    except TimeoutError:
        log.warning("not all pods have ended in their time")
