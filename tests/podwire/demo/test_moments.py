"""What the demo waits for."""

from __future__ import annotations

from componentbase.journal import Note
from podwire.demo.moments import failures, pods_on, programmed, ready_pods, replaced, was
from podwire.timeline.explain import explain
from podwire.timeline.incidents import incidents


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


def test_traffic_may_begin_when_every_proxy_knows_every_endpoint_of_one_service() -> None:
    def told(service: str, node: str, endpoints: int) -> Note:
        details = {"node": node, "endpoints": endpoints}
        return Note(at=0, tick=0, process="p", what="programmed", subject=service, details=details)

    nodes = ["node-1", "node-2"]
    notes = [told("d/web", "node-1", 2), told("d/dns", "node-2", 2), told("d/web", "node-2", 1)]
    assert not programmed(notes, nodes, 2)
    assert programmed([*notes, told("d/web", "node-2", 2)], nodes, 2)
    assert not programmed(
        [*notes, told("d/web", "node-2", 2), told("d/web", "node-1", 0)], nodes, 2
    )


def test_only_the_failures_that_a_kill_explains_count_as_its_own() -> None:
    def at(tick: float, what: str, sent_at: float) -> Note:
        details = {"sent_at": sent_at, "error": "timeout"}
        return Note(at=tick, tick=tick, process="p", what=what, subject="d/x", details=details)

    killed = Note(at=100, tick=100, process="launcher", what="killed", subject="node-2", details={})
    early = [at(96.1, "first-failure", 96), at(97.1, "last-failure", 96)]
    own = [at(101, "first-failure", 100.5), at(106, "last-failure", 104.5)]
    later = [at(109, "first-failure", 108), at(112, "last-failure", 111)]
    notes = [*early, killed, *own, *later]
    assert failures(explain(notes, incidents(notes)[-1])) == (0.5, 4.5)
    assert failures(explain([killed], incidents([killed])[-1])) is None
