"""Each node's process group: it dies, freezes and thaws as one, in one system call."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from typing import Final

from componentbase import rpc

_DEATH_POLL_S: Final = 0.005
_DEATH_TIMEOUT_S: Final = 10.0


class Groups:
    """The process groups of the nodes that live."""

    def __init__(self) -> None:
        self._groups: dict[str, int] = {}

    def rows(self) -> dict[str, int]:
        """Return node -> process group."""
        return dict(self._groups)

    def to_join(self, node: str) -> int:
        """Return the node's process group, or 0 (make one) when nothing of the node lives."""
        group = self._groups.get(node, 0)
        return group if group and _group_lives(group) else 0

    def made(self, node: str, group: int) -> None:
        """Note that *group* is the node's from now on."""
        self._groups[node] = group

    async def signal(self, node: str, number: signal.Signals) -> None:
        """Send a signal to all of the node; of SIGKILL wait for the ends."""
        group = self._groups.get(node)
        if group is None:
            return
        try:
            os.killpg(group, number)
        except ProcessLookupError:
            return
        if number is signal.SIGKILL:
            await until_dead(lambda: not _group_lives(group))
            del self._groups[node]


async def until_dead(condition: Callable[[], bool]) -> None:
    """Wait for the ends of killed processes; raises RpcError when they do not come."""
    try:
        async with asyncio.timeout(_DEATH_TIMEOUT_S):
            while not condition():
                await asyncio.sleep(_DEATH_POLL_S)
    except TimeoutError:
        raise rpc.RpcError("DeadlineExceeded", "SIGKILL was sent, but not all died yet") from None


def lives(pid: int) -> bool:
    """Tell whether there is a process *pid*."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
