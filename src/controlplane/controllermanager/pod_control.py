"""Create and delete pods on behalf of a controller, and adopt or release what it owns.

Upstream: RealPodControl and `slowStartBatch`. The events carry upstream's reasons and words.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final

from componentbase.journal import Journal
from controlplane.controllermanager.controller_ref import Claims, adoption_patch, release_patch
from controlplane.controllermanager.replicaset.plan import batches
from kubeapi.client import EventRecorder, PatchType, RestClient
from kubeapi.objects import Object, key_of, name_of, namespace_of, uid_of
from kubeapi.resources import (
    DAEMONSETS,
    DEPLOYMENTS,
    JOBS,
    PODS,
    REPLICASETS,
    REPLICATIONCONTROLLERS,
    STATEFULSETS,
    Resource,
)
from kubeapi.status import StatusError, is_not_found

#: Requests of one reconciliation that are under way at once.
CONCURRENCY_MAX: Final = 32
#: Kinds whose controllers adopt.
_CONTROLLERS: Final = {
    "DaemonSet": DAEMONSETS,
    "Deployment": DEPLOYMENTS,
    "Job": JOBS,
    "ReplicaSet": REPLICASETS,
    "ReplicationController": REPLICATIONCONTROLLERS,
    "StatefulSet": STATEFULSETS,
}


async def slow_start(
    total: int, create: Callable[[], Awaitable[None]]
) -> tuple[int, Exception | None]:
    """Call *create* up to *total* times in growing batches; stop after a batch that failed.

    Returns how often it succeeded and the first error.
    """
    limit = asyncio.Semaphore(CONCURRENCY_MAX)

    async def one() -> None:
        async with limit:
            await create()

    done = 0
    for size in batches(total):
        results = await asyncio.gather(*(one() for _ in range(size)), return_exceptions=True)
        errors = [result for result in results if result is not None]
        done += size - len(errors)
        if errors:
            if not isinstance(errors[0], Exception):
                raise errors[0]
            return done, errors[0]
    return done, None


async def each(items: Iterable[Object], call: Callable[[Object], Awaitable[None]]) -> None:
    """Call *call* for every item, a bounded number at a time; raise the first error at the end."""
    limit = asyncio.Semaphore(CONCURRENCY_MAX)

    async def one(item: Object) -> None:
        async with limit:
            await call(item)

    results = await asyncio.gather(*(one(item) for item in items), return_exceptions=True)
    for result in results:
        if result is not None:
            raise result


class PodControl:
    """Creates and deletes pods, and tells so with events on their owner."""

    def __init__(self, client: RestClient, recorder: EventRecorder, journal: Journal) -> None:
        self._client, self._recorder, self._journal = client, recorder, journal

    async def create(self, owner: Object, pod: Object) -> None:
        try:
            made = await self._client.create(PODS, pod, namespace_of(owner))
        except StatusError as error:
            if not namespace_terminates(error):
                text = f"Error creating: {error.message}"
                self._recorder.event(owner, "Warning", "FailedCreate", text)
            raise
        self._journal.note("pod-created", key_of(made), owner=f"{owner['kind']}/{name_of(owner)}")
        text = f"Created pod: {name_of(made)}"
        self._recorder.event(owner, "Normal", "SuccessfulCreate", text)

    async def delete(self, owner: Object, pod: Object) -> None:
        """Delete *pod*; one that is gone already is as good."""
        namespace, name = namespace_of(pod), name_of(pod)
        try:
            await self._client.delete(PODS, name, namespace, uid=uid_of(pod))
        except StatusError as error:
            if is_not_found(error):
                return
            text = f"Error deleting: {error.message}"
            self._recorder.event(owner, "Warning", "FailedDelete", text)
            raise
        text = f"Deleted pod: {name}"
        self._recorder.event(owner, "Normal", "SuccessfulDelete", text)


def namespace_terminates(error: StatusError) -> bool:
    """Return whether a creation was refused because its namespace is being deleted."""
    causes = error.details.get("causes") or ()
    return error.code == 403 and (
        any(cause.get("reason") == "NamespaceTerminating" for cause in causes)
        or "being terminated" in error.message
    )


async def settle(
    client: RestClient,
    resource: Resource,
    owner: Object,
    claims: Claims,
    finalizers: Sequence[str] = (),
) -> tuple[Object, ...]:
    """Adopt and release as *claims* say; return what *owner* controls afterwards.

    What is adopted gets *finalizers*, and what is released loses them.
    """
    if not claims.adopt and not claims.release:
        return claims.mine
    adopt = claims.adopt if claims.adopt and await _is_still_there(client, owner) else ()
    answers = [
        await _patch(client, resource, orphan, adoption_patch(owner, orphan, finalizers))
        for orphan in adopt
    ]
    for owned in claims.release:
        await _patch(client, resource, owned, release_patch(owner, owned, finalizers))
    return (*claims.mine, *(adopted for adopted in answers if adopted is not None))


async def _is_still_there(client: RestClient, owner: Object) -> bool:
    """Ask the API, not the cache: a deleted owner must not adopt what another one could."""
    owner_resource = _CONTROLLERS[owner["kind"]]
    try:
        live = await client.get(owner_resource, name_of(owner), namespace_of(owner))
    except StatusError as error:
        if is_not_found(error):
            return False
        raise
    return uid_of(live) == uid_of(owner) and not live["metadata"].get("deletionTimestamp")


async def _patch(
    client: RestClient, resource: Resource, obj: Object, patch: Object
) -> Object | None:
    """Patch *obj*; None when it is gone, or another one by now (its uid no longer fits)."""
    try:
        return await client.patch(
            resource, name_of(obj), patch, namespace_of(obj), kind=PatchType.STRATEGIC
        )
    except StatusError as error:
        if error.code in (404, 409, 422):
            return None
        raise
