"""Delete what nobody owns any more (upstream: pkg/controller/garbagecollector).

Background deletion: the owner went, its dependents follow. Foreground: the owner stays, with a
finalizer, until the dependents that block it are gone. Orphan: the dependents lose the reference
and stay. An owner that the graph has not seen is asked for at the API before anything is deleted;
one whose end was seen is known to be absent, because a uid never comes back. An owner is looked
for in the dependent's own namespace: one in another does not exist, and an event says so.

Deviations: built-in kinds are watched in full instead of their metadata; references to kinds that
this cluster has not are left alone for ever.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from controlplane.controllermanager.context import Context
from controlplane.controllermanager.custom_kinds import versions_of
from controlplane.controllermanager.garbagecollector.graph import (
    ORPHAN,
    Graph,
    Node,
    Owner,
    resource_of,
)
from controlplane.controllermanager.garbagecollector.plan import (
    DeleteObject,
    DropFinalizer,
    DropOwners,
    LookAt,
    Orphan,
    OwnerState,
    Unblock,
    changed_references,
    drop_finalizer_patch,
    drop_owners_patch,
    plan,
    unblock_patch,
)
from kubeapi.client import Informer, PatchType, WorkQueue, run_workers
from kubeapi.objects import Object, resource_version_of, uid_of
from kubeapi.resources import ALL, CUSTOMRESOURCEDEFINITIONS, EVENTS, Resource
from kubeapi.status import StatusError, is_conflict, is_not_found

log = logging.getLogger(__name__)

_WORKERS: Final = 20
#: Absent owners that are remembered; beyond it the API is asked again.
ABSENT_MAX: Final = 4096
Absent = tuple[tuple[str, str, str, str], str]
_RETRY_S: Final = 0.01
_AGAIN_S: Final = 1.0
#: Events own nothing, are owned by nobody and are many.
COLLECTED: Final = tuple(resource for resource in ALL if resource is not EVENTS)
_BY_KIND: Final = {(resource.api_version, resource.kind): resource for resource in COLLECTED}


def _metadata_alone(obj: Object) -> Object:
    """Keep of an object what the graph is made of."""
    return {"metadata": {**obj["metadata"], "annotations": {}}}


class GarbageCollector:
    """Informers of everything in, deletions out."""

    def __init__(self, context: Context) -> None:
        self._client = context.client
        self._graph = Graph()
        self._recorder = context.recorder("garbage-collector-controller")
        #: Coordinates and namespace of owners that are known not to exist.
        self._absent: dict[Absent, None] = {}
        self._queue: WorkQueue[str] = WorkQueue("garbage_collector_attempt_to_delete")
        self._tasks = context.tasks
        self._custom: dict[Resource, asyncio.Task[None]] = {}  # Who follows its objects.
        self._informers = [self._watch(context.informer(each), each) for each in COLLECTED]
        self._definitions = context.informer(CUSTOMRESOURCEDEFINITIONS)
        self._definitions.add_handler(
            on_add=lambda _new: self._follow_custom(),
            on_update=lambda _old, _new: self._follow_custom(),
            on_delete=lambda _old: self._follow_custom(),
        )

    def _follow_custom(self) -> None:
        """Follow the objects of the custom kinds that there are now, and of no others.

        One that is followed in a version that is still served stays as it is. In another version
        the objects are the same ones: only with their definition are they gone.
        """
        served = [found for crd in self._definitions.items() if (found := versions_of(crd))]
        names = {versions[0].qualified: None for versions in served}
        kept = [resource for versions in served for resource in versions]
        for resource in [each for each in self._custom if each not in kept]:
            self._custom.pop(resource).cancel()
            if resource.qualified not in names:
                for uid in self._graph.of(resource):
                    self._gone(uid)
        for versions in served:
            if not any(resource in self._custom for resource in versions):
                self._follow(versions[0])

    def _follow(self, resource: Resource) -> None:
        informer = Informer(self._client, resource, transform=_metadata_alone)
        self._watch(informer, resource)
        work = informer.run()
        self._custom[resource] = self._tasks.spawn(work, name=f"informer of {resource.qualified}")

    def _watch(self, informer: Informer, resource: Resource) -> Informer:
        def put(obj: Object) -> None:
            self._look(self._graph.put(resource, obj))

        def update(old: Object, new: Object) -> None:
            if uid_of(old) != uid_of(new):
                self._gone(uid_of(old))
            put(new)

        informer.add_handler(
            on_add=put, on_update=update, on_delete=lambda obj: self._gone(uid_of(obj))
        )
        return informer

    async def run(self) -> None:
        await asyncio.gather(*(informer.wait_synced() for informer in self._informers))
        await run_workers(self._queue, self._reconcile, workers=_WORKERS)

    def _look(self, uids: list[str]) -> None:
        for uid in uids:
            self._queue.add(uid)

    def _gone(self, uid: str) -> None:
        node = self._graph.get(uid)
        if node is not None:
            self._note_absent(node.coordinates, node.namespace)
        self._look(self._graph.remove(uid))

    def _note_absent(self, coordinates: tuple[str, str, str, str], namespace: str) -> None:
        self._absent[coordinates, namespace] = None
        if len(self._absent) > ABSENT_MAX:
            self._absent.pop(next(iter(self._absent)))

    async def _reconcile(self, uid: str) -> None:
        node = self._graph.get(uid)
        if node is None:
            return
        owners: dict[str, OwnerState] = {}
        if not node.leaving:
            for owner in node.owners:
                if owners.get(owner.uid) is not OwnerState.SOLID:
                    owners[owner.uid] = await self._state(node, owner)
        try:
            await self._perform(node, owners)
        except StatusError as error:
            if is_not_found(error):
                return  # Its end is on the way through the informer.
            if not is_conflict(error):
                raise
            self._queue.add_after(uid, _RETRY_S)  # The informer is a moment behind.

    async def _state(self, node: Node, owner: Owner) -> OwnerState:
        above = self._graph.get(owner.uid)
        if above is not None and above.is_meant_by(owner, node.namespace):
            return OwnerState.WAITING if above.waits_for_dependents else OwnerState.SOLID
        if above is not None and above.namespace not in ("", node.namespace):
            self._tell_of_another_namespace(node, owner)
        if any((owner.coordinates, place) in self._absent for place in ("", node.namespace)):
            return OwnerState.ABSENT
        resource = resource_of(owner, _BY_KIND) or self._custom_of(owner)
        if resource is None or (resource.namespaced and not node.namespace):
            return OwnerState.SOLID  # Nobody can say where it should be.
        namespace = node.namespace if resource.namespaced else ""
        if await self._is_there(resource, owner, namespace):
            return OwnerState.SOLID
        self._note_absent(owner.coordinates, namespace)
        return OwnerState.ABSENT

    async def _is_there(self, resource: Resource, owner: Owner, namespace: str) -> bool:
        try:
            live = await self._client.get(resource, owner.name, namespace or None)
        except StatusError as error:
            if not is_not_found(error):
                raise
            return False
        return uid_of(live) == owner.uid

    def _tell_of_another_namespace(self, node: Node, owner: Owner) -> None:
        named = (
            f"[{owner.api_version}/{owner.kind}, namespace: {node.namespace}, "
            f"name: {owner.name}, uid: {owner.uid}]"
        )
        metadata = {"name": node.name, "namespace": node.namespace, "uid": node.uid}
        kind = {"apiVersion": node.resource.api_version, "kind": node.resource.kind}
        text = f'ownerRef {named} does not exist in namespace "{node.namespace}"'
        involved = {**kind, "metadata": metadata}
        self._recorder.event(involved, "Warning", "OwnerRefInvalidNamespace", text)

    def _custom_of(self, owner: Owner) -> Resource | None:
        """Return the custom resource that *owner* names, in whichever version."""
        for crd in self._definitions.items():
            for resource in versions_of(crd):
                if (resource.api_version, resource.kind) == (owner.api_version, owner.kind):
                    return resource
        return None

    async def _perform(self, node: Node, owners: dict[str, OwnerState]) -> None:
        match plan(node, owners, self._graph.dependents_of(node.uid)):
            case DeleteObject(propagation):
                await self._delete(node, propagation)
            case DropOwners(uids):
                await self._patch(node, drop_owners_patch(node, uids))
            case DropFinalizer(finalizer):
                await self._drop_finalizer(node, finalizer)
            case Unblock(propagation):
                answer = await self._patch(node, unblock_patch(node))
                self._graph.put(node.resource, answer)
                await self._delete(node, propagation)
            case LookAt(uids):
                self._look(list(uids))
                self._queue.add_after(node.uid, _AGAIN_S)
            case Orphan(dependents):
                for dependent in dependents:
                    await self._orphan(node, dependent)
                await self._drop_finalizer(node, ORPHAN)

    async def _delete(self, node: Node, propagation: str) -> None:
        """Delete the very version that was judged: a later one may have found an owner."""
        log.info("deleting %s %s/%s", node.resource.plural, node.namespace, node.name)
        await self._client.delete(
            node.resource,
            node.name,
            node.namespace or None,
            propagation=propagation,
            uid=node.uid,
            resource_version=node.version,
        )

    async def _orphan(self, node: Node, dependent: Node) -> None:
        try:
            await self._patch(dependent, drop_owners_patch(dependent, [node.uid]))
        except StatusError as error:
            if not is_not_found(error):
                raise

    async def _patch(self, node: Node, patch: Object) -> Object:
        if node.resource.custom:
            return await self._merge(node, patch)
        return await self._client.patch(
            node.resource, node.name, patch, node.namespace or None, kind=PatchType.STRATEGIC
        )

    async def _merge(self, node: Node, patch: Object) -> Object:
        """Do the same to a custom object, which takes no strategic merge patch."""
        namespace = node.namespace or None
        live = await self._client.get(node.resource, node.name, namespace)
        references = changed_references(live, patch["metadata"]["ownerReferences"])
        metadata = {
            "uid": node.uid,
            "resourceVersion": resource_version_of(live),
            "ownerReferences": references,
        }
        return await self._client.patch(node.resource, node.name, {"metadata": metadata}, namespace)

    async def _drop_finalizer(self, node: Node, finalizer: str) -> None:
        namespace = node.namespace or None
        live = await self._client.get(node.resource, node.name, namespace)
        if uid_of(live) == node.uid and finalizer in (live["metadata"].get("finalizers") or ()):
            patch = drop_finalizer_patch(live, finalizer)
            await self._client.patch(node.resource, node.name, patch, namespace)
