"""What plugins may ask of the scheduler they run in (upstream: framework.Handle)."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
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

    def claim(self, namespace: str, name: str) -> Object | None:
        """Return a PersistentVolumeClaim."""

    def volume(self, name: str) -> Object | None:
        """Return a PersistentVolume."""

    def volumes(self) -> Sequence[Object]:
        """Return all PersistentVolumes."""

    def storage_class(self, name: str) -> Object | None:
        """Return a StorageClass."""

    def services(self, namespace: str) -> Sequence[Object]:
        """Return the Services of a namespace."""

    def controller(self, kind: str, namespace: str, name: str) -> Object | None:
        """Return a ReplicaSet, ReplicationController or StatefulSet."""

    def csi_node(self, name: str) -> Object | None:
        """Return what storage drivers say of a node."""


class Binder(Protocol):
    """Who tells the API server where a pod runs."""

    async def bind(self, pod: PodInfo, node_name: str) -> None:
        """Bind the pod; raises StatusError and Unreachable."""


@dataclass(slots=True)
class Chosen:
    """What a pod's claims take on one node: volumes with their claims, and what is to be made."""

    bindings: list[tuple[Object, Object]] = field(default_factory=list)
    provisions: list[Object] = field(default_factory=list)


class VolumeWriter(Protocol):
    """Who has claims bound."""

    async def write(self, chosen: Chosen, node_name: str) -> Sequence[Object]:
        """Write the choice, return its claims; raises StatusError and Unreachable."""

    async def until(self, settled: Callable[[], str | None], timeout_s: float) -> str:
        """Wait until *settled* has an answer; return it, or that it took too long."""


#: Runs all filters of the profile on one node as if *state* and node were what is; also with
#: those pods there to which the node is promised, if they are as important.
RunFilters = Callable[[CycleState, PodInfo, NodeInfo], Rejection | None]
#: Adds a pod to a node (True), or takes it away, in the node itself and in the plugins' state.
MovePod = Callable[[CycleState, PodInfo, PodInfo, NodeInfo, bool], None]


@dataclass(slots=True, kw_only=True)
class Handle:
    """One profile's door to the scheduler."""

    nodes: Callable[[], Sequence[NodeInfo]]
    listers: Listers
    binder: Binder
    volumes: VolumeWriter
    waiting: WaitingPods
    rng: random.Random
    run_filters: RunFilters
    move_pod: MovePod
