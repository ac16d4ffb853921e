"""Keep every Service's EndpointSlices (upstream: pkg/controller/endpointslice).

The path from a pod's readiness to the slice is what a failover waits for, so a change is written
at once; only a Service that was written a moment ago waits until `_INTERVAL_MIN_S` has passed,
so that a hundred pods that become ready together cost a few writes.

Left alone: Services without selector (their slices are somebody else's, like those of
`default/kubernetes`, which the API server keeps) and ExternalName. Deleted Services: the garbage
collector follows the owner reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from controlplane.controllermanager import pod_facts
from controlplane.controllermanager.context import Context, by_service
from controlplane.controllermanager.endpointslice import hints
from controlplane.controllermanager.endpointslice.endpoints import (
    Group,
    by_family,
    pod_facts_that_matter,
    ready_pods,
    selects,
    wanted_endpoints,
)
from controlplane.controllermanager.endpointslice.hints import NoHints, is_auto, place_of, zone_of
from controlplane.controllermanager.endpointslice.reconcile import Plan, plan
from controlplane.controllermanager.endpointslice.trigger_time import TriggerTimeTracker, annotated
from controlplane.controllermanager.mutation_cache import MutationCache
from kubeapi.client import WorkQueue, run_workers
from kubeapi.objects import (
    Object,
    key_of,
    labels_of,
    name_of,
    namespace_of,
    resource_version_of,
    uid_of,
)
from kubeapi.resources import ENDPOINTSLICES, NODES, PODS, SERVICES
from kubeapi.status import StatusError, is_conflict, is_not_found

_WORKERS: Final = 5
_INTERVAL_MIN_S: Final = 0.03
_RETRY_S: Final = 0.005
_FAMILIES: Final = ("IPv4", "IPv6")


class EndpointSliceController:
    """Informers in, EndpointSlices out."""

    def __init__(self, context: Context) -> None:
        self._context, self._client = context, context.client
        self._recorder = context.recorder("endpoint-slice-controller")
        self._queue: WorkQueue[str] = WorkQueue("endpoint_slice")
        self._written_at: dict[str, float] = {}
        self._triggers = TriggerTimeTracker()
        self._pods = context.informer(PODS)
        self._nodes = context.informer(NODES)
        self._services = context.informer(SERVICES)
        self._slices = context.informer(ENDPOINTSLICES)
        self._known = MutationCache(self._slices, "service")
        self._services.add_handler(
            on_add=lambda new: self._queue.add(key_of(new)),
            on_update=lambda _old, new: self._queue.add(key_of(new)),
            on_delete=lambda old: self._queue.add(key_of(old)),
        )
        self._pods.add_handler(
            on_add=self._pod_changed, on_update=self._pod_updated, on_delete=self._pod_changed
        )
        self._slices.add_handler(on_update=self._slice_updated, on_delete=self._slice_changed)
        #: What was last told of Services whose endpoints are to be shared out to zones.
        self._told: dict[str, str] = {}
        self._nodes.add_handler(
            on_add=lambda new: self._node_changed({}, new),
            on_update=self._node_changed,
            on_delete=lambda old: self._node_changed(old, {}),
        )

    async def run(self) -> None:
        for informer in (self._services, self._pods, self._slices, self._nodes):
            await informer.wait_synced()
        await run_workers(self._queue, self._reconcile, workers=_WORKERS)

    def _pod_changed(self, pod: Object) -> None:
        for service in self._services.by_index("namespace", namespace_of(pod)):
            if selects(service, pod):
                self._soon(key_of(service))

    def _pod_updated(self, old: Object, new: Object) -> None:
        if pod_facts_that_matter(old) == pod_facts_that_matter(new):
            return
        if labels_of(old) != labels_of(new):
            self._pod_changed(old)
        self._pod_changed(new)

    def _slice_updated(self, old: Object, new: Object) -> None:
        self._slice_changed(old)
        self._slice_changed(new)

    def _slice_changed(self, one: Object) -> None:
        """Somebody else's hand in our slices is undone; our own writes are no news."""
        for key in by_service(one):
            self._soon(key)

    def _node_changed(self, old: Object, new: Object) -> None:
        """Endpoints tell their node's zone; shares depend on what all nodes have, too."""
        if not (old and new):
            self._pods_found_or_lost(name_of(old or new))
        if place_of(old) == place_of(new):
            return
        moved = zone_of(old) != zone_of(new)
        for service in self._services.items():
            if moved or is_auto(service):
                self._queue.add(key_of(service))

    def _pods_found_or_lost(self, node_name: str) -> None:
        for pod in self._pods.items():
            if pod_facts.node_name(pod) == node_name:
                self._pod_changed(pod)

    def _pods_of(self, service: Object) -> list[Object]:
        """Return the pods that could be endpoints: whose node was removed serve nobody any more.

        A Service that publishes addresses whatever their state has them all the same.
        """
        pods = self._pods.by_index("namespace", namespace_of(service))
        if service["spec"].get("publishNotReadyAddresses"):
            return pods
        return [
            pod
            for pod in pods
            if not (node := pod_facts.node_name(pod)) or self._nodes.get(node) is not None
        ]

    def _soon(self, key: str) -> None:
        """Look at *key* at once, or when its last write is long enough ago."""
        self._triggers.change_seen(key, self._context.wall())
        wait = self._written_at.get(key, 0.0) + _INTERVAL_MIN_S - self._context.monotonic()
        if wait > 0:
            self._queue.add_after(key, wait)
        else:
            self._queue.add(key)

    async def _reconcile(self, key: str) -> None:
        service = self._services.get(key)
        if service is None:
            self._written_at.pop(key, None)
            self._forget_told(key)
            self._triggers.forget(key)
            return
        spec = service["spec"]
        if not spec.get("selector") or spec.get("type") == "ExternalName":
            return
        pods = self._pods_of(service)
        wanted = wanted_endpoints(service, pods, self._zones())
        self._hint(key, service, wanted)
        known = self._known.by_index(key)
        todo = plan(service, wanted, known)
        mine = [pod for pod in pods if selects(service, pod)]
        trigger_at = self._triggers.compute(key, service, mine, self._context.wall())
        before = {name_of(one): one for one in known}
        try:
            await self._perform(key, todo, before, trigger_at)
        except StatusError as error:
            if is_conflict(error) or is_not_found(error):
                self._queue.add_after(key, _RETRY_S)  # The informer is a moment behind.
                return
            text = f"Error updating Endpoint Slices for Service {key}: {error.message}"
            self._recorder.event(service, "Warning", "FailedToUpdateEndpointSlices", text)
            raise

    def _hint(self, key: str, service: Object, wanted: Mapping[Group, list[Object]]) -> None:
        """Say by whom each endpoint should be used."""
        if not is_auto(service):
            self._forget_told(key)
            for endpoints in wanted.values():
                hints.by_distribution(service, endpoints)
            return
        zones = hints.zones_of(self._nodes.items())
        for family, endpoints in by_family(wanted).items():
            refusal = hints.by_zone(endpoints, zones)
            self._tell(key, service, refusal, family)

    def _forget_told(self, key: str) -> None:
        for family in _FAMILIES:
            self._told.pop(f"{key}/{family}", None)

    def _tell(self, key: str, service: Object, refusal: NoHints | None, family: str) -> None:
        """Let people know when hints by zone begin, end, or cannot be for another reason."""
        text = "Topology Aware Hints has been enabled" if refusal is None else refusal.reason
        text = f"{text}, addressType: {family}"
        place = f"{key}/{family}"
        if self._told.get(place) == text:
            return
        self._told[place] = text
        if refusal is None:
            self._recorder.event(service, "Normal", "TopologyAwareHintsEnabled", text)
        else:
            self._recorder.event(service, "Warning", "TopologyAwareHintsDisabled", text)

    def _zones(self) -> Mapping[str, Object]:
        return {name_of(node): node for node in self._nodes.items()}

    async def _perform(
        self, key: str, todo: Plan, before: Mapping[str, Object], trigger_at: float | None
    ) -> None:
        """Write; updates first, for they are what traffic waits for."""
        if todo.update or todo.create or todo.delete:
            self._written_at[key] = self._context.monotonic()
        for one in todo.update:
            made = await self._client.update(ENDPOINTSLICES, annotated(one, trigger_at))
            self._known.wrote(made, key)
            self._note(key, before.get(name_of(one)), made, trigger_at)
        for one in todo.create:
            made = await self._client.create(
                ENDPOINTSLICES, annotated(one, trigger_at), namespace_of(one)
            )
            self._known.wrote(made, key)
            self._note(key, None, made, trigger_at)
        for one in todo.delete:
            await self._client.delete(
                ENDPOINTSLICES, name_of(one), namespace_of(one), uid=uid_of(one)
            )
            self._known.deleted(one)
            self._note(key, one, {**one, "endpoints": []}, trigger_at)

    def _note(
        self, key: str, before: Object | None, after: Object, trigger_at: float | None
    ) -> None:
        """Note whose endpoints came and went, once the API server has acknowledged it."""
        old, new = (dict.fromkeys(ready_pods(one)) for one in (before or {}, after))
        self._context.journal.note(
            "endpoints-changed",
            key,
            slice=name_of(after),
            resource_version=resource_version_of(after),
            added=[pod for pod in new if pod not in old],
            removed=[pod for pod in old if pod not in new],
            trigger_at=trigger_at,
        )
