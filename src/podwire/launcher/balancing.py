"""To which nodes load balancers send: what their health checks make of the answers.

As clouds' balancers do, whose checks ask kube-proxy's `/healthz`: a node that has not answered
`MISSES` times in a row gets nobody new, one that answers again does at once; and where no node is
healthy, all are sent to, since a check that fails everywhere says more about the check.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

#: Google's unhealthyThreshold.
MISSES: Final = 3


class NodeChecks:
    """The checks' results; `unhealthy` is who should get nobody new."""

    def __init__(self) -> None:
        self._missed: dict[str, int] = {}

    def keep(self, nodes: Iterable[str]) -> None:
        """Forget all other nodes, which balance no longer."""
        self._missed = {each: self._missed.get(each, 0) for each in nodes}

    def said(self, node: str, *, healthy: bool) -> None:
        """Take note of one check."""
        self._missed[node] = 0 if healthy else self._missed.get(node, 0) + 1

    def unhealthy(self) -> list[str]:
        """Return the nodes that are to be left out."""
        found = [node for node, missed in self._missed.items() if missed >= MISSES]
        return found if len(found) < len(self._missed) else []
