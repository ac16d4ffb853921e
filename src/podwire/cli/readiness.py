"""Whether a cluster is up: the API server answers and its nodes say Ready."""

from __future__ import annotations

from kubeapi.client import Unreachable
from kubeapi.objects import condition
from kubeapi.resources import NODES
from kubeapi.status import StatusError
from podwire.cli import api
from podwire.cluster.layout import Layout


class Readiness:
    """Asks the API server of a cluster that is coming up."""

    def __init__(self, paths: Layout) -> None:
        self._client = api.connect(paths)

    async def nodes_ready(self) -> int:
        """Return how many nodes are Ready; 0 while the API server does not answer."""
        try:
            nodes = await self._client.list(NODES)
        except (Unreachable, StatusError):
            return 0
        conditions = (condition(node, "Ready") for node in nodes["items"])
        return sum(ready is not None and ready["status"] == "True" for ready in conditions)

    async def close(self) -> None:
        await self._client.close()
