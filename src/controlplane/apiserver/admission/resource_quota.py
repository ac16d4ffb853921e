"""Nothing is written beyond the quotas of its namespace (upstream: plugin/resourcequota).

What a write costs is added to the quotas' status.used before it is written, each by
compare-and-swap against the store, so that servers and writers beside one another never give the
same room twice. A write that fails afterwards has been charged all the same: the quota controller
counts anew.
"""

from __future__ import annotations

import asyncio
from typing import Final

from componentbase.clock import Clock
from controlplane.apiserver import keys
from controlplane.apiserver.admission.attributes import Attributes, Operation, Validating
from controlplane.apiserver.cacher import Cacher, WriteConflict
from controlplane.apiserver.kinds.kind import Kind
from controlplane.apiserver.kinds.resourcequota import RESOURCEQUOTA
from controlplane.apiserver.stored import StoredObject
from controlplane.quota.charging import Exceeded, charge
from controlplane.quota.evaluators import evaluator_of
from kubeapi.objects import is_being_deleted
from kubeapi.resources import EVENTS, RESOURCEQUOTAS
from kubeapi.status import conflict, forbidden

#: How often a quota that others charge at the same moment is charged again (upstream: 3 times).
_ATTEMPTS: Final = 10


class ResourceQuota(Validating):
    """Charges what is created, and what grows."""

    name = "ResourceQuota"

    def __init__(self, cacher: Cacher, wall: Clock) -> None:
        self._cacher, self._wall = cacher, wall
        self._locks: dict[str, asyncio.Lock] = {}  # By namespace: while somebody charges there.

    def handles(self, operation: Operation, kind: Kind, subresource: str) -> bool:
        resource = kind.resource
        if subresource or not resource.namespaced or resource == EVENTS:
            return False
        if operation is Operation.UPDATE:
            return evaluator_of(resource).on_update
        return operation is Operation.CREATE

    def _quotas(self, namespace: str) -> list[StoredObject]:
        cache = self._cacher.cache(RESOURCEQUOTAS)
        return list(cache.below(keys.prefix(RESOURCEQUOTAS, namespace))) if len(cache) else []

    async def validate(self, attributes: Attributes) -> None:
        namespace = attributes.namespace
        if not self._quotas(namespace):
            return
        if attributes.old is not None and is_being_deleted(attributes.old):
            return
        lock = self._locks.setdefault(namespace, asyncio.Lock())
        try:
            async with lock:
                await self._charge(attributes)
        finally:
            if not lock.locked() and self._locks.get(namespace) is lock:
                del self._locks[namespace]

    async def _charge(self, attributes: Attributes) -> None:
        assert attributes.obj is not None
        evaluator = evaluator_of(attributes.kind.resource)
        done: set[str] = set()
        for _ in range(_ATTEMPTS):
            found = {each.object["metadata"]["name"]: each for each in self._open(attributes, done)}
            quotas = [each.object for each in found.values()]
            try:
                charges = charge(quotas, evaluator, attributes.obj, attributes.old, self._wall())
            except Exceeded as error:
                raise forbidden(attributes.kind.resource, attributes.name, str(error)) from None
            if attributes.options.dry_run or not charges:
                return
            for name, used in charges.items():
                if await self._put(found[name], used):
                    done.add(name)
            if done.issuperset(charges):
                return
            await self._cacher.wait_until_fresh()
        raise conflict(RESOURCEQUOTAS, next(iter(charges)))

    def _open(self, attributes: Attributes, done: set[str]) -> list[StoredObject]:
        """Return the quotas that are not charged yet."""
        quotas = self._quotas(attributes.namespace)
        return [each for each in quotas if each.object["metadata"]["name"] not in done]

    async def _put(self, stored: StoredObject, used: dict[str, str]) -> bool:
        """Write what is used of a quota; False when somebody was faster."""
        quota = stored.copy()
        quota["status"] = {**quota["status"], "used": used}
        try:
            await self._cacher.put(RESOURCEQUOTA, stored.key, quota, expected=stored.revision)
        except WriteConflict:
            return False
        return True
