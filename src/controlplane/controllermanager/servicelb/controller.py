"""Give Services of type LoadBalancer their addresses (upstream: service-lb-controller).

Upstream asks a cloud for a balancer; here there is nothing to make: the nodes listen at the
address as soon as kube-proxy reads it in the status (contracts §18). So this is an allocator whose
state is the status itself. One worker, so that no two Services are given one number; what it has
given and does not see in its informer yet, it remembers.
"""

from __future__ import annotations

from typing import Final

from controlplane.controllermanager.context import Context
from controlplane.controllermanager.servicelb.plan import (
    Ensure,
    Refuse,
    Release,
    has_finalizer,
    holders,
    number_in,
    plan,
)
from controlplane.controllermanager.servicelb.statuses import Statuses
from kubeapi.client import WorkQueue, run_workers
from kubeapi.objects import Object, key_of
from kubeapi.resources import SERVICES
from kubeapi.status import StatusError, is_conflict, is_not_found

_RETRY_S: Final = 0.05


class ServiceLbController:
    """Services in, their `status.loadBalancer` out."""

    def __init__(self, context: Context) -> None:
        self._statuses, self._pool = Statuses(context), context.balancer_pool
        self._queue: WorkQueue[str] = WorkQueue()
        self._given: dict[str, int] = {}
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
        self._statuses.refused.pop(key_of(service), None)
        self._look_at_refused()

    def _look_at_refused(self) -> None:
        """An address may be free now that somebody waits for."""
        for key in self._statuses.refused:
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
            self._statuses.refused.pop(key, None)
        try:
            match step:
                case Ensure(number):
                    self._given[key] = number
                    families = service["spec"].get("ipFamilies") or ["IPv4"]
                    await self._statuses.ensure(service, self._pool.ingress(number, families))
                case Release():
                    has_addresses = number_in(service, self._pool) is not None
                    await self._statuses.release(service, has_addresses=has_addresses)
                    self._given.pop(key, None)
                case Refuse(why):
                    self._statuses.refuse(service, why)
                case None:
                    self._given.pop(key, None)  # Its status says so by now.
        except StatusError as error:
            if not (is_conflict(error) or is_not_found(error)):
                raise
            self._queue.add_after(key, _RETRY_S)  # The informer is a moment behind.
