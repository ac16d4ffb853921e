"""Give Services of type LoadBalancer the nodes' addresses (`node_plan`), and follow the nodes."""

from __future__ import annotations

from controlplane.controllermanager.context import Context
from controlplane.controllermanager.servicelb.node_plan import (
    EnsureNodes,
    Port,
    addresses,
    owners,
    plan,
    ports,
)
from controlplane.controllermanager.servicelb.plan import Refuse, Release, ingress_of
from controlplane.controllermanager.servicelb.service_queue import ServiceQueue
from kubeapi.objects import Object
from kubeapi.resources import NODES


class NodeBalancerController:
    """Services and nodes in, `status.loadBalancer` out."""

    def __init__(self, context: Context) -> None:
        self._queue: ServiceQueue[tuple[Port, ...]] = ServiceQueue(context)
        self._addresses: tuple[str, ...] = ()
        self._nodes = context.informer(NODES)
        self._queue.services.add_handler(
            on_add=self._queue.soon,
            on_update=lambda _old, new: self._changed(new),
            on_delete=self._queue.gone,
        )
        self._nodes.add_handler(
            on_add=lambda _new: self._look_at_nodes(),
            on_update=lambda _old, _new: self._look_at_nodes(),
            on_delete=lambda _old: self._look_at_nodes(),
        )

    async def run(self) -> None:
        await self._nodes.wait_synced()
        await self._queue.run(self._reconcile)

    def _changed(self, service: Object) -> None:
        self._queue.soon(service)
        self._queue.look_at_refused()

    def _look_at_nodes(self) -> None:
        now = addresses(self._nodes.items())
        if now != self._addresses:
            self._addresses = now
            for service in self._queue.services.items():
                self._queue.soon(service)

    def _owners(self) -> dict[Port, str]:
        taken = owners(self._queue.services.items())
        for key, given in self._queue.given.items():
            for port in given:
                taken.setdefault(port, key)
        return taken

    async def _reconcile(self, key: str, service: Object) -> None:
        given, statuses = self._queue.given, self._queue.statuses
        step = plan(service, self._owners(), self._addresses)
        if not isinstance(step, Refuse):
            statuses.refused.pop(key, None)
        match step:
            case EnsureNodes(ingress):
                given[key] = ports(service)
                await statuses.ensure(service, ingress)
            case Release():
                await statuses.release(service, has_addresses=bool(ingress_of(service)))
                given.pop(key, None)
            case Refuse(why):
                statuses.refuse(service, why)
            case None:
                given.pop(key, None)  # Its status says so by now.
