"""Which notes are failures that can be explained."""

from __future__ import annotations

from story import failover, note

from componentbase.journal import Note
from podwire.timeline.incidents import choose, incidents


def titles(notes: list[Note]) -> list[str]:
    return [one.title for one in incidents(notes)]


def test_acts_upon_nodes_and_processes_are_numbered_in_order() -> None:
    notes = [
        note(1, "launcher", "killed", "node-2"),
        note(2, "launcher", "start", "node-2"),
        note(3, "launcher", "paused", "node-1/nodeagent"),
        note(4, "launcher", "killed", "scheduler"),
    ]
    assert titles(notes) == [
        "#1 node-2 killed",
        "#2 node-1/nodeagent paused",
        "#3 scheduler killed",
    ]
    assert [one.node for one in incidents(notes)] == ["node-2", "node-1", ""]


def test_a_partition_is_one_incident_in_both_directions_and_a_slow_link_none() -> None:
    notes = [
        note(1.0, "launcher", "fault-set", "control-plane-1 → node-2", loss=1.0),
        note(1.1, "launcher", "fault-set", "node-2 → control-plane-1", loss=1.0),
        note(50.0, "launcher", "fault-set", "node-1 → node-2", delay_s=0.1),
        note(90.0, "launcher", "fault-set", "etcd-1 → etcd-2", loss=1.0),
        note(95.0, "launcher", "fault-set", "pod/default/web-1 → node-1", loss=1.0),
    ]
    found = incidents(notes)
    assert [(one.note.tick, one.node) for one in found] == [(1.0, "node-2")]


def test_not_ready_that_follows_from_an_act_is_no_incident_of_its_own() -> None:
    assert titles(failover()) == ["#1 node-2 killed"]
    alone = note(900, "controller-manager", "not-ready", "node-3")
    assert titles([*failover(), alone]) == ["#1 node-2 killed", "#2 node-3 not-ready"]


def test_not_ready_of_an_earlier_boot_has_its_own_reason() -> None:
    lost = note(12.0, "controller-manager", "not-ready", "node-2", boot="later")
    assert len(incidents([note(10.0, "launcher", "killed", "node-2"), lost])) == 2


def test_a_pod_that_is_killed_is_known_as_such() -> None:
    (found,) = incidents([note(1, "launcher", "killed", "node-2/pod/default/web-1")])
    assert (found.node, found.pod) == ("node-2", "default/web-1")
    (found,) = incidents([note(1, "launcher", "killed", "node-2/nodeagent")])
    assert (found.node, found.pod) == ("node-2", "")


def test_a_drain_is_an_incident_and_no_reason_for_a_loss() -> None:
    drained = note(1, "controller-manager", "cordoned", "node-2")
    lost = note(30, "controller-manager", "not-ready", "node-2")
    assert titles([drained, lost]) == ["#1 node-2 cordoned", "#2 node-2 not-ready"]


def test_the_last_one_is_chosen_unless_a_number_is_given() -> None:
    found = incidents([note(t, "launcher", "killed", "node-2") for t in (1, 2, 3)])
    last, second = choose(found, None), choose(found, 2)
    assert last is not None
    assert second is not None
    assert (last.number, second.number) == (3, 2)
    assert choose(found, 4) is None
    assert choose([], None) is None
