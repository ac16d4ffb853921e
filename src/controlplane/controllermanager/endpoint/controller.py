"""Keep every Service's Endpoints (upstream: pkg/controller/endpoint).

Nothing in this cluster reads them: kube-proxy follows EndpointSlices. They are for people and
older clients (`kubectl get endpoints`; `kubectl describe service` before 1.31). So changes are
gathered for `_BATCH_S` and written once, off the path that a failover waits for.

Left alone: Services without selector, such as `default/kubernetes`, and ExternalName.
"""

from __future__ import annotations

from typing import Final

from controlplane.controllermanager.context import Context
from controlplane.controllermanager.endpoint.subsets import is_as_wanted, updated, wanted_object
from controlplane.controllermanager.endpointslice.endpoints import (
    pod_facts_that_matter,
    selects,
    wanted_endpoints,
)
from controlplane.controllermanager.endpointslice.trigger_time import (
    TriggerTimeTracker,
    annotated,
)
from kubeapi.client import WorkQueue, run_workers
from kubeapi.objects import Object, key_of, labels_of, name_of, namespace_of, uid_of
from kubeapi.resources import ENDPOINTS, PODS, SERVICES
from kubeapi.status import StatusError, is_already_exists, is_conflict, is_not_found

_WORKERS: Final = 2
_BATCH_S: Final = 0.2


class EndpointsController:
    """Informers in, Endpoints out."""

    def __init__(self, context: Context) -> None:
        self._client, self._wall = context.client, context.wall
        self._triggers = TriggerTimeTracker()
        self._queue: WorkQueue[str] = WorkQueue("endpoint")
        self._pods = context.informer(PODS)
        self._services = context.informer(SERVICES)
        self._endpoints = context.informer(ENDPOINTS)
        self._services.add_handler(
            on_add=self._soon, on_update=lambda _old, new: self._soon(new), on_delete=self._soon
        )
        self._pods.add_handler(
            on_add=self._pod_changed, on_update=self._pod_updated, on_delete=self._pod_changed
        )
        # Also those of Services that went while nobody looked.
        self._endpoints.add_handler(
            on_add=self._soon, on_update=lambda _old, new: self._soon(new), on_delete=self._soon
        )

    async def run(self) -> None:
        for informer in (self._services, self._pods, self._endpoints):
            await informer.wait_synced()
        await run_workers(self._queue, self._reconcile, workers=_WORKERS)

    def _soon(self, obj: Object) -> None:
        """Look at the Service that has the name of *obj*, as its Endpoints have."""
        self._queue.add_after(key_of(obj), _BATCH_S)

    def _pod_changed(self, pod: Object) -> None:
        for service in self._services.by_index("namespace", namespace_of(pod)):
            if selects(service, pod):
                self._triggers.change_seen(key_of(service), self._wall())
                self._soon(service)

    def _pod_updated(self, old: Object, new: Object) -> None:
        if pod_facts_that_matter(old) == pod_facts_that_matter(new):
            return
        if labels_of(old) != labels_of(new):
            self._pod_changed(old)
        self._pod_changed(new)

    async def _reconcile(self, key: str) -> None:
        service, existing = self._services.get(key), self._endpoints.get(key)
        if service is None:
            self._triggers.forget(key)
        try:
            if service is not None:
                await self._write(service, existing)
            elif existing is not None:
                await self._client.delete(
                    ENDPOINTS, name_of(existing), namespace_of(existing), uid=uid_of(existing)
                )
        except StatusError as error:
            if not (is_conflict(error) or is_not_found(error) or is_already_exists(error)):
                raise
            if service is not None:  # The informer is a moment behind.
                self._queue.add_after(key, _BATCH_S)

    async def _write(self, service: Object, existing: Object | None) -> None:
        spec = service["spec"]
        if not spec.get("selector") or spec.get("type") == "ExternalName":
            return
        pods = self._pods.by_index("namespace", namespace_of(service))
        wanted = wanted_object(service, wanted_endpoints(service, pods, {}))
        selected = [pod for pod in pods if selects(service, pod)]
        key, now = key_of(service), self._wall()
        wanted = annotated(wanted, self._triggers.compute(key, service, selected, now))
        if existing is None:
            await self._client.create(ENDPOINTS, wanted, namespace_of(service))
        elif not is_as_wanted(existing, wanted):
            await self._client.update(ENDPOINTS, updated(existing, wanted))
