"""Counts what is used of each quota: when it is new, when room is given back, and now and then.

Admission only ever adds; what is given back is counted here, from informers that others keep
anyway. The write names the quota's resourceVersion, so a charge made meanwhile is never lost: the
conflict has it counted again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

import msgspec

from controlplane.controllermanager.context import Context
from controlplane.controllermanager.garbagecollector.controller import COLLECTED
from controlplane.quota import pods
from controlplane.quota.counting import status_of
from controlplane.quota.evaluators import count_name, evaluator_of
from kubeapi.client import WorkQueue, run_workers
from kubeapi.objects import Object, key_of, name_of, namespace_of, split_key
from kubeapi.resources import PERSISTENTVOLUMECLAIMS, PODS, RESOURCEQUOTAS, SERVICES, Resource
from kubeapi.status import StatusError, is_conflict, is_not_found

log = logging.getLogger(__name__)

_WORKERS: Final = 2
#: What is deleted together is counted together; at upstream's pace everything is each 5 minutes.
_DELAY_S: Final = 0.05
_RESYNC_S: Final = 300.0
_AGAIN_S: Final = 0.2
_COUNT: Final = "count/"
_COUNTED: Final = tuple(resource for resource in COLLECTED if resource.namespaced)


class ResourceQuotaController:
    """Informers in, statuses of quotas out."""

    def __init__(self, context: Context) -> None:
        self._context, self._client = context, context.client
        self._queue: WorkQueue[str] = WorkQueue("resource_quota_controller_resource_changes")
        self._informers = {resource: context.informer(resource) for resource in _COUNTED}
        self._quotas = self._informers[RESOURCEQUOTAS]
        self._quotas.add_handler(on_add=self._look, on_update=self._look_if_changed)
        for resource, informer in self._informers.items():
            informer.add_handler(on_delete=self._given_back)
            if resource in (PODS, SERVICES, PERSISTENTVOLUMECLAIMS):
                informer.add_handler(on_update=self._after_update(resource))

    def _look(self, quota: Object) -> None:
        self._queue.add(key_of(quota))

    def _look_if_changed(self, old: Object, new: Object) -> None:
        if old.get("spec") != new.get("spec") or "hard" not in (new.get("status") or {}):
            self._look(new)

    def _given_back(self, obj: Object) -> None:
        namespace = namespace_of(obj)
        for quota in self._quotas.items():
            if namespace_of(quota) == namespace:
                self._queue.add_after(key_of(quota), _DELAY_S)

    def _after_update(self, resource: Resource) -> Callable[[Object, Object], None]:
        usage = evaluator_of(resource).usage

        def updated(old: Object, new: Object) -> None:
            if not self._quotas.items():
                return
            now = self._context.wall()
            if resource == PODS:
                if pods.is_over(new, now) and not pods.is_over(old, now):
                    self._given_back(new)
            elif usage(old, now) != usage(new, now):
                self._given_back(new)

        return updated

    async def run(self) -> None:
        for informer in self._informers.values():
            await informer.wait_synced()
        self._context.tasks.spawn(self._resync(), name="quota resync", essential=True)
        await run_workers(self._queue, self._sync, workers=_WORKERS)

    async def _resync(self) -> None:
        while True:
            await asyncio.sleep(_RESYNC_S / self._context.pace)
            for quota in self._quotas.items():
                self._look(quota)

    async def _sync(self, key: str) -> None:
        quota = self._quotas.get(key)
        if quota is None:
            return
        namespace, _ = split_key(key)
        hard = (quota.get("spec") or {}).get("hard") or {}
        found = {
            resource: [obj for obj in informer.items() if namespace_of(obj) == namespace]
            for resource, informer in self._informers.items()
            if evaluator_of(resource).matching(hard)
        }
        for resource in await self._others(hard):
            found[resource] = (await self._client.list(resource, namespace))["items"]
        status = status_of(quota, found, self._context.wall())
        if status == quota.get("status"):
            return
        try:
            await self._client.update(
                RESOURCEQUOTAS, {**quota, "status": status}, subresource="status"
            )
        except StatusError as error:
            if is_not_found(error):
                return
            if not is_conflict(error):
                raise
            self._queue.add_after(key, _AGAIN_S)  # Charged meanwhile: the informer will tell.
        else:
            log.debug("quota %s is counted", name_of(quota))

    async def _others(self, hard: Object) -> list[Resource]:
        """Return what is counted and nobody watches: custom resources, found by discovery."""
        known = {count_name(resource) for resource in self._informers}
        others: list[Resource] = []
        for name in hard:
            plural, _, group = name.removeprefix(_COUNT).partition(".")
            if name.startswith(_COUNT) and name not in known and group:
                others += await self._served(group, plural)
        return others

    async def _served(self, group: str, plural: str) -> list[Resource]:
        try:
            offered = await self._discovered(f"/apis/{group}")
            version = offered["preferredVersion"]["version"]
            listed = await self._discovered(f"/apis/{group}/{version}")
        except StatusError as error:
            if not is_not_found(error):
                raise
            return []
        return [
            Resource(group, version, plural, each["kind"], True, custom=True)
            for each in listed["resources"]
            if each["name"] == plural and each["namespaced"]
        ]

    async def _discovered(self, path: str) -> Object:
        octets = await self._client.raw("GET", path, accept="application/json")
        found: Object = msgspec.json.decode(octets)
        return found
