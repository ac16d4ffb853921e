"""What plugins may ask of the scheduler they run in (upstream: framework.Handle)."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from controlplane.scheduler.framework.cycle_state import CycleState
from controlplane.scheduler.framework.interface import Rejection
from controlplane.scheduler.node_info import NodeInfo
from controlplane.scheduler.pod_info import PodInfo
from controlplane.scheduler.waiting_pods import WaitingPods
from kubeapi.objects import Object


class Listers(Protocol):
    """The objects, besides nodes and pods, that decisions depend on; as the watches tell them."""

    def namespace_labels(self, name: str) -> Mapping[str, str]:
        """Return the labels of a namespace; none when it is not known."""

    def budgets(self, namespace: str) -> Sequence[Object]:
        """Return the PodDisruptionBudgets of a namespace."""


class Binder(Protocol):
    """Who tells the API server where a pod runs."""

    async def bind(self, pod: PodInfo, node_name: str) -> None:
        """Bind the pod; raises StatusError and Unreachable."""


#: Runs all filters of the profile on one node as if *state* and node were what is.
RunFilters = Callable[[CycleState, PodInfo, NodeInfo], Rejection | None]
#: Adds a pod to a node (True), or takes it away, in the node itself and in the plugins' state.
MovePod = Callable[[CycleState, PodInfo, PodInfo, NodeInfo, bool], None]


@dataclass(slots=True, kw_only=True)
class Handle:
    """One profile's door to the scheduler."""

    nodes: Callable[[], Sequence[NodeInfo]]
    listers: Listers
    binder: Binder
    waiting: WaitingPods
    rng: random.Random
    run_filters: RunFilters
    move_pod: MovePod
