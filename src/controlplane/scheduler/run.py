"""The scheduler's shell: watch, decide one pod after the other, bind many at once.

The decision is made in memory and takes well under a millisecond; binding asks the server and so
runs beside the next decisions, in at most `BINDINGS_MAX` tasks; pods that wait for the word of a
Permit plugin count apart. Of several schedulers one leads, by the Lease kube-system/kube-scheduler.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from componentbase import clock
from componentbase.journal import Journal
from componentbase.rpc import Connection, Params, RpcError, Server
from componentbase.series import Series
from componentbase.tasks import Tasks, guarded
from componentbase.timings import TIMINGS, Timings
from controlplane.health import Check
from controlplane.scheduler import scheduler_config
from controlplane.scheduler.binding import Chosen, NotBound, bind, permit
from controlplane.scheduler.cache import Cache
from controlplane.scheduler.config import Config
from controlplane.scheduler.event_handlers import EventHandlers
from controlplane.scheduler.explanation import Explanations, decision, failure
from controlplane.scheduler.framework.cluster_event import ClusterEvent
from controlplane.scheduler.framework.fence import PluginFailed
from controlplane.scheduler.framework.runtime import Refusal
from controlplane.scheduler.listers import WatchedListers
from controlplane.scheduler.metrics import (
    ERROR,
    SCHEDULED,
    UNSCHEDULABLE,
    SchedulerMetrics,
    Sizes,
)
from controlplane.scheduler.nominator import Nominator
from controlplane.scheduler.pod_info import PodInfo
from controlplane.scheduler.profiles import Profiles
from controlplane.scheduler.queue import SchedulingQueue
from controlplane.scheduler.reports import Reports
from controlplane.scheduler.schedule_one import NothingFits
from controlplane.scheduler.scheduler_config import (
    BadConfiguration,
    KubeSchedulerConfiguration,
)
from controlplane.scheduler.volumes import Volumes
from controlplane.scheduler.waiting_pods import WaitingPods
from controlplane.secure_serving import ComponentPages, serving
from kubeapi.client import (
    EventRecorder,
    InformerFactory,
    LeaderElector,
    LeadershipLost,
    LeaseDurations,
    RestClient,
    Unreachable,
)
from kubeapi.objects import Object, key_of, labels_of
from kubeapi.resources import NODES, PODS
from kubeapi.status import StatusError, is_not_found

log = logging.getLogger(__name__)

#: Bindings, and reports of what cannot be bound, that are under way at once.
BINDINGS_MAX: Final = 32
#: Pods that wait for a Permit plugin's word at once.
WAITING_MAX: Final = 1000
_COMPONENT: Final = "default-scheduler"


async def run_scheduler(config: Config) -> None:
    """Wait for the lead and schedule; ends when the lead is lost."""
    try:
        wanted = scheduler_config.parse(config.scheduler_config)
    except BadConfiguration as error:
        raise SystemExit(f"the scheduler's configuration: {error}") from None
    client = RestClient.from_kubeconfig(
        Path(config.kubeconfig), user_agent=f"kube-scheduler/{config.name}"
    )
    timings = TIMINGS[config.timings]
    rng = random.Random()
    journal = Journal(config.journal, config.name)
    scheduler = Scheduler(client, wanted, timings, rng, journal)
    server = Server(Path(config.control_socket), {"explain": scheduler.explain})
    elector = LeaderElector(
        client,
        namespace="kube-system",
        name="kube-scheduler",
        process=config.name,
        durations=LeaseDurations.from_timings(timings),
        rng=rng,
    )
    election = Check("leaderElection", lambda: elector.problem(clock.monotonic()))
    synced = Check("informer-sync", scheduler.informers_problem)
    pages = ComponentPages(client, (election,), scheduler.series, ready=(synced,))
    try:
        if config.control_socket:
            await server.start()
        async with serving(config.serving, pages):
            await elector.run(lambda: _lead(config.name, scheduler))
    except LeadershipLost as error:
        # Another may lead by now: end at once, and be started anew.
        log.error("%s", error)
        raise SystemExit(1) from None
    finally:
        await server.close()
        await client.close()
        journal.close()


async def _lead(name: str, scheduler: Scheduler) -> None:
    scheduler.journal.note("leading", name)
    await scheduler.run()


class Scheduler:
    """Gives nodes to pods until cancelled."""

    def __init__(
        self,
        client: RestClient,
        config: KubeSchedulerConfiguration,
        timings: Timings,
        rng: random.Random,
        journal: Journal,
    ) -> None:
        """Raises SystemExit when a profile's plugins cannot be made."""
        self.journal, self._metrics = journal, SchedulerMetrics()
        self._cache, self._nominator = Cache(), Nominator()
        self._waiting = WaitingPods(self._metrics.waited)
        self._informers = InformerFactory(client)
        self._listers = WatchedListers(self._informers)
        self._events = EventRecorder(client, component=_COMPONENT)
        self._reports = Reports(client, self._events)
        self._volumes = Volumes(client)
        try:
            self._profiles = Profiles(
                config,
                rng,
                cache=self._cache,
                nominator=self._nominator,
                listers=self._listers,
                binder=self._reports,
                volumes=self._volumes,
                waiting=self._waiting,
                laps=lambda profile: self._metrics.laps(profile, clock.monotonic),
            )
        except BadConfiguration as error:
            raise SystemExit(f"the scheduler's configuration: {error}") from None
        backoff_s = config.podInitialBackoffSeconds or timings.scheduler_backoff_initial_s
        most_s = config.podMaxBackoffSeconds or timings.scheduler_backoff_max_s
        self._queue = SchedulingQueue(
            backoff_initial_s=backoff_s,
            backoff_max_s=max(backoff_s, most_s),
            unschedulable_max_s=timings.scheduler_unschedulable_flush_s,
            admits=self._profiles.admits,
            sort_key=self._profiles.sort_key,
            came=self._metrics.came,
        )
        self._handlers = EventHandlers(
            self._cache, self._queue, self._nominator, self._profiles.names
        )
        self._explanations = Explanations()
        self._tasks = Tasks()
        self._room = asyncio.Semaphore(BINDINGS_MAX)
        self._something_changed = asyncio.Event()
        self._is_following = self._is_synced = self._is_late = False

    async def run(self) -> None:
        """Follow the cluster and schedule what waits."""
        self._follow()
        self._is_following = True
        try:
            self._informers.start(self._tasks)
            await self._informers.wait_synced()
            self._is_synced = True
            self._tasks.spawn(self._schedule_all(), name="scheduling", essential=True)
            await self._tasks.wait()
        finally:
            await self._tasks.close()
            await self._events.close()

    async def explain(self, _connection: Connection, params: Params) -> object:
        """Return the last decision about a pod."""
        decision = self._explanations.get(str(params.get("pod")))
        if decision is None:
            raise RpcError("NotFound", "this scheduler has not looked at that pod")
        return decision.as_object()

    def series(self) -> Sequence[Series]:
        """Return the scheduler's metrics."""
        queue, cache = self._queue, self._cache
        sizes = Sizes(pending=queue.sizes, cached=cache.sizes, refused=queue.refused)
        return self._metrics.series(sizes)

    def informers_problem(self) -> str:
        """Say that a leader has not heard everything yet; "" for all others."""
        return "informers not synced" if self._is_following and not self._is_synced else ""

    def _follow(self) -> None:
        told, waking = self._handlers, self._waking
        self._informers.informer(NODES).add_handler(
            on_add=waking(told.node_added),
            on_update=waking(told.node_updated),
            on_delete=waking(told.node_deleted),
        )
        self._informers.informer(PODS).add_handler(
            on_add=waking(told.pod_added),
            on_update=waking(told.pod_updated),
            on_delete=waking(self._pod_deleted),
        )
        self._listers.namespaces.add_handler(
            on_add=partial(waking(self._namespace_changed), None),
            on_update=waking(self._namespace_changed),
        )
        for informer, event in (
            (self._listers.claims, ClusterEvent.CLAIM_CHANGED),
            (self._listers.persistent_volumes, ClusterEvent.VOLUME_CHANGED),
            (self._listers.classes, ClusterEvent.CLASS_CHANGED),
            (self._listers.csi_nodes, ClusterEvent.CSI_NODE_CHANGED),
        ):
            changed = waking(partial(self._storage_changed, event))
            informer.add_handler(
                on_add=partial(changed, None),
                on_update=changed,
                on_delete=lambda _old: self._volumes.changed(),
            )

    def _storage_changed(
        self, event: ClusterEvent, old: Object | None, new: Object, now: float
    ) -> None:
        self._volumes.changed()
        self._handlers.happened(event, old, new, now)

    def _pod_deleted(self, pod: Object, now: float) -> None:
        self._handlers.pod_deleted(pod, now)
        key = key_of(pod)
        self._explanations.forget(key)
        waiting = self._waiting.get(key)
        if waiting is not None:
            waiting.reject("", "removed")  # What is reserved for it is free at once.

    def _namespace_changed(self, old: Object | None, new: Object, now: float) -> None:
        if old is None or labels_of(old) != labels_of(new):
            self._handlers.happened(ClusterEvent.NAMESPACE_LABELS, old, new, now)

    def _waking(self, handler: Callable[..., None]) -> Callable[..., None]:
        """Return *handler* as informers call it: it is told the time, and the queue is read."""

        def handle(*objects: Object | None) -> None:
            handler(*objects, clock.monotonic())
            self._something_changed.set()

        return handle

    async def _schedule_all(self) -> None:
        while True:
            await self._room.acquire()
            pod = await self._next()

            async def attempt(pod: PodInfo = pod) -> None:
                self._decide(pod)

            if self._is_late:  # A plugin may have held everybody up, the lead's renewal included.
                self._is_late = False
                await asyncio.sleep(0)
            # That pod waits, the others do not.
            if not await guarded(f"scheduling {pod.key}", attempt):
                self._queue.failed(pod.key, clock.monotonic())
                self._room.release()

    async def _next(self) -> PodInfo:
        """Wait for the next pod to look at."""
        while True:
            self._something_changed.clear()
            pod = self._queue.pop(clock.monotonic())
            if pod is not None:
                return pod
            wait_s = self._queue.deadline() - clock.monotonic()
            try:
                async with asyncio.timeout(None if wait_s == math.inf else max(wait_s, 0)):
                    await self._something_changed.wait()
            except TimeoutError:
                pass  # A back-off has ended.

    def _decide(self, pod: PodInfo) -> None:
        """Choose a node for a pod and begin what follows from it, which ends by itself."""
        framework, search = self._profiles.of(pod)
        promised = self._nominator.place_of(pod.key)
        if promised != pod.nominated_node:  # The server may not have said so yet.
            pod = replace(pod, nominated_node=promised)
        began_at = clock.monotonic()
        attempt = self._queue.attempts(pod.key)
        name = framework.scheduler_name
        try:
            found = search.schedule(pod, self._cache.nodes())
        except PluginFailed as error:
            self._explanations.note(failure(pod, str(error), name, attempt, clock.wall()))
            self._attempted(name, ERROR, began_at)
            self._try_again(pod, error)
            return
        self._metrics.decided(clock.monotonic() - began_at)
        self._explanations.note(decision(pod, found, name, attempt, clock.wall()))
        if isinstance(found, NothingFits):
            self._attempted(name, UNSCHEDULABLE, began_at)
            self._nothing_fits(pod, found)
            return
        chosen = Chosen(pod, found.node_name, found.state, framework, began_at)
        self._cache.assume(pod, found.node_name)
        try:
            refusal = framework.run_reserve(found.state, pod, found.node_name)
            refusal = refusal or permit(chosen, self._waiting, WAITING_MAX)
        except PluginFailed as error:
            self._attempted(name, ERROR, began_at)
            self._forget(chosen)
            self._try_again(pod, error)
            return
        if refusal is not None:
            self._attempted(name, UNSCHEDULABLE, began_at)
            self._give_back(chosen, refusal)
            self._spawn(self._reports.waits(pod, refusal.text, nominated=""), pod)
        elif (
            self._waiting.get(pod.key) is not None
            or found.state.slow_pre_bind
            or framework.binds_by_foreigners
        ):
            self._room.release()  # It may wait for long, and for others to be looked at.
            self._tasks.spawn(self._bind(chosen), name=f"pod {pod.key}")
        else:
            self._spawn(self._bind(chosen), pod)

    def _try_again(self, pod: PodInfo, error: PluginFailed) -> None:
        """A plugin broke down over a pod: say so, and try again after the back-off."""
        self._queue.failed(pod.key, clock.monotonic())
        self._spawn(self._reports.broke_down(pod, str(error)), pod)
        self._is_late = True

    def _attempted(self, profile: str, result: str, began_at: float) -> None:
        self._metrics.attempted(profile, result, clock.monotonic() - began_at)

    def _spawn(self, telling: Coroutine[None, None, None], pod: PodInfo) -> None:
        task = self._tasks.spawn(telling, name=f"pod {pod.key}")
        task.add_done_callback(lambda _task: self._room.release())

    # --- when nothing fits ---------------------------------------------------------------------

    def _nothing_fits(self, pod: PodInfo, why: NothingFits) -> None:
        """Have the pod wait, for its victims' end if preemption has found some."""
        now, room = clock.monotonic(), why.preemption
        displaced: list[PodInfo] = []
        if why.preemption.node_name or why.preemption.refusals:
            self._metrics.preempted(len(why.preemption.victims))
        if room.node_name:
            displaced = list(self._nominator.less_important(pod, room.node_name))
        self._queue.unschedulable(pod.key, why.hints, now, refused_by=why.plugins)
        if not room.keeps_promise:
            self._handlers.promise(pod, room.node_name, now)
        for other in displaced:
            self._handlers.promise(other, "", now)
            self._queue.wake(other.key, now)
        self._spawn(self._make_room(pod, why, displaced), pod)

    async def _make_room(
        self, pod: PodInfo, why: NothingFits, displaced: Sequence[PodInfo]
    ) -> None:
        node_name = why.preemption.node_name
        for victim in why.preemption.victims:
            waiting = self._waiting.get(victim.key)
            if waiting is not None:
                waiting.reject("", "preempted")
        running = [v for v in why.preemption.victims if self._waiting.get(v.key) is None]
        for other in displaced:
            await self._reports.clear_nomination(other)
        if node_name and not await self._reports.preempt(pod, running, node_name):
            self._handlers.promise(pod, "", clock.monotonic())
            self._queue.wake(pod.key, clock.monotonic())
            node_name = ""
        nominated = None if why.preemption.keeps_promise else node_name
        await self._reports.waits(pod, why.message, nominated=nominated)

    # --- binding -------------------------------------------------------------------------------

    async def _bind(self, chosen: Chosen) -> None:
        pod, node_name = chosen.pod, chosen.node_name
        profile = chosen.framework.scheduler_name
        try:
            await bind(chosen, self._waiting)
        except NotBound as error:
            self._attempted(profile, UNSCHEDULABLE, chosen.began_at)
            is_there = pod.key in self._queue  # Else it was deleted while it waited.
            self._give_back(chosen, error.refusal)
            if is_there:
                await self._reports.waits(pod, str(error), nominated="")
        except PluginFailed as error:
            self._attempted(profile, ERROR, chosen.began_at)
            self._forget(chosen)
            self._queue.failed(pod.key, clock.monotonic())
            await self._reports.broke_down(pod, str(error))
        except (StatusError, Unreachable) as error:
            self._attempted(profile, ERROR, chosen.began_at)
            self._binding_failed(chosen, error)
        else:
            self.journal.note("scheduled", pod.key, node=node_name)
            self._attempted(profile, SCHEDULED, chosen.began_at)
            if pod.key in self._queue:
                since_s = self._queue.since_first_s(pod.key, clock.monotonic())
                self._metrics.scheduled(self._queue.attempts(pod.key), since_s)
            self._queue.remove(pod.key)
            self._nominator.forget(pod.key)
            self._reports.bound(pod, node_name)

    def _give_back(self, chosen: Chosen, refusal: Refusal) -> None:
        """Take the node from a pod: a plugin does not let it have it."""
        self._forget(chosen)
        hints = [chosen.framework.hints[refusal.plugin]] if refusal.plugin else []
        refused_by = [refusal.plugin] if refusal.plugin else []
        now = clock.monotonic()
        self._queue.unschedulable(chosen.pod.key, hints, now, refused_by=refused_by)

    def _forget(self, chosen: Chosen) -> None:
        chosen.framework.run_unreserve(chosen.state, chosen.pod, chosen.node_name)
        self._handlers.promise(chosen.pod, "", clock.monotonic())  # It was worth nothing.
        if self._cache.is_assumed(chosen.pod.key):
            self._cache.forget(chosen.pod.key)
            # Others may have the room now.
            now = clock.monotonic()
            self._handlers.happened(ClusterEvent.POD_GONE, chosen.pod.obj, None, now)
        self._something_changed.set()

    def _binding_failed(self, chosen: Chosen, error: StatusError | Unreachable) -> None:
        pod = chosen.pod
        self._forget(chosen)
        if isinstance(error, StatusError) and is_not_found(error):
            self._queue.remove(pod.key)  # It was deleted meanwhile.
            return
        log.warning("binding %s to %s: %s", pod.key, chosen.node_name, error)
        # Without an answer it may be bound after all: then the watch says so before the retry.
        self._queue.failed(pod.key, clock.monotonic())
        self._reports.failed(pod, f"binding rejected: {error}")
