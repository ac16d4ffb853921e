"""What a person does to processes: kill, start, pause, resume, of a node or of one process.

What cannot be done (killing what is dead, resuming what is not paused) is refused before
anything is done. Pods and zygotes are no supervised processes: they can be killed and frozen,
and whoever made them starts them again.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import signal
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from componentbase import clock, rpc
from podwire.cluster.layout import Layout
from podwire.launcher import session, unsupervised
from podwire.launcher.groups import Groups, until_dead
from podwire.launcher.notes import Notes
from podwire.launcher.supervisor import Managed, State, Supervisor

Send = Callable[[signal.Signals], Awaitable[None]]
log = logging.getLogger(__name__)
_NAMED_MAX: Final = 8
_AGENT: Final = "nodeagent"
#: The longest that a node may take to shut down, whatever its kubelet's configuration grants.
SHUTDOWN_MAX_S: Final = 900.0
_SHUTDOWN_LOOK_S: Final = 0.05


class Actions:
    """Does what is asked, one thing at a time."""

    def __init__(
        self,
        supervisor: Supervisor,
        groups: Groups,
        notes: Notes,
        paths: Layout,
        *,
        on_change: Callable[[Sequence[Managed]], None],
    ) -> None:
        self._supervisor, self._groups, self._notes = supervisor, groups, notes
        self._paths, self._on_change = paths, on_change
        self.acting = asyncio.Lock()  # Starting and killing must not interleave.

    async def on_node(self, _connection: rpc.Connection, params: rpc.Params) -> Any:
        node, action = str(params["name"]), str(params["action"])
        managed = self._supervisor.of_node(node)
        if not managed:
            raise rpc.RpcError("NotFound", f"there is no node {node!r}{self._nodes()}")
        send = functools.partial(self._groups.signal, node)
        if action == "shutdown":
            await self._end_pods(node, managed)
            action = "kill"
        return await self._act(action, node, managed, send)

    async def _end_pods(self, node: str, processes: Sequence[Managed]) -> None:
        """Ask the nodeagent to end its pods and itself; others are acted upon meanwhile."""
        agent = next(one for one in processes if one.plan.role == _AGENT)
        async with self.acting:
            pid = agent.pid
            if pid is None or session.is_stopped(pid):
                why = "has no nodeagent that could end its pods: kill it"
                raise rpc.RpcError("FailedPrecondition", f"{node} {why}")
            self._supervisor.kill(agent)
            self._notes.note("shutting-down", node, pid=pid)
            os.kill(pid, signal.SIGTERM)
        try:
            async with asyncio.timeout(SHUTDOWN_MAX_S):
                while agent.pid == pid:
                    await asyncio.sleep(_SHUTDOWN_LOOK_S)
        except TimeoutError:
            log.warning("%s: its nodeagent does not end; killed", node)

    async def on_process(self, _connection: rpc.Connection, params: rpc.Params) -> Any:
        name, action = str(params["name"]), str(params["action"])
        managed = self._supervisor.get(name)
        if managed is None:
            return await self._on_unsupervised(action, name)

        async def send(number: signal.Signals) -> None:
            if managed.pid is not None:
                os.kill(managed.pid, number)

        return await self._act(action, name, [managed], send)

    async def _act(
        self, action: str, subject: str, processes: Sequence[Managed], send: Send
    ) -> str:
        """Do *action* to *processes*; `send` delivers one signal to all of them."""
        async with self.acting:
            if why := _refusal(action, processes):
                raise rpc.RpcError("FailedPrecondition", f"{subject} {why}")
            pid = processes[0].pid or 0
            match action:
                case "kill":
                    await self._kill(subject, processes, send, pid)
                case "start":
                    for managed in processes:
                        self._supervisor.revive(managed, clock.monotonic())
                    self._notes.note("start", subject)
                case "pause" | "resume":
                    pausing = action == "pause"
                    await send(signal.SIGSTOP if pausing else signal.SIGCONT)
                    change = self._supervisor.pause if pausing else self._supervisor.resume
                    for managed in processes:
                        change(managed)
                    self._notes.note(f"{action}d", subject, pid=pid)
                case _:
                    raise rpc.RpcError("InvalidArgument", f"no action {action}")
            self._on_change(processes)
        return subject

    async def _kill(self, subject: str, processes: Sequence[Managed], send: Send, pid: int) -> None:
        for managed in processes:
            self._supervisor.kill(managed)
        self._notes.note("killed", subject, pid=pid)
        await send(signal.SIGKILL)
        await until_dead(lambda: all(managed.pid is None for managed in processes))

    async def kill_for_good(self, node: str) -> None:
        """Kill what of *node* lives; whoever calls holds `acting`."""
        managed = self._supervisor.of_node(node)
        for each in managed:
            self._supervisor.kill(each)
        await self._groups.signal(node, signal.SIGKILL)
        await until_dead(lambda: all(each.pid is None for each in managed))

    async def _on_unsupervised(self, action: str, name: str) -> str:
        pid = unsupervised.find(self._paths, name)
        if pid is None:
            raise rpc.RpcError("NotFound", f"there is no process {name!r}{self._known(name)}")
        stopped = session.is_stopped(pid)
        match action:
            case "kill":
                os.kill(pid, signal.SIGKILL)
                await until_dead(lambda: session.has_ended(pid))
            case "pause" | "resume" if stopped == (action == "pause"):
                raise rpc.RpcError(
                    "FailedPrecondition",
                    f"{name} is {'paused already' if stopped else 'not paused'}",
                )
            case "pause":
                os.kill(pid, signal.SIGSTOP)
            case "resume":
                os.kill(pid, signal.SIGCONT)
            case _:
                raise rpc.RpcError(
                    "FailedPrecondition", f"{name} is running; if it dies its parent starts it"
                )
        done = {"kill": "killed", "pause": "paused", "resume": "resumed"}
        self._notes.note(done[action], name, pid=pid)
        return name

    def _nodes(self) -> str:
        """Return which nodes there are instead."""
        processes = self._supervisor.processes()
        names = list(dict.fromkeys(one.plan.node for one in processes if one.plan.node))
        rest = ", …" if len(names) > _NAMED_MAX else ""
        return f"; there are {', '.join(names[:_NAMED_MAX])}{rest}"

    def _known(self, name: str) -> str:
        """Return what there is instead of *name*: of its node, or of the control plane."""
        names = [process.plan.name for process in self._supervisor.processes()]
        node = name.split("/")[0]
        near = [other for other in names if other.startswith(f"{node}/")] or names
        rest = ", …" if len(near) > _NAMED_MAX else ""
        return f"; there are {', '.join(near[:_NAMED_MAX])}{rest} (podwire status --pods)"


def _refusal(action: str, processes: Sequence[Managed]) -> str:
    """Say why *action* makes no sense for processes in such states; "" when it does."""
    states = [managed.state for managed in processes]
    alive = [managed for managed in processes if managed.pid is not None]
    stopped = [
        managed
        for managed in alive
        if managed.state is State.PAUSED or session.is_stopped(managed.pid or 0)
    ]
    match action:
        case "kill" if all(state is State.KILLED for state in states):
            return "is already dead"
        case "start" if State.KILLED not in states:
            return "is paused: resume it" if stopped else "is running"
        case "pause" | "resume" if not alive:
            return "is not running"
        case "pause" if len(stopped) == len(alive):
            return "is paused already"
        case "resume" if not stopped:
            return "is not paused"
        case _:
            return ""
