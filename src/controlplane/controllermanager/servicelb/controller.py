"""Give Services of type LoadBalancer their addresses (upstream: service-lb-controller).

Upstream asks a cloud for a balancer; here there is nothing to make: the nodes listen at the
address as soon as kube-proxy reads it in the status (contracts §18). So this is an allocator whose
state is the status itself. One worker, so that no two Services are given one number; what it has
given and does not see in its informer yet, it remembers.
"""

from __future__ import annotations

import logging
from typing import Final

from controlplane.controllermanager.context import Context
from controlplane.controllermanager.servicelb.plan import (
    FINALIZER,
    Ensure,
    Refuse,
    Release,
    has_finalizer,
    holders,
    number_in,
    plan,
)
from kubeapi.client import WorkQueue, run_workers
from kubeapi.objects import Object, key_of, name_of, namespace_of, resource_version_of
from kubeapi.resources import SERVICES
from kubeapi.status import StatusError, is_conflict, is_not_found

log = logging.getLogger(__name__)

_COMPONENT: Final = "service-controller"
_RETRY_S: Final = 0.05


class ServiceLbController:
    """Services in, their `status.loadBalancer` out."""

    def __init__(self, context: Context) -> None:
        self._client, self._pool = context.client, context.balancer_pool
        self._recorder = context.recorder(_COMPONENT)
        self._queue: WorkQueue[str] = WorkQueue()
        self._given: dict[str, int] = {}
        self._refused: dict[str, str] = {}
        self._services = context.informer(SERVICES)
        if self._pool:
            self._services.add_handler(
                on_add=self._soon, on_update=self._changed, on_delete=self._gone
            )

    async def run(self) -> None:
        await self._services.wait_synced()
        await run_workers(self._queue, self._reconcile, workers=1)

    def _soon(self, service: Object) -> None:
        if service["spec"].get("type") == "LoadBalancer" or has_finalizer(service):
            self._queue.add(key_of(service))

    def _changed(self, old: Object, new: Object) -> None:
        self._soon(new)
        if number_in(old, self._pool) != number_in(new, self._pool):
            self._look_at_refused()

    def _gone(self, service: Object) -> None:
        self._given.pop(key_of(service), None)
        self._refused.pop(key_of(service), None)
        self._look_at_refused()

    def _look_at_refused(self) -> None:
        """An address may be free now that somebody waits for."""
        for key in self._refused:
            self._queue.add(key)

    def _held(self) -> dict[int, str]:
        held = holders(self._services.items(), self._pool)
        for key, number in self._given.items():
            held.setdefault(number, key)
        return held

    async def _reconcile(self, key: str) -> None:
        service = self._services.get(key)
        if service is None:
            return
        step = plan(service, self._held(), self._pool)
        if not isinstance(step, Refuse):
            self._refused.pop(key, None)
        try:
            match step:
                case Ensure(number):
                    await self._ensure(key, service, number)
                case Release():
                    await self._release(key, service)
                case Refuse(why):
                    self._refuse(key, service, why)
                case None:
                    self._given.pop(key, None)  # Its status says so by now.
        except StatusError as error:
            if not (is_conflict(error) or is_not_found(error)):
                raise
            self._queue.add_after(key, _RETRY_S)  # The informer is a moment behind.

    async def _ensure(self, key: str, service: Object, number: int) -> None:
        self._given[key] = number
        self._recorder.event(service, "Normal", "EnsuringLoadBalancer", "Ensuring load balancer")
        if not has_finalizer(service):
            kept = service["metadata"].get("finalizers") or []
            service = await self._patch(service, {"metadata": {"finalizers": [*kept, FINALIZER]}})
        families = service["spec"].get("ipFamilies") or ["IPv4"]
        ingress = self._pool.ingress(number, families)
        await self._patch(service, {"status": {"loadBalancer": {"ingress": ingress}}}, "status")
        self._recorder.event(service, "Normal", "EnsuredLoadBalancer", "Ensured load balancer")

    async def _release(self, key: str, service: Object) -> None:
        self._recorder.event(service, "Normal", "DeletingLoadBalancer", "Deleting load balancer")
        if number_in(service, self._pool) is not None:
            nothing: Object = {"status": {"loadBalancer": {"ingress": None}}}
            service = await self._patch(service, nothing, "status")
        kept = [each for each in service["metadata"].get("finalizers") or () if each != FINALIZER]
        await self._patch(service, {"metadata": {"finalizers": kept or None}})
        self._given.pop(key, None)
        self._recorder.event(service, "Normal", "DeletedLoadBalancer", "Deleted load balancer")

    def _refuse(self, key: str, service: Object, why: str) -> None:
        """Say why the Service stays pending, once for each reason."""
        if self._refused.get(key) == why:
            return
        self._refused[key] = why
        message = f"Error syncing load balancer: failed to ensure load balancer: {why}"
        self._recorder.event(service, "Warning", "SyncLoadBalancerFailed", message)
        log.warning("%s: %s", key, message)

    async def _patch(self, service: Object, patch: Object, subresource: str = "") -> Object:
        """Change *service* unless somebody else just did."""
        metadata = {
            **(patch.get("metadata") or {}),
            "resourceVersion": resource_version_of(service),
        }
        return await self._client.patch(
            SERVICES,
            name_of(service),
            {**patch, "metadata": metadata},
            namespace_of(service),
            subresource=subresource,
        )
