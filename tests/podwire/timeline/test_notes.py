"""Details of any type are what they should be, or not there."""

from __future__ import annotations

from story import EPOCH, endpoints, note

from podwire.timeline.notes import concerns, node_in, nodes_of_pods, number, text, texts, tick_of


def test_a_detail_of_the_wrong_type_is_not_there() -> None:
    one = note(1, "p", "w", "s", a=1, b="x", c=["y"], d=True, e=float("nan"))
    assert (number(one, "a"), number(one, "b"), number(one, "d"), number(one, "e")) == (
        1.0, None, None, None,
    )  # fmt: skip
    assert (text(one, "b"), text(one, "a"), text(one, "z")) == ("x", "", "")
    assert (texts(one, "c"), texts(one, "b")) == (["y"], [])


def test_a_moment_in_unix_seconds_becomes_a_tick() -> None:
    assert abs(tick_of(note(20, "p", "w", "s"), EPOCH + 15.5) - 15.5) < 1e-5


def test_names_of_nodes() -> None:
    assert [node_in(s) for s in ("node-2", "node-2/datapath", "scheduler", "node-x")] == [
        "node-2", "node-2", "", "",
    ]  # fmt: skip


def test_what_concerns_a_node() -> None:
    placed = note(1, "scheduler", "scheduled", "default/p", node="node-2")
    places = nodes_of_pods([placed])
    assert places == {"default/p": "node-2"}
    about = [
        placed,
        note(1, "launcher", "killed", "node-2"),
        note(1, "node-2/nodeagent", "anything", "x"),
        note(1, "launcher", "fault-set", "node-1 → node-2"),
        endpoints(1, "1", [], ["default/p"]),
    ]
    assert all(concerns(one, "node-2", places) for one in about)
    assert not any(concerns(one, "node-3", places) for one in about)
