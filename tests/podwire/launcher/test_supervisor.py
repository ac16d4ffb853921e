"""When a dead process is started again."""

from __future__ import annotations

import math

from podwire.cluster.plan import ProcessPlan
from podwire.launcher.supervisor import (
    NODES_AT_ONCE,
    NODES_PER_S_AND_CORE,
    RESTART_FIRST_S,
    RESTART_MAX_S,
    STEADY_S,
    State,
    Supervisor,
)


def supervisor(*names: str) -> Supervisor:
    return Supervisor(ProcessPlan(name, "role", name.partition("/")[0]) for name in names)


def start_all(table: Supervisor, now: float) -> None:
    for number, process in enumerate(table.due(now)):
        table.started(process, 100 + number, now)


def test_everything_is_due_at_first_in_order() -> None:
    table = supervisor("b", "a")
    assert [process.plan.name for process in table.due(0.0)] == ["b", "a"]
    start_all(table, 0.0)
    assert table.due(1.0) == []
    assert table.deadline() == math.inf


def plans_of(*nodes: str) -> list[ProcessPlan]:
    roles = ("datapath", "nodeagent")
    return [ProcessPlan(f"{node}/{role}", role, node) for node in nodes for role in roles]


def test_many_nodes_begin_one_after_the_other() -> None:
    names = [f"node-{number}" for number in range(1, NODES_AT_ONCE + 3)]
    table = Supervisor([ProcessPlan("apiserver", "role", None), *plans_of(*names)], 5.0, cores=2)
    every_s = 1 / (2 * NODES_PER_S_AND_CORE)
    first = table.due(5.0)
    assert first[0].plan.name == "apiserver"
    assert len(first) == 1 + 2 * NODES_AT_ONCE
    start_all(table, 5.0)
    for turn, name in enumerate(names[NODES_AT_ONCE:], 1):
        assert table.deadline() == 5.0 + turn * every_s
        due = table.due(table.deadline())
        assert [process.plan.node for process in due] == [name, name]
        start_all(table, table.deadline())
    assert table.deadline() == math.inf


def test_nodes_that_are_added_to_many_begin_at_once() -> None:
    table = Supervisor([], cores=1)
    table.add(plans_of(*(f"node-{number}" for number in range(NODES_AT_ONCE))), 0.0)
    table.add(plans_of("late-1", "late-2"), 1.0)
    assert len(table.due(1.0)) == 2 * NODES_AT_ONCE + 4


def test_a_first_crash_heals_at_once() -> None:
    table = supervisor("a")
    start_all(table, 0.0)
    process = table.exited(100, 1.0)
    assert process is not None
    assert process.state is State.RESTARTING
    assert table.due(1.0) == [process]
    assert process.restarts == 1


def test_a_crash_loop_slows_down_to_the_maximum() -> None:
    table, now, waits = supervisor("a"), 0.0, []
    for _ in range(12):
        start_all(table, now)
        table.exited(100, now)
        waits.append(table.deadline() - now)
        now = table.deadline()
    assert waits[0] == 0.0
    assert waits[1] == RESTART_FIRST_S
    assert waits == sorted(waits)
    assert waits[-1] == RESTART_MAX_S


def test_a_steady_life_forgives_earlier_crashes() -> None:
    table, now = supervisor("a"), 0.0
    for _ in range(5):
        start_all(table, now)
        table.exited(100, now)
        now = table.deadline()
    start_all(table, now)
    table.exited(100, now + STEADY_S)
    assert table.deadline() == now + STEADY_S


def test_a_killed_process_stays_dead_until_it_is_revived() -> None:
    table = supervisor("a")
    start_all(table, 0.0)
    process = table.get("a")
    assert process is not None
    table.kill(process)
    table.exited(100, 1.0)
    assert table.due(1000.0) == []
    table.revive(process, 1000.0)
    assert table.due(1000.0) == [process]
    assert process.restarts == 0


def test_reviving_what_lives_changes_nothing() -> None:
    table = supervisor("a")
    start_all(table, 0.0)
    process = table.get("a")
    assert process is not None
    table.revive(process, 1.0)
    assert process.state is State.RUNNING


def test_pause_and_resume() -> None:
    table = supervisor("a")
    start_all(table, 0.0)
    process = table.processes()[0]
    table.pause(process)
    assert process.state is State.PAUSED
    table.resume(process)
    assert process.state is State.RUNNING


def test_a_strangers_exit_is_none_of_ours() -> None:
    table = supervisor("a")
    start_all(table, 0.0)
    assert table.exited(999, 1.0) is None


def test_the_processes_of_one_node() -> None:
    table = supervisor("apiserver", "node-1/datapath", "node-1/nodeagent", "node-2/datapath")
    names = [process.plan.name for process in table.of_node("node-1")]
    assert names == ["node-1/datapath", "node-1/nodeagent"]
