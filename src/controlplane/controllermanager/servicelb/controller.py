"""Give Services of type LoadBalancer their addresses (upstream: service-lb-controller).

Upstream asks a cloud for a balancer; here there is nothing to make: the nodes listen at the
address as soon as kube-proxy reads it in the status (contracts §18). So this is an allocator whose
state is the status itself.
"""

from __future__ import annotations

from controlplane.controllermanager.context import Context
from controlplane.controllermanager.servicelb.plan import (
    Ensure,
    Refuse,
    Release,
    holders,
    number_in,
    plan,
)
from controlplane.controllermanager.servicelb.service_queue import ServiceQueue
from kubeapi.objects import Object


class ServiceLbController:
    """Services in, their `status.loadBalancer` out."""

    def __init__(self, context: Context) -> None:
        self._pool = context.balancer_pool
        self._queue: ServiceQueue[int] = ServiceQueue(context)
        if self._pool:
            self._queue.services.add_handler(
                on_add=self._queue.soon, on_update=self._changed, on_delete=self._queue.gone
            )

    async def run(self) -> None:
        await self._queue.run(self._reconcile)

    def _changed(self, old: Object, new: Object) -> None:
        self._queue.soon(new)
        if number_in(old, self._pool) != number_in(new, self._pool):
            self._queue.look_at_refused()

    def _held(self) -> dict[int, str]:
        held = holders(self._queue.services.items(), self._pool)
        for key, number in self._queue.given.items():
            held.setdefault(number, key)
        return held

    async def _reconcile(self, key: str, service: Object) -> None:
        given, statuses = self._queue.given, self._queue.statuses
        step = plan(service, self._held(), self._pool)
        if not isinstance(step, Refuse):
            statuses.refused.pop(key, None)
        match step:
            case Ensure(number):
                given[key] = number
                families = service["spec"].get("ipFamilies") or ["IPv4"]
                await statuses.ensure(service, self._pool.ingress(number, families))
            case Release():
                has_addresses = number_in(service, self._pool) is not None
                await statuses.release(service, has_addresses=has_addresses)
                given.pop(key, None)
            case Refuse(why):
                statuses.refuse(service, why)
            case None:
                given.pop(key, None)  # Its status says so by now.
