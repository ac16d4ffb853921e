"""The Services that a load-balancer controller looks at, and what it has given them.

One worker, so that nothing is given to two Services; what was given and is not seen in the informer
yet is remembered. Who was refused is looked at again when somebody may have let go of something.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

from controlplane.controllermanager.context import Context
from controlplane.controllermanager.servicelb.plan import has_finalizer
from controlplane.controllermanager.servicelb.statuses import Statuses
from kubeapi.client import WorkQueue, run_workers
from kubeapi.objects import Object, key_of
from kubeapi.resources import SERVICES
from kubeapi.status import StatusError, is_conflict, is_not_found

_RETRY_S: Final = 0.05
Given = TypeVar("Given")


class ServiceQueue(Generic[Given]):
    """Keys of Services, with what the controller has given each."""

    def __init__(self, context: Context) -> None:
        self.statuses = Statuses(context)
        self.services = context.informer(SERVICES)
        self.given: dict[str, Given] = {}
        self._queue: WorkQueue[str] = WorkQueue("service")

    def soon(self, service: Object) -> None:
        """Have *service* looked at, if it has to do with load balancers."""
        if service["spec"].get("type") == "LoadBalancer" or has_finalizer(service):
            self._queue.add(key_of(service))

    def gone(self, service: Object) -> None:
        """Forget *service*."""
        self.given.pop(key_of(service), None)
        self.statuses.refused.pop(key_of(service), None)
        self.look_at_refused()

    def look_at_refused(self) -> None:
        """What somebody waits for may be free now."""
        for key in self.statuses.refused:
            self._queue.add(key)

    async def run(self, reconcile: Callable[[str, Object], Awaitable[None]]) -> None:
        """Have *reconcile* look at one Service after the other."""

        async def look(key: str) -> None:
            service = self.services.get(key)
            if service is None:
                return
            try:
                await reconcile(key, service)
            except StatusError as error:
                if not (is_conflict(error) or is_not_found(error)):
                    raise
                self._queue.add_after(key, _RETRY_S)  # The informer is a moment behind.

        await self.services.wait_synced()
        await run_workers(self._queue, look, workers=1)
