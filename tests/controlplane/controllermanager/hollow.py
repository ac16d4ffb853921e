"""Nodes without anything inside, as kubemark has them: they answer for kubelets and scheduler.

Pods are bound in turn, become Running and Ready at once with an address of their node's range,
and vanish when deleted. A node that is stopped renews nothing and touches no pod any more.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from componentbase import clock
from componentbase.tasks import Tasks
from controlplane.controllermanager.daemon.pods import target_node
from kubeapi.client import Informer, PatchType, RestClient, WorkQueue, run_workers
from kubeapi.objects import Object, key_of, name_of, namespace_of
from kubeapi.resources import LEASES, NODES, PODS
from kubeapi.status import StatusError, is_conflict, is_not_found

RENEW_EVERY_S = 0.5
#: Pods of this image run and never become ready.
BROKEN = "broken"
CONDITIONS = {
    "Ready": "True",
    "MemoryPressure": "False",
    "DiskPressure": "False",
    "PIDPressure": "False",
}


@dataclass
class HollowNodes:
    """All nodes of one test."""

    client: RestClient
    names: list[str]
    namespace: str | None = None  # Whose pods they care for; None: everybody's.
    stopped: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._queue: WorkQueue[str] = WorkQueue()
        self._turn = 0
        self._addresses = 0
        self._pods = Informer(self.client, PODS, namespace=self.namespace)
        self._pods.add_handler(
            on_add=lambda new: self._queue.add(key_of(new)),
            on_update=lambda _old, new: self._queue.add(key_of(new)),
        )

    async def start(self, tasks: Tasks) -> None:
        self.tasks = tasks
        for name in self.names:
            await self._register(name)
            tasks.spawn(self._heartbeat(name), name=f"heartbeat {name}")
        tasks.spawn(self._pods.run(), name="pods")
        tasks.spawn(run_workers(self._queue, self._reconcile, workers=16), name="hollow kubelet")

    async def resume(self, name: str) -> None:
        """Let a stopped node come back and say that it is ready."""
        self.stopped.discard(name)
        await self._patch_node(name, conditions_now())

    async def remove(self) -> None:
        for name in self.names:
            await self.client.delete(NODES, name)

    async def _register(self, name: str) -> None:
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}
        await self.client.create(NODES, node)
        await self._patch_node(name, conditions_now())
        lease = {
            "apiVersion": LEASES.api_version,
            "kind": "Lease",
            "metadata": {"name": name, "namespace": "kube-node-lease"},
            "spec": {"holderIdentity": name, "renewTime": clock.rfc3339_micro(clock.wall())},
        }
        await self.client.create(LEASES, lease, "kube-node-lease")

    async def _patch_node(self, name: str, conditions: list[Object]) -> None:
        patch = {"status": {"conditions": conditions}}
        await self.client.patch(NODES, name, patch, kind=PatchType.STRATEGIC, subresource="status")

    async def _heartbeat(self, name: str) -> None:
        while True:
            await asyncio.sleep(RENEW_EVERY_S)
            if name not in self.stopped:
                patch = {"spec": {"renewTime": clock.rfc3339_micro(clock.wall())}}
                await self.client.patch(LEASES, name, patch, "kube-node-lease")

    async def _reconcile(self, key: str) -> None:
        pod = self._pods.get(key)
        if pod is None:
            return
        try:
            await self._step(pod)
        except StatusError as error:
            if not (is_not_found(error) or is_conflict(error)):
                raise

    async def _step(self, pod: Object) -> None:
        name, namespace = name_of(pod), namespace_of(pod)
        node = pod["spec"].get("nodeName")
        if node in self.stopped:
            return
        if pod["metadata"].get("deletionTimestamp"):
            await self.client.delete(PODS, name, namespace, grace_s=0)
        elif not node:
            await self._bind(pod, name, namespace)
        elif not (pod.get("status") or {}).get("podIP"):
            await self._run(pod, node)

    async def _bind(self, pod: Object, name: str, namespace: str) -> None:
        alive = [one for one in self.names if one not in self.stopped]
        self._turn += 1
        if wanted := target_node(pod):
            alive = [one for one in alive if one == wanted]
            if not alive:
                return
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": name, "namespace": namespace},
            "target": {"apiVersion": "v1", "kind": "Node", "name": alive[self._turn % len(alive)]},
        }
        await self.client.create(PODS, binding, namespace, subresource="binding", name=name)

    async def _run(self, pod: Object, node: str) -> None:
        self._addresses += 1
        address = f"10.244.{self.names.index(node)}.{self._addresses % 250 + 2}"
        at = clock.rfc3339(clock.wall())
        works = pod["spec"]["containers"][0]["image"] != BROKEN
        ready = {"type": "Ready", "status": str(works), "lastTransitionTime": at}
        status = {
            "phase": "Running",
            "podIP": address,
            "podIPs": [{"ip": address}],
            "conditions": [ready],
        }
        await self.client.patch(
            PODS,
            name_of(pod),
            {"status": status},
            namespace_of(pod),
            kind=PatchType.STRATEGIC,
            subresource="status",
        )


def conditions_now() -> list[Object]:
    at = clock.rfc3339(clock.wall())
    times = {"lastHeartbeatTime": at, "lastTransitionTime": at}
    return [{"type": type, "status": status, **times} for type, status in CONDITIONS.items()]
