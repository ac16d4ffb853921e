"""Events: what components tell people about objects (client-go: tools/record EventRecorder).

Telling never blocks and never fails: occurrences wait in a bounded queue, and what does not fit,
or what the server refuses, is dropped and counted. Events are core/v1.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter, deque
from typing import Final, Literal

from componentbase import clock
from componentbase.tasks import Tasks
from kubeapi.client.backoff import Backoff
from kubeapi.client.errors import Unreachable
from kubeapi.client.event_correlator import CountUp, Create, EventCorrelator, Occurrence
from kubeapi.client.rest import RestClient
from kubeapi.objects import Object, name_of, namespace_of, resource_version_of, uid_of
from kubeapi.resources import EVENTS
from kubeapi.status import StatusError, is_not_found

log = logging.getLogger(__name__)

QUEUE_MAX: Final = 1000
ATTEMPTS_MAX: Final = 12
MESSAGE_MAX: Final = 1024
_RETRY_INITIAL_S: Final = 0.1
_RETRY_MAX_S: Final = 5.0


class EventRecorder:
    """Tells Events in the name of one component."""

    def __init__(
        self, client: RestClient, *, component: str, host: str = "", queue_max: int = QUEUE_MAX
    ) -> None:
        self._client = client
        self._source = {"component": component, **({"host": host} if host else {})}
        self._component, self._instance = component, host or component
        self._queue: deque[tuple[Occurrence, int]] = deque()
        self._queue_max = queue_max
        self._correlator = EventCorrelator()
        self._tasks = Tasks()
        self._rng = random.Random()  # Jitter only: nothing that is told depends on it.
        self._sender: asyncio.Task[None] | None = None
        self.drops: Counter[str] = Counter()

    def event(
        self, obj: Object, type: Literal["Normal", "Warning"], reason: str, message: str
    ) -> None:
        """Tell that *reason* happened to *obj*; needs a running event loop."""
        if len(self._queue) >= self._queue_max:
            self.drops["queue full"] += 1
            return
        self._queue.append((_occurrence(obj, type, reason, message), clock.wall_ns()))
        if self._sender is None or self._sender.done():
            self._sender = self._tasks.spawn(self._send_all(), name="events")

    async def flush(self) -> None:
        """Wait until what was told so far is sent or dropped."""
        if self._sender is not None:
            await asyncio.wait([self._sender])

    async def close(self) -> None:
        """Stop; what still waits is dropped."""
        await self._tasks.close()

    async def _send_all(self) -> None:
        while self._queue:
            occurrence, at_ns = self._queue.popleft()
            what = self._correlator.correlate(occurrence, at_ns, clock.monotonic())
            if what is None:
                self.drops["spam"] += 1
            else:
                await self._send(occurrence, what, clock.rfc3339(at_ns / 1e9))

    async def _send(self, it: Occurrence, what: Create | CountUp, at: str) -> None:
        """Send one Event; a server that does not answer is asked again for a while."""
        backoff = Backoff(initial_s=_RETRY_INITIAL_S, max_s=_RETRY_MAX_S, rng=self._rng)
        for _ in range(ATTEMPTS_MAX):
            try:
                await self._send_once(it, what, at)
            except Unreachable:
                await asyncio.sleep(backoff.failed())
            except StatusError as error:
                # Most often the namespace is being deleted.
                log.debug("event %s for %s: %s", it.reason, it.name, error)
                self.drops["refused"] += 1
                return
            else:
                return
        self.drops["unreachable"] += 1

    async def _send_once(self, it: Occurrence, what: Create | CountUp, at: str) -> None:
        namespace = it.namespace or "default"
        if isinstance(what, CountUp):
            patch = {"message": what.message, "count": what.count, "lastTimestamp": at}
            try:
                await self._client.patch(EVENTS, what.name, patch, namespace)
            except StatusError as error:
                if not is_not_found(error):
                    raise
                # Events do not live for ever; this one begins a new life under its old name.
                what = Create(what.name, what.message)
            else:
                return
        await self._client.create(EVENTS, self._event_object(it, what, at), namespace)

    def _event_object(self, it: Occurrence, what: Create, at: str) -> Object:
        involved = {
            "apiVersion": it.api_version,
            "kind": it.kind,
            "namespace": it.namespace,
            "name": it.name,
            "uid": it.uid,
            "resourceVersion": it.resource_version,
            "fieldPath": it.field_path,
        }
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": what.name, "namespace": it.namespace or "default"},
            "involvedObject": {name: text for name, text in involved.items() if text},
            "type": it.type,
            "reason": it.reason,
            "message": what.message,
            "source": self._source,
            "reportingComponent": self._component,
            "reportingInstance": self._instance,
            "firstTimestamp": at,
            "lastTimestamp": at,
            "count": 1,
        }


def _occurrence(
    obj: Object, type: Literal["Normal", "Warning"], reason: str, message: str
) -> Occurrence:
    """*obj* is an object, or a reference to one with a fieldPath (a container of a pod)."""
    reference = "metadata" not in obj
    return Occurrence(
        namespace=obj.get("namespace", "") if reference else namespace_of(obj),
        kind=obj.get("kind", ""),
        name=obj.get("name", "") if reference else name_of(obj),
        uid=obj.get("uid", "") if reference else uid_of(obj),
        api_version=obj.get("apiVersion", ""),
        resource_version="" if reference else resource_version_of(obj),
        field_path=obj.get("fieldPath", "") if reference else "",
        type=type,
        reason=reason,
        message=message[:MESSAGE_MAX],
    )
