"""Keep the slices of Endpoints that people write (upstream: endpointslicemirroring).

Whatever changes, of the Endpoints, of their Service or of the slices, the slices are compared with
what the Endpoints say. Slices of Endpoints that are gone, or no longer mirrored, are deleted.
"""

from __future__ import annotations

from typing import Final

from controlplane.controllermanager.context import Context, by_mirrored
from controlplane.controllermanager.endpointslice.reconcile import Plan, plan_slices
from controlplane.controllermanager.endpointslicemirroring.mirror import (
    ENDPOINTS_MAX,
    is_mirrored,
    skipped_addresses,
    template_of,
    wanted_endpoints,
)
from controlplane.controllermanager.mutation_cache import MutationCache
from kubeapi.client import WorkQueue, run_workers
from kubeapi.objects import Object, key_of, name_of, namespace_of, uid_of
from kubeapi.resources import ENDPOINTS, ENDPOINTSLICES, SERVICES
from kubeapi.status import StatusError, is_conflict, is_not_found

_WORKERS: Final = 2
_RETRY_S: Final = 0.005


class EndpointSliceMirroringController:
    """Informers in, EndpointSlices out."""

    def __init__(self, context: Context) -> None:
        self._client = context.client
        self._recorder = context.recorder("endpoint-slice-mirroring-controller")
        self._queue: WorkQueue[str] = WorkQueue("endpoint_slice_mirroring")
        self._services = context.informer(SERVICES)
        self._endpoints = context.informer(ENDPOINTS)
        self._slices = context.informer(ENDPOINTSLICES)
        self._known = MutationCache(self._slices, "mirrored")
        for informer in (self._services, self._endpoints):
            informer.add_handler(
                on_add=self._changed,
                on_update=lambda _old, new: self._changed(new),
                on_delete=self._changed,
            )
        self._slices.add_handler(
            on_add=self._slice_changed,
            on_update=lambda _old, new: self._slice_changed(new),
            on_delete=self._slice_changed,
        )

    async def run(self) -> None:
        for informer in (self._services, self._endpoints, self._slices):
            await informer.wait_synced()
        await run_workers(self._queue, self._reconcile, workers=_WORKERS)

    def _changed(self, obj: Object) -> None:
        """Look at the Endpoints of this name, which is their Service's, too."""
        self._queue.add(key_of(obj))

    def _slice_changed(self, one: Object) -> None:
        for key in by_mirrored(one):
            self._queue.add(key)

    async def _reconcile(self, key: str) -> None:
        endpoints, known = self._endpoints.get(key), self._known.by_index(key)
        if endpoints is None or not is_mirrored(endpoints, self._services.get(key)):
            todo = Plan(delete=known)
        else:
            self._tell_what_is_skipped(endpoints)
            todo = plan_slices(template_of(endpoints), wanted_endpoints(endpoints), known)
        try:
            await self._perform(key, todo)
        except StatusError as error:
            if is_conflict(error) or is_not_found(error):
                self._queue.add_after(key, _RETRY_S)  # The informer is a moment behind.
                return
            if endpoints is not None:
                text = f"Error updating Endpoint Slices for Endpoints {key}: {error.message}"
                self._recorder.event(endpoints, "Warning", "FailedToUpdateEndpointSlices", text)
            raise

    def _tell_what_is_skipped(self, endpoints: Object) -> None:
        if skipped := skipped_addresses(endpoints):
            text = (
                f"A max of {ENDPOINTS_MAX} addresses can be mirrored to EndpointSlices per "
                f"Endpoints subset. {skipped} addresses were skipped"
            )
            self._recorder.event(endpoints, "Warning", "TooManyAddressesToMirror", text)

    async def _perform(self, key: str, todo: Plan) -> None:
        for one in todo.update:
            self._known.wrote(await self._client.update(ENDPOINTSLICES, one), key)
        for one in todo.create:
            made = await self._client.create(ENDPOINTSLICES, one, namespace_of(one))
            self._known.wrote(made, key)
        for one in todo.delete:
            await self._client.delete(
                ENDPOINTSLICES, name_of(one), namespace_of(one), uid=uid_of(one)
            )
            self._known.deleted(one)
