"""ImageLocality: prefer nodes that have the pod's images already, the larger the better.

An image on few nodes counts for less, or pods would heap up there (upstream: scaledImageScore).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from controlplane.scheduler.framework.cycle_state import CycleState, StateKey
from controlplane.scheduler.framework.interface import SCORE_MAX, SKIP, Skip
from controlplane.scheduler.node_info import NodeInfo
from controlplane.scheduler.pod_info import PodInfo

_MIB: Final = 1024 * 1024
#: Images below the first are pulled in no time; per container, more than the second counts alike.
_LEAST: Final = 23 * _MIB
_MOST_PER_CONTAINER: Final = 1000 * _MIB
#: The share of all nodes that have an image, by its name.
_SHARES: Final = StateKey[dict[str, float]]("ImageLocality")


class ImageLocality:
    """Scores by images that need no pull."""

    name = "ImageLocality"

    def __init__(self, nodes: Callable[[], Sequence[NodeInfo]]) -> None:
        self._nodes = nodes

    def pre_score(self, state: CycleState, pod: PodInfo, _nodes: Sequence[NodeInfo]) -> Skip | None:
        images = {_normalized(image) for image in pod.images}
        nodes = self._nodes()
        there = (images & node.images.keys() for node in nodes if node.images)
        counts = Counter(image for found in there for image in found)
        if not counts:
            return SKIP
        state[_SHARES] = {image: count / len(nodes) for image, count in counts.items()}
        return None

    def score(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> int:
        shares, have = state[_SHARES], node.images
        names = map(_normalized, pod.images)
        octets = sum(int(have[name] * shares[name]) for name in names if name in have)
        most = _MOST_PER_CONTAINER * len(pod.images)
        return SCORE_MAX * (min(max(octets, _LEAST), most) - _LEAST) // (most - _LEAST)


def _normalized(image: str) -> str:
    """Return the name by which a node reports an image: with a tag."""
    return image if ":" in image.rpartition("/")[2] else f"{image}:latest"
