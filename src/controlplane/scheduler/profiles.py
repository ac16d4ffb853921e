"""All profiles of one scheduler: a pod's schedulerName says which one is its own."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection

from controlplane.scheduler.cache import Cache
from controlplane.scheduler.framework.cycle_state import CycleState
from controlplane.scheduler.framework.handle import Binder, Handle, Listers, VolumeWriter
from controlplane.scheduler.framework.interface import Rejection
from controlplane.scheduler.framework.runtime import Framework
from controlplane.scheduler.metrics import Laps
from controlplane.scheduler.node_info import NodeInfo
from controlplane.scheduler.nominator import Nominator
from controlplane.scheduler.pod_info import PodInfo
from controlplane.scheduler.schedule_one import NodeSearch
from controlplane.scheduler.scheduler_config import (
    BadConfiguration,
    KubeSchedulerConfiguration,
    build,
)
from controlplane.scheduler.waiting_pods import WaitingPods


class Profiles:
    """The frameworks by name, each with its search for nodes."""

    def __init__(
        self,
        config: KubeSchedulerConfiguration,
        rng: random.Random,
        *,
        cache: Cache,
        nominator: Nominator,
        listers: Listers,
        binder: Binder,
        volumes: VolumeWriter,
        waiting: WaitingPods,
        laps: Callable[[str], Laps],
    ) -> None:
        """Raises BadConfiguration."""
        self._profiles: dict[str, tuple[Framework, NodeSearch]] = {}
        for profile in config.profiles:
            late = _Late()
            handle = Handle(
                nodes=cache.nodes,
                listers=listers,
                binder=binder,
                volumes=volumes,
                waiting=waiting,
                rng=rng,
                run_filters=late.run_filters,
                move_pod=late.move_pod,
            )
            framework = late.framework = build(config, profile, handle)
            search = NodeSearch(framework, nominator, rng, laps(profile.schedulerName))
            late.search = search
            self._profiles[profile.schedulerName] = framework, search
        first, *others = (type(framework.queue_sort) for framework, _ in self._profiles.values())
        if any(other is not first for other in others):
            raise BadConfiguration("profiles: all need the same queueSort plugin")

    @property
    def names(self) -> Collection[str]:
        """Return the schedulerNames."""
        return self._profiles.keys()

    def of(self, pod: PodInfo) -> tuple[Framework, NodeSearch]:
        """Return the profile of a pod that is ours."""
        return self._profiles[pod.scheduler_name]

    def admits(self, pod: PodInfo) -> bool:
        """Tell whether the pod's PreEnqueue plugins let it into the queue."""
        return self.of(pod)[0].run_pre_enqueue(pod) is None

    def sort_key(self, pod: PodInfo, added_at: float) -> tuple[float, ...]:
        """Return where in the queue the pod stands."""
        return self.of(pod)[0].queue_sort.sort_key(pod, added_at)


class _Late:
    """What a handle calls of things that are made after it, as their plugins need the handle."""

    framework: Framework
    search: NodeSearch

    def run_filters(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Rejection | None:
        refusal = self.search.refusal(state, pod, node)
        return None if refusal is None else refusal.rejection

    def move_pod(
        self, state: CycleState, pod: PodInfo, moved: PodInfo, node: NodeInfo, there: bool
    ) -> None:
        self.framework.move_pod(state, pod, moved, node, there)
