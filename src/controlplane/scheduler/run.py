"""The scheduler's shell: watch, decide one pod after the other, bind many at once.

The decision is made in memory and takes well under a millisecond; binding asks the server and so
runs beside the next decisions, in at most `BINDINGS_MAX` tasks. Of several schedulers one leads,
by the Lease kube-system/kube-scheduler.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Final

from componentbase import clock
from componentbase.journal import Journal
from componentbase.tasks import Tasks
from componentbase.timings import TIMINGS, Timings
from controlplane.scheduler.cache import Cache
from controlplane.scheduler.config import Config
from controlplane.scheduler.event_handlers import SCHEDULER_NAME, EventHandlers
from controlplane.scheduler.pod_info import PodInfo
from controlplane.scheduler.queue import SchedulingQueue
from controlplane.scheduler.schedule_one import Fits, NothingFits, schedule_one
from kubeapi.client import (
    EventRecorder,
    InformerFactory,
    LeaderElector,
    LeadershipLost,
    LeaseDurations,
    PatchType,
    RestClient,
    Unreachable,
)
from kubeapi.objects import Object, condition, name_of, namespace_of, uid_of
from kubeapi.resources import NODES, PODS
from kubeapi.selectors import SelectorError
from kubeapi.status import StatusError, is_not_found

log = logging.getLogger(__name__)

#: Bindings, and reports of what cannot be bound, that are under way at once.
BINDINGS_MAX: Final = 32


async def run_scheduler(config: Config) -> None:
    """Wait for the lead and schedule; ends when the lead is lost."""
    client = RestClient.from_kubeconfig(Path(config.kubeconfig), user_agent=config.name)
    timings = TIMINGS[config.timings]
    rng = random.Random()
    journal = Journal(config.journal, config.name)
    elector = LeaderElector(
        client,
        namespace="kube-system",
        name="kube-scheduler",
        process=config.name,
        durations=LeaseDurations.from_timings(timings),
        rng=rng,
    )
    try:
        await elector.run(lambda: _lead(config.name, Scheduler(client, timings, rng, journal)))
    except LeadershipLost as error:
        # Another may lead by now: end at once, and be started anew.
        log.error("%s", error)
        raise SystemExit(1) from None
    finally:
        await client.close()
        journal.close()


async def _lead(name: str, scheduler: Scheduler) -> None:
    scheduler.journal.note("leading", name)
    await scheduler.run()


class Scheduler:
    """Gives nodes to pods until cancelled."""

    def __init__(
        self, client: RestClient, timings: Timings, rng: random.Random, journal: Journal
    ) -> None:
        self._client, self._rng, self.journal = client, rng, journal
        self._cache = Cache()
        self._queue = SchedulingQueue(
            backoff_initial_s=timings.scheduler_backoff_initial_s,
            backoff_max_s=timings.scheduler_backoff_max_s,
            unschedulable_max_s=timings.scheduler_unschedulable_flush_s,
        )
        self._handlers = EventHandlers(self._cache, self._queue)
        self._informers = InformerFactory(client)
        self._pods = self._informers.informer(PODS)
        self._nodes = self._informers.informer(NODES)
        self._events = EventRecorder(client, component=SCHEDULER_NAME)
        self._tasks = Tasks()
        self._room = asyncio.Semaphore(BINDINGS_MAX)
        self._something_changed = asyncio.Event()

    async def run(self) -> None:
        """Follow the cluster and schedule what waits."""
        self._follow()
        try:
            self._informers.start(self._tasks)
            await self._informers.wait_synced()
            self._tasks.spawn(self._schedule_all(), name="scheduling", essential=True)
            await self._tasks.wait()
        finally:
            await self._tasks.close()
            await self._events.close()

    def _follow(self) -> None:
        told, waking = self._handlers, self._waking
        self._nodes.add_handler(
            on_add=waking(told.node_added),
            on_update=waking(told.node_updated),
            on_delete=waking(told.node_deleted),
        )
        self._pods.add_handler(
            on_add=waking(told.pod_added),
            on_update=waking(told.pod_updated),
            on_delete=waking(told.pod_deleted),
        )

    def _waking(self, handler: Callable[..., None]) -> Callable[..., None]:
        """Return *handler* as informers call it: it is told the time, and the queue is read."""

        def handle(*objects: Object) -> None:
            handler(*objects, clock.monotonic())
            self._something_changed.set()

        return handle

    async def _schedule_all(self) -> None:
        while True:
            await self._room.acquire()
            key = await self._next()
            after = self._decide(key)
            if after is None:
                self._room.release()
            else:
                task = self._tasks.spawn(after, name=f"pod {key}")
                task.add_done_callback(lambda _task: self._room.release())

    async def _next(self) -> str:
        """Wait for the next pod to look at."""
        while True:
            self._something_changed.clear()
            key = self._queue.pop(clock.monotonic())
            if key is not None:
                return key
            wait_s = self._queue.deadline() - clock.monotonic()
            try:
                async with asyncio.timeout(None if wait_s == math.inf else max(wait_s, 0)):
                    await self._something_changed.wait()
            except TimeoutError:
                pass  # A back-off has ended.

    def _decide(self, key: str) -> Coroutine[None, None, None] | None:
        """Choose a node for a pod; return what is to be told to the server."""
        pod = self._pods.get(key)
        if pod is None:
            self._queue.remove(key)
            return None
        try:
            info = PodInfo.from_object(pod)
        except SelectorError as error:
            return self._report(pod, NothingFits(f"invalid selector: {error}", frozenset()))
        match schedule_one(info, self._cache.nodes(), self._rng):
            case Fits(node_name):
                self._cache.assume(info, node_name)
                return self._bind(info, node_name)
            case NothingFits() as why:
                self._queue.unschedulable(key, why.wakes_on, clock.monotonic())
                return self._report(pod, why)

    # --- what the server is told --------------------------------------------------------------

    async def _bind(self, pod: PodInfo, node_name: str) -> None:
        name = name_of(pod.obj)
        binding: Object = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": name, "namespace": pod.namespace, "uid": pod.uid},
            "target": {"apiVersion": "v1", "kind": "Node", "name": node_name},
        }
        try:
            await self._client.create(
                PODS, binding, pod.namespace, subresource="binding", name=name
            )
        except (StatusError, Unreachable) as error:
            self._binding_failed(pod, node_name, error)
            return
        self.journal.note("scheduled", pod.key, node=node_name)
        self._queue.remove(pod.key)
        self._events.event(
            pod.obj, "Normal", "Scheduled", f"Successfully assigned {pod.key} to {node_name}"
        )

    def _binding_failed(
        self, pod: PodInfo, node_name: str, error: StatusError | Unreachable
    ) -> None:
        self._cache.forget(pod.key)
        if isinstance(error, StatusError) and is_not_found(error):
            self._queue.remove(pod.key)  # It was deleted meanwhile.
            return
        log.warning("binding %s to %s: %s", pod.key, node_name, error)
        # Without an answer it may be bound after all: then the watch says so before the retry.
        self._queue.failed(pod.key, clock.monotonic())
        self._events.event(pod.obj, "Warning", "FailedScheduling", f"binding rejected: {error}")
        self._something_changed.set()

    async def _report(self, pod: Object, why: NothingFits) -> None:
        """Say in an event and in the pod's conditions why it has to wait."""
        self._events.event(pod, "Warning", "FailedScheduling", why.message)
        known = condition(pod, "PodScheduled") or {}
        wanted = {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": why.message,
        }
        if all(known.get(name) == text for name, text in wanted.items()):
            return
        since = known.get("lastTransitionTime") if known.get("status") == "False" else None
        wanted["lastTransitionTime"] = since or clock.rfc3339(clock.wall())
        patch = {
            "metadata": {"uid": uid_of(pod)},
            "status": {"conditions": [wanted]},
        }
        try:
            await self._client.patch(
                PODS,
                name_of(pod),
                patch,
                namespace_of(pod),
                kind=PatchType.STRATEGIC,
                subresource="status",
            )
        except (StatusError, Unreachable) as error:
            # The next attempt says it again.
            log.info("status of %s/%s: %s", namespace_of(pod), name_of(pod), error)
