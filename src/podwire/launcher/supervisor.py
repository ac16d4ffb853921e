"""Which process should run, which does, and when a dead one is started again.

Pure decisions; `run.py` forks and kills. A process that dies is restarted after a back-off that
doubles from `RESTART_FIRST_S` to `RESTART_MAX_S` and is forgotten once it has lived
`STEADY_S`: a crash heals at once, a crash loop does not eat the machine.

Many nodes begin one after the other: hundreds that shake hands with one API server at once all
wait so long that they give up, and begin anew.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from podwire.cluster.plan import ProcessPlan

RESTART_FIRST_S: Final = 0.1
RESTART_MAX_S: Final = 5.0
STEADY_S: Final = 10.0
NODES_AT_ONCE: Final = 16
#: What a machine's core bears of further ones: a node that joins costs all processes 0.3 s of it.
NODES_PER_S_AND_CORE: Final = 3.0


class State(Enum):
    """What a process is doing, as `podwire status` prints it."""

    STARTING = "starting"
    RUNNING = "running"
    PAUSED = "paused"
    RESTARTING = "restarting"
    KILLED = "killed"


@dataclass(slots=True)
class Managed:
    """One process under supervision."""

    plan: ProcessPlan
    state: State = State.STARTING
    pid: int | None = None
    restarts: int = 0
    started_at: float = 0.0
    start_at: float = 0.0  # When to start it, while STARTING or RESTARTING.
    backoff_s: float = 0.0


class Supervisor:
    """The table of a cluster's processes."""

    def __init__(
        self, plans: Iterable[ProcessPlan], now: float = 0.0, *, cores: float = math.inf
    ) -> None:
        self._processes: dict[str, Managed] = {}
        self._nodes_per_s = NODES_PER_S_AND_CORE * cores
        self.add(plans, now)

    def add(self, plans: Iterable[ProcessPlan], now: float) -> None:
        """Have more processes started: at the next `due`, but for nodes that are too many."""
        nodes: dict[str, int] = {}
        for plan in plans:
            assert plan.name not in self._processes
            turn = 0 if plan.node is None else nodes.setdefault(plan.node, len(nodes))
            delay_s = max(0, turn + 1 - NODES_AT_ONCE) / self._nodes_per_s
            self._processes[plan.name] = Managed(plan, start_at=now + delay_s)

    def remove_node(self, node: str) -> None:
        """Forget the processes of *node*, which have ended."""
        for process in self.of_node(node):
            assert process.pid is None
            del self._processes[process.plan.name]

    def processes(self) -> Sequence[Managed]:
        return list(self._processes.values())

    def of_node(self, node: str) -> Sequence[Managed]:
        return [process for process in self._processes.values() if process.plan.node == node]

    def get(self, name: str) -> Managed | None:
        return self._processes.get(name)

    def is_up(self, name: str) -> bool:
        """Tell whether a process runs and is not paused."""
        process = self._processes.get(name)
        return process is not None and process.state is State.RUNNING

    def due(self, now: float) -> list[Managed]:
        """Return what should be started now, in the plan's order."""
        return [process for process in self._processes.values() if _waits(process, now)]

    def deadline(self) -> float:
        """Return when `due` will next have something to say."""
        waiting = (p.start_at for p in self._processes.values() if _waits(p, math.inf))
        return min(waiting, default=math.inf)

    def started(self, process: Managed, pid: int, now: float) -> None:
        assert process.pid is None
        process.pid, process.started_at, process.state = pid, now, State.RUNNING

    def exited(self, pid: int, now: float) -> Managed | None:
        """Note that *pid* is gone; return its process if it was one of ours."""
        for process in self._processes.values():
            if process.pid == pid:
                process.pid = None
                if process.state is not State.KILLED:
                    self._schedule_restart(process, now)
                return process
        return None

    def _schedule_restart(self, process: Managed, now: float) -> None:
        if now - process.started_at >= STEADY_S:
            process.backoff_s = 0.0
        process.start_at = now + process.backoff_s
        process.backoff_s = min(max(2 * process.backoff_s, RESTART_FIRST_S), RESTART_MAX_S)
        process.state = State.RESTARTING
        process.restarts += 1

    def kill(self, process: Managed) -> None:
        """Note that *process* is to stay dead until `revive`."""
        process.state = State.KILLED

    def revive(self, process: Managed, now: float) -> None:
        """Start a killed process again at the next `due`."""
        if process.state is State.KILLED:
            process.state, process.start_at, process.backoff_s = State.STARTING, now, 0.0

    def pause(self, process: Managed) -> None:
        if process.state is State.RUNNING:
            process.state = State.PAUSED

    def resume(self, process: Managed) -> None:
        if process.state is State.PAUSED:
            process.state = State.RUNNING


def _waits(process: Managed, now: float) -> bool:
    return (
        process.pid is None
        and process.state in (State.STARTING, State.RESTARTING)
        and process.start_at <= now
    )
