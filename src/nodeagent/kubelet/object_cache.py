"""ConfigMaps and Secrets as this node has them: fetched when wanted, and kept for a while.

Upstream's change detection strategy `Cache` (pkg/kubelet/util/manager/cache_based_manager.go): a
pod that is new here gets what the API says after its arrival, later syncs what is not older than
the time to live. Questions that come at the same time are one request. An immutable object is
not asked for again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from componentbase.clock import Clock
from componentbase.tasks import Tasks
from kubeapi.client import RestClient, Unreachable
from kubeapi.objects import Object
from kubeapi.resources import CONFIGMAPS, SECRETS
from kubeapi.status import StatusError
from nodeagent.kubelet.references import Configuration, Reference

#: More than the volumes of a full node name; beyond it the oldest is forgotten.
_OBJECTS_MAX: Final = 512
_Key = tuple[str, Reference]
#: None: there is none.
_Answer = Object | None | StatusError | Unreachable


@dataclass(frozen=True, slots=True)
class _Fetch:
    """One request, running or answered."""

    began: float
    answer: asyncio.Task[_Answer]

    def serves(self, since: float) -> bool:
        """Tell whether its answer, once there, is as of *since* or later."""
        if not self.answer.done():
            return self.began >= since
        answer = self.answer.result()
        if isinstance(answer, Exception):
            return False
        return self.began >= since or bool(answer and answer.get("immutable"))


class ObjectCache:
    """The objects that pods of this node refer to."""

    def __init__(self, client: RestClient, clock: Clock, ttl_s: float) -> None:
        self._client, self._clock, self._ttl_s = client, clock, ttl_s
        self._tasks = Tasks()
        self._fetches: dict[_Key, _Fetch] = {}

    async def configuration(
        self, namespace: str, references: Iterable[Reference], arrived_at: float
    ) -> Configuration:
        """Return what *references* say, as of the pod's arrival or later.

        Raises StatusError and Unreachable.
        """
        since = max(arrived_at, self._clock() - self._ttl_s)
        asked = {each: self._fetch((namespace, each), since) for each in references}
        found: dict[Reference, Object] = {}
        for reference, answer in asked.items():
            obj = await asyncio.shield(answer)
            if isinstance(obj, Exception):
                raise obj
            if obj is not None:
                found[reference] = obj
        return Configuration(found)

    def _fetch(self, key: _Key, since: float) -> asyncio.Task[_Answer]:
        known = self._fetches.get(key)
        if known is not None and known.serves(since):
            return known.answer
        namespace, reference = key
        answer = self._tasks.spawn(self._get(namespace, reference), name=f"get {reference}")
        self._fetches.pop(key, None)
        self._fetches[key] = _Fetch(self._clock(), answer)
        if len(self._fetches) > _OBJECTS_MAX:
            del self._fetches[next(iter(self._fetches))]
        return answer

    async def _get(self, namespace: str, reference: Reference) -> _Answer:
        resource = CONFIGMAPS if reference.kind == "configmap" else SECRETS
        try:
            return await self._client.get(resource, reference.name, namespace)
        except StatusError as error:
            return None if error.reason == "NotFound" else error
        except Unreachable as error:
            return error

    async def close(self) -> None:
        """Ask no more."""
        await self._tasks.close()
