"""What the demo waits for."""

from __future__ import annotations

from componentbase.journal import Note
from podwire.demo.moments import pods_on, ready_pods, replaced, was


def note(what: str, subject: str, node: str = "") -> Note:
    return Note(at=0, tick=0, process="p", what=what, subject=subject, details={"node": node})


BEFORE = [note("pod-ready", "d/a", "node-1"), note("pod-ready", "d/b", "node-2")]
EVICTED = note("evicted", "d/b", "node-2")


def test_a_pod_is_ready_until_it_is_not_or_is_given_up() -> None:
    assert ready_pods(BEFORE) == ["d/a", "d/b"]
    assert pods_on(BEFORE, "node-2") == 1
    assert ready_pods([*BEFORE, note("pod-not-ready", "d/a", "node-1"), EVICTED]) == []


def test_capacity_is_back_when_as_many_are_ready_elsewhere() -> None:
    assert not replaced(BEFORE, "node-2", 2)
    assert not replaced([*BEFORE, EVICTED], "node-2", 2)
    assert replaced([*BEFORE, EVICTED, note("pod-ready", "d/c", "node-3")], "node-2", 2)


def test_what_was_noted_of_another_is_not_it() -> None:
    notes = [note("not-ready", "node-3")]
    assert was(notes, "not-ready", "node-3")
    assert not was(notes, "not-ready", "node-2")
