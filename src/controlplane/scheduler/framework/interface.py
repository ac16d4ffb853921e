"""The extension points a plugin may have: Filter and Score (upstream: framework.Plugin).

A plugin is asked once per pod. It answers with a function that judges one node, or with None
when it has nothing to say about this pod: most plugins have nothing to say about most pods, and
so cost nothing per node. (Upstream: PreFilter and PreScore with their Skip status.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from controlplane.scheduler.framework.cluster_event import ClusterEvent
from controlplane.scheduler.node_info import NodeInfo
from controlplane.scheduler.pod_info import PodInfo

SCORE_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a node is refused. *resolvable*: fewer pods on the node could change that."""

    reasons: tuple[str, ...]
    resolvable: bool = False


Filter = Callable[[NodeInfo], Rejection | None]
Score = Callable[[NodeInfo], int]


class FilterPlugin(Protocol):
    """Refuses nodes."""

    @property
    def name(self) -> str: ...

    @property
    def wakes_on(self) -> frozenset[ClusterEvent]:
        """Return what may turn a refusal into its opposite."""

    def filter(self, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Filter | None:
        """Return the judge of single nodes for *pod*; None when every node will do."""


class ScorePlugin(Protocol):
    """Prefers nodes."""

    @property
    def name(self) -> str: ...

    def score(self, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Score | None:
        """Return what rates a node that fits; None when all are alike to it."""

    def normalize(self, scores: list[int]) -> list[int]:
        """Bring the scores of all nodes that fit to 0 … SCORE_MAX."""


def unchanged(scores: list[int]) -> list[int]:
    return scores


def normalized(scores: list[int], *, reverse: bool = False) -> list[int]:
    """Scale so that the highest becomes SCORE_MAX (upstream: helper.DefaultNormalizeScore)."""
    highest = max(scores)
    if highest == 0:
        return [SCORE_MAX] * len(scores) if reverse else scores
    scaled = [score * SCORE_MAX // highest for score in scores]
    return [SCORE_MAX - score for score in scaled] if reverse else scaled
