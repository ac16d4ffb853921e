"""The shell of the observer: informers in, timeline entries out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from componentbase import clock
from componentbase.tasks import Tasks
from kubeapi.client import Informer, InformerFactory, RestClient
from kubeapi.objects import Object
from kubeapi.resources import ENDPOINTSLICES, LEASES, NODES, PODS
from podwire.demo.observer import Entry, FailoverObserver, is_ready

_TICK_S = 0.05


class Watch:
    """Watches a cluster's failover and tells its moments as they come."""

    def __init__(
        self,
        client: RestClient,
        *,
        node: str,
        service: str,
        replicas: int,
        lease_renew_s: float,
        tell: Callable[[Entry], None],
    ) -> None:
        self.observer = FailoverObserver(
            node, service, replicas=replicas, lease_renew_s=lease_renew_s, tell=tell
        )
        self._tasks = Tasks()
        self._factory = InformerFactory(client)
        self._pods = self._factory.informer(PODS, namespace="default")
        self._slices = self._factory.informer(ENDPOINTSLICES, namespace="default")
        nodes = self._factory.informer(NODES)
        leases = self._factory.informer(LEASES, namespace="kube-node-lease")
        self._listen(nodes, lambda obj: self.observer.node_changed(obj, clock.wall()))
        self._listen(leases, lambda obj: self.observer.lease_renewed(obj, clock.wall()))
        self._listen(self._slices, lambda _obj: self._look_at_endpoints())
        self._listen(self._pods, lambda _obj: self._look_at_pods())

    @staticmethod
    def _listen(informer: Informer, look: Callable[[Object], None]) -> None:
        informer.add_handler(on_add=look, on_update=lambda _old, new: look(new), on_delete=look)

    def _look_at_endpoints(self) -> None:
        self.observer.endpoints_changed(self._slices.items(), clock.wall())

    def _look_at_pods(self) -> None:
        self.observer.pods_changed(self._pods.items(), clock.wall())

    async def start(self) -> None:
        self._factory.start(self._tasks)
        await self._factory.wait_synced()
        self._tasks.spawn(self._tick(), name="tick")

    async def _tick(self) -> None:
        while True:
            self.observer.tick(clock.wall())
            await asyncio.sleep(_TICK_S)

    def ready_pods(self) -> int:
        return sum(is_ready(pod) for pod in self._pods.items())

    def killed(self) -> None:
        self.observer.killed(self._pods.items(), clock.wall())

    async def until(self, moment: str, *, timeout_s: float) -> bool:
        """Wait until *moment* was seen; return whether it was."""
        try:
            async with asyncio.timeout(timeout_s):
                while self.observer.moment(moment) is None:
                    await asyncio.sleep(_TICK_S)
        except TimeoutError:
            return False
        return True

    async def close(self) -> None:
        await self._tasks.close()
