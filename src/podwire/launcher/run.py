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
from collections.abc import Awaitable, Callable
from typing import Any, Final

from componentbase import clock, memory, process, rpc
from componentbase.tasks import Tasks
from componentbase.zygote import Zygote
from podruntime.sandbox.warm import rehearse
from podwire.cluster import plan
from podwire.cluster.layout import Cluster, Layout
from podwire.launcher import session
from podwire.launcher.forker import FORK_TIMEOUT_S, Forker
from podwire.launcher.supervisor import Managed, State, Supervisor
from podwire.launcher.zygote import TITLE

log = logging.getLogger(__name__)

_EVENTS_MAX: Final = 10_000
_DEATH_POLL_S: Final = 0.005
_DEATH_TIMEOUT_S: Final = 10.0


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
        self._cluster, self._paths = cluster, paths
        self._zygote, self._respawn = zygote, respawn
        self._supervisor = Supervisor(plan.processes(cluster))
        self._groups: dict[str, int] = {}  # node -> process group
        self._events: list[dict[str, Any]] = []
        self._look_again = asyncio.Event()
        self._acting = asyncio.Lock()  # Starting and killing must not interleave.
        self._ended: dict[int, int] = {}  # Exits that overtook the answer to their fork.

    async def run(self) -> None:
        """Start everything and keep it running until cancelled."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGCHLD, self._reap_orphans)
        forker = Forker(
            self._zygote, self._respawn, on_exit=self._exited, on_lost=self._zygote_lost
        )
        server = rpc.Server(
            self._paths.launcher_socket,
            {
                "status": self._status,
                "node": self._act_on_node,
                "process": self._act_on_process,
                "events": self._list_events,
            },
        )
        await server.start()
        tasks = Tasks()
        tasks.spawn(self._supervise(forker), name="supervise", essential=True)
        try:
            await tasks.wait()
        finally:
            await tasks.close()
            await server.close()

    async def _supervise(self, forker: Forker) -> None:
        while True:
            self._look_again.clear()
            async with self._acting:
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
            group = self._living_group(planned.node)
        pid = await forker.fork(
            planned.role,
            [str(self._paths.config(planned.file_name))],
            group=group,
            output=self._paths.log(planned.file_name),
            timeout_s=FORK_TIMEOUT_S,
        )
        if planned.node is not None and group == 0:
            self._groups[planned.node] = pid
        self._supervisor.started(managed, pid, clock.monotonic())
        self._note("restarted" if managed.restarts else "started", planned.name)
        if pid in self._ended:
            self._exited(pid, self._ended.pop(pid))
        elif not _lives(pid):
            self._exited(pid, -signal.SIGKILL)  # Its zygote died with it and reported nothing.

    def _living_group(self, node: str) -> int:
        """Return the node's process group, or 0 (make one) when nothing of the node lives."""
        group = self._groups.get(node, 0)
        if group and not _group_lives(group):
            return 0
        return group

    def _exited(self, pid: int, status: int) -> None:
        managed = self._supervisor.exited(pid, clock.monotonic())
        if managed is None:
            self._ended[pid] = status
            return
        how = f"killed by signal {-status}" if status < 0 else f"exit status {status}"
        log.info("%s (pid %d) ended: %s", managed.plan.name, pid, how)
        if managed.state is not State.KILLED:
            self._note("died", managed.plan.name)
        self._look_again.set()

    def _reap_orphans(self) -> None:
        """Reap those whose zygote or podruntime died: as subreaper this process inherits them."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if any(managed.pid == pid for managed in self._supervisor.processes()):
                self._exited(pid, os.waitstatus_to_exitcode(status))

    def _zygote_lost(self) -> None:
        """Note the ends of children that the zygote reaped but could not report any more."""
        self._note("died", "launcher zygote")
        for managed in self._supervisor.processes():
            if managed.pid is not None and not _lives(managed.pid):
                self._exited(managed.pid, -signal.SIGKILL)

    def _note(self, what: str, subject: str) -> None:
        self._events.append({"at": clock.wall(), "what": what, "subject": subject})
        del self._events[:-_EVENTS_MAX]

    async def _list_events(self, _connection: rpc.Connection, _params: rpc.Params) -> Any:
        return self._events

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
            "groups": self._groups,
        }

    async def _act_on_node(self, _connection: rpc.Connection, params: rpc.Params) -> Any:
        node, action = str(params["name"]), str(params["action"])
        managed = list(self._supervisor.of_node(node))
        if not managed:
            raise rpc.RpcError("NotFound", f"there is no node {node}")
        group = functools.partial(self._signal_group, node)
        return await self._act(action, node, managed, group)

    async def _act_on_process(self, _connection: rpc.Connection, params: rpc.Params) -> Any:
        name, action = str(params["name"]), str(params["action"])
        managed = self._supervisor.get(name)
        if managed is None:
            known = ", ".join(process.plan.name for process in self._supervisor.processes()[:6])
            raise rpc.RpcError("NotFound", f"there is no process {name}; there are {known}, …")

        async def send(number: signal.Signals) -> None:
            if managed.pid is not None:
                os.kill(managed.pid, number)

        return await self._act(action, name, [managed], send)

    async def _act(
        self,
        action: str,
        subject: str,
        processes: list[Managed],
        send: Callable[[signal.Signals], Awaitable[None]],
    ) -> str:
        """Do *action* to *processes*; `send` delivers one signal to all of them."""
        async with self._acting:
            alive = any(managed.pid is not None for managed in processes)
            killed = [managed for managed in processes if managed.state is State.KILLED]
            match action:
                case "kill":
                    if len(killed) == len(processes):
                        raise rpc.RpcError("FailedPrecondition", f"{subject} is already dead")
                    for managed in processes:
                        self._supervisor.kill(managed)
                    self._note("killed", subject)
                    await send(signal.SIGKILL)
                    await _until(lambda: all(managed.pid is None for managed in processes))
                case "start":
                    if not killed:
                        raise rpc.RpcError("FailedPrecondition", f"{subject} is running")
                    for managed in killed:
                        self._supervisor.revive(managed, clock.monotonic())
                    self._note("start", subject)
                    self._look_again.set()
                case "pause" | "resume":
                    if not alive:
                        raise rpc.RpcError("FailedPrecondition", f"{subject} is not running")
                    pausing = action == "pause"
                    await send(signal.SIGSTOP if pausing else signal.SIGCONT)
                    for managed in processes:
                        change = self._supervisor.pause if pausing else self._supervisor.resume
                        change(managed)
                    self._note(f"{action}d", subject)
                case _:
                    raise rpc.RpcError("InvalidArgument", f"no action {action}")
        return subject

    async def _signal_group(self, node: str, number: signal.Signals) -> None:
        group = self._groups.get(node)
        if group is None:
            return
        try:
            os.killpg(group, number)
        except ProcessLookupError:
            return
        if number is signal.SIGKILL:
            await _until(lambda: not _group_lives(group))
            del self._groups[node]


async def _until(condition: Callable[[], bool]) -> None:
    """Wait for the ends of killed processes; raises RpcError when they do not come."""
    try:
        async with asyncio.timeout(_DEATH_TIMEOUT_S):
            while not condition():
                await asyncio.sleep(_DEATH_POLL_S)
    except TimeoutError:
        raise rpc.RpcError("DeadlineExceeded", "SIGKILL was sent, but not all died yet") from None


def _lives(pid: int) -> bool:
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
