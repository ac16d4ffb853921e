"""The launcher process: carries out what the supervisor decides and what a person asks.

Signals go to process groups: all processes of a node, pods included, are one group, so that a
node dies, freezes and thaws as one, in one system call.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import math
import os
import signal
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from componentbase import clock, memory, process, rpc
from componentbase.tasks import Tasks
from componentbase.zygote import Zygote
from podruntime.sandbox import files
from podruntime.sandbox.warm import gather, rehearse
from podwire.cluster import plan
from podwire.cluster.layout import Cluster, Layout, hollow_number
from podwire.cluster.outside import OutsideService, added
from podwire.launcher import hollow, session
from podwire.launcher.actions import Actions
from podwire.launcher.balancer_checks import BalancerChecks
from podwire.launcher.exits import Exits
from podwire.launcher.fault_service import FaultService
from podwire.launcher.forker import FORK_TIMEOUT_S, Forker
from podwire.launcher.groups import Groups
from podwire.launcher.membership import Membership
from podwire.launcher.notes import Notes
from podwire.launcher.supervisor import Managed, State, Supervisor
from podwire.launcher.zygote import TITLE

log = logging.getLogger(__name__)


def daemonize_and_run(
    cluster: Cluster, paths: Layout, entries: dict[str, Any], *, keep: int
) -> int:
    """Run the launcher in a session of its own; called in a fresh fork of `podwire up`.

    The caller has SIGINT and SIGTERM blocked until the session is noted, so that it can never be
    interrupted without knowing what it started. Of the descriptors that the fork inherited only
    *keep* stays open: whoever reads a pipe of the caller must not wait for the cluster's end.
    """
    os.setsid()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
    os.umask(0o077)
    null = os.open(os.devnull, os.O_RDWR)
    output = os.open(paths.log("output"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for source, target in ((null, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    os.closerange(3, keep)
    os.closerange(keep + 1, os.sysconf("SC_OPEN_MAX"))
    session.write(paths.session_file)
    process.become_subreaper()
    memory.forget_fork_hooks()
    files.find_taken()
    gather(paths.directory / "warm-up")
    memory.freeze()  # Before the fork: the zygote's collector would unshare what it looks at.
    # Once here instead of once in each node's zygote: with many nodes that is what `up` waits for.
    rehearsal = functools.partial(rehearse, paths.directory / "warm-up")
    zygote = Zygote(entries, title=TITLE, keep=[keep], prepare=rehearsal)
    respawn = functools.partial(Zygote.spawn, "podwire.launcher.zygote", keep=[keep])
    launcher = Launcher(cluster, paths, zygote, respawn)
    # uvloop keeps SIGCHLD for itself; a subreaper wants it.
    return process.run(
        "launcher",
        paths.log("launcher"),
        launcher.run,
        make_loop=asyncio.new_event_loop,
    )


class Launcher:
    """One cluster's processes, and the socket through which a person acts on them."""

    def __init__(
        self,
        cluster: Cluster,
        paths: Layout,
        zygote: Zygote,
        respawn: Callable[[], Zygote],
    ) -> None:
        self._paths = paths
        self._zygote, self._respawn = zygote, respawn
        self._supervisor = Supervisor(
            plan.processes(cluster), clock.monotonic(), cores=os.cpu_count() or 1
        )
        self._groups = Groups()
        self._notes = Notes(paths)
        self._members = Membership(cluster, paths, self._supervisor, self._notes)
        self._actions = Actions(
            self._supervisor, self._groups, self._notes, paths, on_change=self._acted
        )
        self._tasks = Tasks()
        self._faults = FaultService(
            lambda: self._members.cluster, paths, self._supervisor, self._notes, self._tasks
        )
        self._checks = BalancerChecks(lambda: self._members.cluster, self._supervisor, self._notes)
        self._look_again = asyncio.Event()
        self._exits = Exits(self._supervisor, self._note_end)

    async def run(self) -> None:
        """Start everything and keep it running until cancelled."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGCHLD, self._exits.reap)
        forker = Forker(
            self._zygote, self._respawn, on_exit=self._exits.exited, on_lost=self._zygote_lost
        )
        handlers: dict[str, rpc.Handler] = {
            "status": self._status,
            "node": self._on_node,
            "process": self._actions.on_process,
            "node_add": self._add_nodes,
            "node_remove": self._remove_node,
            "outside": self._outside,
            "events": self._list_events,
        }
        server = rpc.Server(self._paths.launcher_socket, handlers | self._faults.handlers())
        await server.start()
        tasks = self._tasks
        tasks.spawn(self._supervise(forker), name="supervise", essential=True)
        tasks.spawn(self._checks.run(), name="balancers' health checks", essential=True)
        try:
            await tasks.wait()
        finally:
            await tasks.close()
            self._checks.close()
            await server.close()

    async def _supervise(self, forker: Forker) -> None:
        while True:
            self._look_again.clear()
            async with self._actions.acting:
                for managed in self._supervisor.due(clock.monotonic()):
                    await self._start(forker, managed)
            wait_s = self._supervisor.deadline() - clock.monotonic()
            try:
                async with asyncio.timeout(None if math.isinf(wait_s) else max(0.0, wait_s)):
                    await self._look_again.wait()
            except TimeoutError:
                pass

    async def _start(self, forker: Forker, managed: Managed) -> None:
        planned = managed.plan
        group = None
        if planned.node is not None:
            self._paths.node(planned.node).mkdir(mode=0o700, exist_ok=True)
            group = self._groups.to_join(planned.node)
        pid = await forker.fork(
            planned.role,
            [str(self._paths.config(planned.file_name))],
            group=group,
            output=self._paths.log(planned.file_name),
            timeout_s=FORK_TIMEOUT_S,
        )
        if planned.node is not None and group == 0:
            self._groups.made(planned.node, pid)
        self._supervisor.started(managed, pid, clock.monotonic())
        self._notes.note("restarted" if managed.restarts else "started", planned.name, pid=pid)
        self._faults.started(planned.name)
        self._exits.started(pid)

    def _note_end(self, managed: Managed, pid: int, status: int) -> None:
        if managed.state is not State.KILLED:
            self._notes.note("died", managed.plan.name, pid=pid, status=status)
        self._look_again.set()

    def _zygote_lost(self) -> None:
        self._notes.note("died", "launcher zygote")
        self._exits.zygote_lost()

    async def _list_events(self, _connection: rpc.Connection, _params: rpc.Params) -> Any:
        return self._notes.events

    async def _status(self, _connection: rpc.Connection, _params: rpc.Params) -> Any:
        now = clock.monotonic()
        return {
            "processes": [
                {
                    "name": managed.plan.name,
                    "role": managed.plan.role,
                    "node": managed.plan.node,
                    "pid": managed.pid,
                    "state": managed.state.value,
                    "restarts": managed.restarts,
                    "uptime_s": now - managed.started_at if managed.pid else 0.0,
                }
                for managed in self._supervisor.processes()
            ],
            "groups": self._groups.rows(),
        }

    def _acted(self, processes: Sequence[Managed]) -> None:
        """A person did something to *processes*."""
        self._look_again.set()
        for managed in processes:
            self._faults.resumed(managed.plan.name)

    async def _on_node(self, connection: rpc.Connection, params: rpc.Params) -> Any:
        name = str(params["name"])
        if hollow_number(name):
            return await hollow.act(self._paths, self._notes, str(params["action"]), name)
        return await self._actions.on_node(connection, params)

    async def _add_nodes(self, _connection: rpc.Connection, params: rpc.Params) -> Any:
        kind, count = params.get("kind", "live"), int(params.get("count", 1))
        if kind == "hollow":
            names = await self._members.add_hollow(count)
        else:
            names = await self._members.add(count, str(params.get("token", "")))
        self._faults.tell_fabric()
        self._look_again.set()
        return names

    async def _outside(self, _connection: rpc.Connection, params: rpc.Params) -> Any:
        """Map what `add` lists, forget what `remove` does; return what is mapped then."""
        wanted = msgspec.convert(params["add"], tuple[OutsideService, ...])
        gone = {tuple(key) for key in params["remove"]}
        services = await self._members.change_outside(
            lambda known: added([each for each in known if each.key not in gone], wanted)
        )
        return msgspec.to_builtins(services)

    async def _remove_node(self, _connection: rpc.Connection, params: rpc.Params) -> Any:
        node = str(params["name"])
        await self._members.remove(node, self._actions)
        self._faults.forget_node(node)
        self._faults.tell_fabric()
        return node
