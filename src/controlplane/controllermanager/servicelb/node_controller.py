"""Give Services of type LoadBalancer the nodes' addresses (`node_plan`), and follow the nodes."""

from __future__ import annotations

from typing import Final

from controlplane.controllermanager.context import Context
from controlplane.controllermanager.servicelb.node_plan import (
    EnsureNodes,
    Port,
    addresses,
    owners,
    plan,
    ports,
)
from controlplane.controllermanager.servicelb.plan import (
    Refuse,
    Release,
    has_finalizer,
    ingress_of,
)
from controlplane.controllermanager.servicelb.statuses import Statuses
from kubeapi.client import WorkQueue, run_workers
from kubeapi.objects import Object, key_of
from kubeapi.resources import NODES, SERVICES
from kubeapi.status import StatusError, is_conflict, is_not_found

_RETRY_S: Final = 0.05


class NodeBalancerController:
    """Services and nodes in, `status.loadBalancer` out. One worker: a port is given once."""

    def __init__(self, context: Context) -> None:
        self._statuses = Statuses(context)
        self._queue: WorkQueue[str] = WorkQueue()
        self._given: dict[str, tuple[Port, ...]] = {}  # What the informer may not show yet.
        self._addresses: tuple[str, ...] = ()
        self._services, self._nodes = context.informer(SERVICES), context.informer(NODES)
        self._services.add_handler(
            on_add=self._soon, on_update=lambda _old, new: self._changed(new), on_delete=self._gone
        )
        self._nodes.add_handler(
            on_add=lambda _new: self._look_at_nodes(),
            on_update=lambda _old, _new: self._look_at_nodes(),
            on_delete=lambda _old: self._look_at_nodes(),
        )

    async def run(self) -> None:
        await self._services.wait_synced()
        await self._nodes.wait_synced()
        await run_workers(self._queue, self._reconcile, workers=1)

    def _soon(self, service: Object) -> None:
        if service["spec"].get("type") == "LoadBalancer" or has_finalizer(service):
            self._queue.add(key_of(service))

    def _changed(self, service: Object) -> None:
        self._soon(service)
        self._look_at_refused()

    def _gone(self, service: Object) -> None:
        self._given.pop(key_of(service), None)
        self._statuses.refused.pop(key_of(service), None)
        self._look_at_refused()

    def _look_at_refused(self) -> None:
        """A port may be free now that somebody waits for."""
        for key in self._statuses.refused:
            self._queue.add(key)

    def _look_at_nodes(self) -> None:
        now = addresses(self._nodes.items())
        if now != self._addresses:
            self._addresses = now
            for service in self._services.items():
                self._soon(service)

    def _owners(self) -> dict[Port, str]:
        taken = owners(self._services.items())
        for key, given in self._given.items():
            for port in given:
                taken.setdefault(port, key)
        return taken

    async def _reconcile(self, key: str) -> None:
        service = self._services.get(key)
        if service is None:
            return
        step = plan(service, self._owners(), self._addresses)
        if not isinstance(step, Refuse):
            self._statuses.refused.pop(key, None)
        try:
            match step:
                case EnsureNodes(ingress):
                    self._given[key] = ports(service)
                    await self._statuses.ensure(service, ingress)
                case Release():
                    await self._statuses.release(service, has_addresses=bool(ingress_of(service)))
                    self._given.pop(key, None)
                case Refuse(why):
                    self._statuses.refuse(service, why)
                case None:
                    self._given.pop(key, None)  # Its status says so by now.
        except StatusError as error:
            if not (is_conflict(error) or is_not_found(error)):
                raise
            self._queue.add_after(key, _RETRY_S)  # The informer is a moment behind.
