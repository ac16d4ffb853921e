"""The extension points of the scheduling framework, by upstream's names (framework.Plugin).

A plugin is a class made once with its arguments and a `Handle`; it takes part at every point whose
method it has. Decisions are plain functions of the cycle's state, the pod and a node; only PreBind
and Bind may wait for others. A plugin says no with a `Rejection`. It may raise nothing: what it
raises ends the attempt as an error.

    PreEnqueue   may this pod be looked at at all?
    QueueSort    which pod is next
    PreFilter    once per pod, before Filter: computes, refuses the pod, or has nothing to say
    Filter       may the pod run on this node?
    PostFilter   no node fits: make room
    PreScore     once per pod, before Score
    Score        how good is this node, 0 to SCORE_MAX after `normalize`
    Reserve      a node was chosen: take what the pod will use; undone in reverse order
    Permit       let it pass, refuse it, or have it wait
    PreBind      what must be done before the pod is bound
    Bind         bind it; the first that does not leave it to the next has done it
    PostBind     it is bound
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol, runtime_checkable

from controlplane.scheduler.framework.cluster_event import Hints
from controlplane.scheduler.framework.cycle_state import CycleState
from controlplane.scheduler.node_info import NodeInfo
from controlplane.scheduler.pod_info import PodInfo

SCORE_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a node, or a pod, is refused. *resolvable*: fewer pods on the node could change that."""

    reasons: tuple[str, ...]
    resolvable: bool = False


class Skip(Enum):
    """What PreFilter and PreScore answer when the plugin has nothing to say about a pod."""

    SKIP = "skip"


SKIP: Final = Skip.SKIP


@dataclass(frozen=True, slots=True)
class Only:
    """What PreFilter answers when it knows that only these nodes come into question."""

    nodes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Wait:
    """What Permit answers: the pod waits until it is allowed or rejected, *timeout_s* at most."""

    timeout_s: float


@dataclass(frozen=True, slots=True)
class PostFilterResult:
    """Where there will be room when *victims* are gone; without *node_name* there is none.

    *refusals*: why which node cannot be made to fit, for the message; or why none was tried.
    """

    node_name: str = ""
    victims: tuple[PodInfo, ...] = ()
    refusals: Mapping[str, str] | str = ""

    @property
    def keeps_promise(self) -> bool:
        """Tell whether a node that the pod was promised before is its own still."""
        return not self.node_name and isinstance(self.refusals, str)


class Plugin(Protocol):
    """What all plugins have."""

    @property
    def name(self) -> str:
        """Return the name by which configurations and explanations call it."""


@runtime_checkable
class PreEnqueuePlugin(Plugin, Protocol):
    """Keeps pods out of the queue."""

    def pre_enqueue(self, pod: PodInfo) -> Rejection | None:
        """Return why the pod is not to be looked at; it is asked again when the pod changes."""


@runtime_checkable
class QueueSortPlugin(Plugin, Protocol):
    """Orders the queue; each profile has one, and all profiles the same."""

    def sort_key(self, pod: PodInfo, added_at: float) -> tuple[float, ...]:
        """Return what is compared: the lower, the sooner (upstream: Less)."""


@runtime_checkable
class PreFilterPlugin(Plugin, Protocol):
    """Computes what its Filter needs, once per pod."""

    def pre_filter(
        self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]
    ) -> Skip | Only | Rejection | None:
        """Return SKIP to be left out of Filter, a Rejection to refuse the pod on all nodes."""


@runtime_checkable
class PreFilterExtensions(PreFilterPlugin, Protocol):
    """Keeps what its PreFilter has computed true while nodes are tried with other pods."""

    def add_pod(self, state: CycleState, pod: PodInfo, added: PodInfo, node: NodeInfo) -> None:
        """Count *added* as running on *node*."""

    def remove_pod(self, state: CycleState, pod: PodInfo, removed: PodInfo, node: NodeInfo) -> None:
        """Count *removed* as gone from *node*."""


@runtime_checkable
class FilterPlugin(Plugin, Protocol):
    """Refuses nodes."""

    def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Rejection | None:
        """Return why the pod cannot run on *node*."""


@runtime_checkable
class PostFilterPlugin(Plugin, Protocol):
    """Makes room when no node fits."""

    def post_filter(
        self, state: CycleState, pod: PodInfo, refused: Mapping[str, Rejection]
    ) -> PostFilterResult:
        """Say where room can be made; *refused* says by node why none fits."""


@runtime_checkable
class PreScorePlugin(Plugin, Protocol):
    """Computes what its Score needs, once per pod."""

    def pre_score(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Skip | None:
        """Return SKIP to be left out of Score; *nodes* are those that fit."""


@runtime_checkable
class ScorePlugin(Plugin, Protocol):
    """Prefers nodes."""

    def score(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> int:
        """Rate a node that fits."""


@runtime_checkable
class ScoreAll(ScorePlugin, Protocol):
    """Rates many nodes in one call; ours, for plugins that would be called for each of them."""

    def score_all(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> list[int]:
        """Return what `score` says of each node."""


@runtime_checkable
class ScoreExtensions(ScorePlugin, Protocol):
    """Rates in a scale of its own."""

    def normalize(self, scores: list[int]) -> list[int]:
        """Bring the scores of all nodes that fit to 0 … SCORE_MAX."""


@runtime_checkable
class ReservePlugin(Plugin, Protocol):
    """Keeps account of what pods will use."""

    def reserve(self, state: CycleState, pod: PodInfo, node_name: str) -> Rejection | None:
        """Take what *pod* will use on the node."""

    def unreserve(self, state: CycleState, pod: PodInfo, node_name: str) -> None:
        """Give it back, if it was taken: the pod is not bound."""


@runtime_checkable
class PermitPlugin(Plugin, Protocol):
    """Holds pods up that have a node."""

    def permit(self, state: CycleState, pod: PodInfo, node_name: str) -> Wait | Rejection | None:
        """Say whether the pod may be bound now, later or not at all."""


@runtime_checkable
class PreBindPlugin(Plugin, Protocol):
    """Does what must be done before a pod is bound."""

    async def pre_bind(self, state: CycleState, pod: PodInfo, node_name: str) -> Rejection | None:
        """Do it; a Rejection takes the node from the pod."""


@runtime_checkable
class BindPlugin(Plugin, Protocol):
    """Binds pods."""

    async def bind(self, state: CycleState, pod: PodInfo, node_name: str) -> bool:
        """Bind the pod and return True, or leave it to the next one."""


@runtime_checkable
class PostBindPlugin(Plugin, Protocol):
    """Hears of pods that are bound."""

    def post_bind(self, state: CycleState, pod: PodInfo, node_name: str) -> None:
        """Take note."""


@runtime_checkable
class EnqueueExtensions(Plugin, Protocol):
    """Says what may help a pod that it has refused; of others every event may."""

    @property
    def hints(self) -> Hints:
        """Return the events that may help, with a hint each."""


def normalized(scores: list[int], *, reverse: bool = False) -> list[int]:
    """Scale so that the highest becomes SCORE_MAX (upstream: helper.DefaultNormalizeScore)."""
    highest = max(scores)
    if highest == 0:
        return [SCORE_MAX] * len(scores) if reverse else scores
    scaled = [score * SCORE_MAX // highest for score in scores]
    return [SCORE_MAX - score for score in scaled] if reverse else scaled
