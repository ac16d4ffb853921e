"""Thousands of notes as a few lines, and nothing important among them lost."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st
from story import failover, note, programmed

from componentbase.journal import in_order
from podwire.timeline.condense import FOLLOWING, Condenser, condensed, every


def test_pods_that_are_scheduled_together_are_one_line() -> None:
    notes = [
        note(1 + n / 100, "scheduler", "scheduled", f"default/web-{n}", node=f"node-{n % 2 + 1}")
        for n in range(12)
    ]
    assert [line.words for line in condensed(notes)] == [
        "12 pods scheduled on node-1 (6), node-2 (6)"
    ]


def test_one_change_on_many_nodes_is_one_line_with_its_range() -> None:
    notes = [programmed(1.001 * n, f"node-{n}", "7", n / 1000) for n in (4, 5, 9)]
    notes = [programmed(1.0, one.details["node"], "7", one.details["latency_s"]) for one in notes]  # type: ignore[arg-type]
    assert [line.words for line in condensed(notes)] == [
        "default/web programmed on 3 nodes in 4-9 ms"
    ]


def test_a_single_note_is_told_in_full() -> None:
    (line,) = condensed([note(1, "scheduler", "scheduled", "default/web-1", node="node-1")])
    assert line.words == "default/web-1 scheduled to node-1"


def test_a_kill_stands_between_what_was_before_and_after_it() -> None:
    started = [note(t, "n", "pod-started", f"default/p{t}", node="node-1") for t in (1.0, 1.2)]
    lines = condensed([started[0], note(1.1, "launcher", "killed", "node-2"), started[1]])
    assert [line.words for line in lines] == [
        "default/p1.0 started",
        "node-2 killed",
        "default/p1.2 started",
    ]


def test_a_group_is_told_when_it_is_quiet_and_at_the_latest_when_it_is_old() -> None:
    condenser = Condenser()
    told, tick = [], 0.0
    while not told:
        told = condenser.add(note(tick, "s", "scheduled", f"default/{tick}", node="node-1"))
        tick += FOLLOWING.quiet_s / 2
    assert FOLLOWING.open_max_s <= tick <= FOLLOWING.open_max_s + FOLLOWING.quiet_s
    last = tick - FOLLOWING.quiet_s / 2
    assert condenser.deadline() == last + FOLLOWING.quiet_s
    assert condenser.due(last + FOLLOWING.quiet_s / 2) == []
    assert len(condenser.due(last + FOLLOWING.quiet_s)) == 1
    assert condenser.deadline() == math.inf


def test_no_line_overtakes_one_that_began_before_it() -> None:
    condenser, told = Condenser(), []
    for n in range(9):
        told += condenser.add(
            note(n / 10, "c", "pod-created", f"default/{n}", owner="ReplicaSet/w")
        )
        if n == 1:
            told += condenser.add(note(0.11, "s", "scheduled", "default/0", node="node-1"))
    told += condenser.due(5.0)
    assert [line.first.what for line in told] == ["pod-created", "scheduled"]


def test_a_rolling_restart_is_a_handful_of_lines() -> None:
    notes = []
    for n in range(1000):
        pod = f"default/web-{n}"
        notes += [
            note(n / 500, "controller-manager", "pod-created", pod, owner="ReplicaSet/web"),
            note(n / 500 + 0.02, "scheduler", "scheduled", pod, node=f"node-{n % 5}"),
            note(n / 500 + 0.2, "k", "pod-started", pod, node=f"node-{n % 5}"),
            note(n / 500 + 0.3, "k", "pod-ready", pod, node=f"node-{n % 5}"),
        ]
    lines = condensed(in_order(notes))
    assert len(lines) <= 16
    assert sum(len(line.notes) for line in lines) == 4000


@given(st.lists(st.sampled_from(failover()), max_size=40))
def test_every_note_is_told_once_and_lines_stand_in_order(chosen: list) -> None:
    notes = in_order(chosen)
    lines = condensed(notes)
    ticks = [line.first.tick for line in lines]
    assert ticks == sorted(ticks)
    told = sorted(one.tick for line in lines for one in line.notes)
    assert told == [one.tick for one in notes]
    assert len(every(notes)) == len(notes)
