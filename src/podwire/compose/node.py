"""The first process of a node's container: starts the node's processes, restarts what dies.

It is what the launcher is on one machine, for one node: the same supervisor decides, the same warm
zygote forks. As process 1 it inherits and reaps every orphan. SIGTERM goes on to all of the
node's processes; when it ends, or is killed, the kernel ends the rest of the container.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import math
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from componentbase import clock, memory, process
from componentbase.journal import Journal
from componentbase.tasks import Tasks
from componentbase.zygote import Zygote
from podwire.cluster.plan import ProcessPlan
from podwire.compose.configs import STDOUT
from podwire.compose.hosts import CLUSTER, MOUNTED, Files
from podwire.compose.zygote import ENTRIES, MODULE, TITLE
from podwire.launcher.exits import Exits
from podwire.launcher.forker import FORK_TIMEOUT_S, Forker
from podwire.launcher.groups import lives
from podwire.launcher.supervisor import Managed, Supervisor

log = logging.getLogger(__name__)

#: How long processes have to end by themselves after SIGTERM.
_END_S: Final = 3.0
_AGENT: Final = "nodeagent"


class NodeProcesses:
    """The processes of this container's node."""

    def __init__(self, node: str, files: Files, *, zygote: Zygote, journal: Journal) -> None:
        self._supervisor = Supervisor(
            ProcessPlan(name=f"{node}/{role}", role=role, node=node)
            for role in ENTRIES
            if files.config(role).exists()
        )
        self._files, self._zygote, self._journal = files, zygote, journal
        self._look_again = asyncio.Event()
        self._exits = Exits(self._supervisor, self._note_end)

    async def run(self) -> None:
        """Keep everything running until cancelled; then end it."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGCHLD, self._exits.reap)
        respawn = functools.partial(Zygote.spawn, MODULE)
        exits = self._exits
        forker = Forker(self._zygote, respawn, on_exit=exits.exited, on_lost=exits.zygote_lost)
        tasks = Tasks()
        tasks.spawn(self._supervise(forker), name="supervise", essential=True)
        try:
            await tasks.wait()
        finally:
            await tasks.close()
            await self._end()

    async def _supervise(self, forker: Forker) -> None:
        while True:
            self._look_again.clear()
            for managed in self._supervisor.due(clock.monotonic()):
                plan = managed.plan
                config = str(self._files.config(plan.role))
                pid = await forker.fork(
                    plan.role, [config], group=None, output=Path(STDOUT), timeout_s=FORK_TIMEOUT_S
                )
                self._supervisor.started(managed, pid, clock.monotonic())
                self._journal.note("restarted" if managed.restarts else "started", plan.name)
                self._exits.started(pid)
            wait_s = self._supervisor.deadline() - clock.monotonic()
            await _wait(self._look_again, None if math.isinf(wait_s) else max(0.0, wait_s))

    def _note_end(self, managed: Managed, pid: int, status: int) -> None:
        self._journal.note("died", managed.plan.name, pid=pid, status=status)
        self._look_again.set()

    async def _end(self) -> None:
        """Ask every process to end, and wait for it, though not for ever."""
        processes = self._supervisor.processes()
        for managed in processes:
            self._supervisor.kill(managed)
        # The nodeagent ends its pods first, and needs the others for that.
        agents = [managed for managed in processes if managed.plan.role == _AGENT]
        await self._ask_to_end(agents)
        await self._ask_to_end([managed for managed in processes if managed not in agents])

    async def _ask_to_end(self, processes: Sequence[Managed]) -> None:
        for managed in processes:
            if managed.pid is not None and lives(managed.pid):
                os.kill(managed.pid, signal.SIGTERM)
        try:
            async with asyncio.timeout(_END_S):
                while any(managed.pid is not None for managed in processes):
                    self._look_again.clear()
                    await self._look_again.wait()
        except TimeoutError:
            log.info("not all ended in time; they end with this container")


async def _wait(event: asyncio.Event, timeout_s: float | None) -> None:
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        pass


def main() -> int:
    """Run the node that this container's files describe, until SIGTERM."""
    node = msgspec.json.decode(MOUNTED.config("nodeagent").read_bytes())["node_name"]
    memory.freeze()  # Before the fork: the zygote's collector would unshare what it looks at.
    zygote = Zygote(ENTRIES, title=TITLE)
    journal = Journal(CLUSTER.journal(node), node)
    make: Callable[[], NodeProcesses] = functools.partial(
        NodeProcesses, node, MOUNTED, zygote=zygote, journal=journal
    )

    async def run() -> None:
        journal.note("start", node)
        await make().run()

    # uvloop keeps SIGCHLD for itself; process 1 needs it.
    return process.run(f"{node} init", Path(STDOUT), run, make_loop=asyncio.new_event_loop)


if __name__ == "__main__":
    sys.exit(main())
