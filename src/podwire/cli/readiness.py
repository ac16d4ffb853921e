"""Whether a cluster is up: the API server answers and its nodes say Ready."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from kubeapi.client import Unreachable
from kubeapi.objects import condition, name_of
from kubeapi.resources import NODES
from kubeapi.status import StatusError
from podwire.cli import api
from podwire.cluster.layout import Layout

_POLL_S: Final = 0.05


class Readiness:
    """Asks the API server of a cluster that is coming up."""

    def __init__(self, paths: Layout) -> None:
        self._client = api.connect(paths)

    async def nodes_ready(self) -> int:
        """Return how many nodes are Ready; 0 while the API server does not answer."""
        return len(await self.ready_names())

    async def ready_names(self) -> set[str]:
        """Return the nodes that are Ready; none while the API server does not answer."""
        try:
            nodes = await self._client.list(NODES)
        except (Unreachable, StatusError):
            return set()
        conditions = {name_of(node): condition(node, "Ready") for node in nodes["items"]}
        return {
            name
            for name, ready in conditions.items()
            if ready is not None and ready["status"] == "True"
        }

    async def close(self) -> None:
        await self._client.close()


def progress_bar(console: Console) -> Progress:
    """Return a bar that vanishes when it is done."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f}"),
        TimeElapsedColumn(),
    )
    return Progress(*columns, console=console, transient=True)


async def wait_for_nodes(
    paths: Layout, names: Sequence[str], console: Console, timeout_s: float
) -> None:
    """Wait until the nodes *names* are Ready; raises TimeoutError."""
    readiness = Readiness(paths)
    try:
        with progress_bar(console) as progress:
            task = progress.add_task("nodes Ready", total=len(names))
            async with asyncio.timeout(timeout_s):
                while missing := {*names} - await readiness.ready_names():
                    progress.update(task, completed=len(names) - len(missing))
                    await asyncio.sleep(_POLL_S)
    finally:
        await readiness.close()
