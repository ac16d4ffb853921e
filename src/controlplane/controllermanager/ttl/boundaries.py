"""How long kubelets may keep Secrets and ConfigMaps, by the number of nodes.

The more nodes there are, the longer. Neighbouring sizes overlap, so that a cluster that gains and
loses one node does not have all of them written anew each time.
"""

from __future__ import annotations

from typing import Final

ANNOTATION: Final = "node.alpha.kubernetes.io/ttl"
#: From how many nodes on, up to how many, and how long.
_BOUNDARIES: Final = (
    (0, 100, 0),
    (90, 500, 15),
    (450, 1000, 30),
    (900, 2000, 60),
    (1800, 10000, 300),
    (9000, 2**31 - 1, 600),
)


class Boundaries:
    """The step at which a cluster is: its size, and whether it grows or shrinks."""

    def __init__(self) -> None:
        self._nodes, self._step = 0, 0

    def added(self) -> None:
        self._nodes += 1
        if self._nodes > _BOUNDARIES[self._step][1]:
            self._step += 1

    def removed(self) -> None:
        self._nodes -= 1
        if self._nodes < _BOUNDARIES[self._step][0]:
            self._step -= 1

    @property
    def ttl_s(self) -> int:
        return _BOUNDARIES[self._step][2]
