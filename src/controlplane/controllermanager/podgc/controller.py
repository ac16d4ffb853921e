"""Delete by force the pods that no kubelet will clean up (upstream: pkg/controller/podgc)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

from controlplane.controllermanager import pod_facts
from controlplane.controllermanager.context import Context
from controlplane.controllermanager.nodelifecycle.health import ready_status
from controlplane.controllermanager.nodelifecycle.taints import taints_of
from controlplane.controllermanager.pod_control import each
from controlplane.controllermanager.podgc import plan
from kubeapi.client import PatchType, Unreachable
from kubeapi.objects import Object, key_of, name_of, namespace_of, uid_of
from kubeapi.resources import NODES, PODS
from kubeapi.status import StatusError, is_conflict, is_not_found

log = logging.getLogger(__name__)

#: Upstream's gcCheckPeriod and quarantineTime, at upstream's pace.
CHECK_PERIOD_S: Final = 20.0
QUARANTINE_S: Final = 40.0


class PodGcController:
    """Looks at all pods now and then."""

    def __init__(self, context: Context) -> None:
        self._context, self._client = context, context.client
        self._pods = context.informer(PODS)
        self._nodes = context.informer(NODES)
        self._quarantine = plan.Quarantine(wait_s=QUARANTINE_S / context.pace)

    async def run(self) -> None:
        await self._pods.wait_synced()
        await self._nodes.wait_synced()
        while True:
            try:
                await self._pass()
            except (StatusError, Unreachable) as error:
                log.warning("%s; the next pass tries again", error)
            await asyncio.sleep(CHECK_PERIOD_S / self._context.pace)

    async def _pass(self) -> None:
        pods = self._pods.items()
        await each(plan.terminated_surplus(pods), self._delete)
        await each(plan.out_of_service(pods, self._dead_nodes()), self._end_out_of_service)
        gone = await self._gone_nodes(pods)
        await each(plan.orphaned(pods, gone), self._end_orphan)
        await each(plan.unscheduled_terminating(pods), self._end_unscheduled)

    def _dead_nodes(self) -> list[str]:
        return [
            name_of(node)
            for node in self._nodes.items()
            if ready_status(node) != "True"
            and any(taint["key"] == plan.OUT_OF_SERVICE for taint in taints_of(node))
        ]

    async def _gone_nodes(self, pods: Sequence[Object]) -> list[str]:
        """Return nodes that are missing for long, and that the API does not have either."""
        named = [pod_facts.node_name(pod) for pod in pods]
        known = {name_of(node) for node in self._nodes.items()}
        missing = self._quarantine.observe(named, known, self._context.monotonic())
        return [name for name in missing if not await self._exists(name)]

    async def _exists(self, node_name: str) -> bool:
        try:
            await self._client.get(NODES, node_name)
        except StatusError as error:
            if is_not_found(error):
                return False
            raise
        return True

    async def _end_orphan(self, pod: Object) -> None:
        await self._end(pod, "PodGC: node no longer exists")

    async def _end_out_of_service(self, pod: Object) -> None:
        await self._end(pod, "PodGC: node is out of service")

    async def _end_unscheduled(self, pod: Object) -> None:
        await self._end(pod, "")  # Nothing disrupts it: it was to go before it had begun.

    async def _end(self, pod: Object, message: str) -> None:
        patch = plan.failed_patch(pod, message, self._context.now_text())
        name, namespace = name_of(pod), namespace_of(pod)
        try:
            await self._client.patch(
                PODS, name, patch, namespace, kind=PatchType.STRATEGIC, subresource="status"
            )
        except StatusError as error:
            if is_not_found(error) or is_conflict(error):
                return
            raise
        await self._delete(pod)

    async def _delete(self, pod: Object) -> None:
        """Delete by force: nobody is left who would confirm the end of the containers."""
        log.info("deleting pod %s", key_of(pod))
        name, namespace = name_of(pod), namespace_of(pod)
        try:
            await self._client.delete(PODS, name, namespace, grace_s=0, uid=uid_of(pod))
        except StatusError as error:
            if not (is_not_found(error) or is_conflict(error)):
                raise
