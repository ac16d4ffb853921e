"""From notes to the chain: every link, every gap's reason, and nothing invented."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from story import EPOCH, drain, endpoints, failover, note, programmed

from componentbase.journal import Note, in_order
from podwire.timeline.explain import WORK_MAX_S, Explanation, as_json, explain
from podwire.timeline.incidents import incidents


def explained(notes: list[Note]) -> Explanation:
    return explain(notes, incidents(notes)[-1])


def steps(explanation: Explanation) -> list[str]:
    return [step.moment.step for step in explanation.steps]


def step(explanation: Explanation, name: str):
    return next(one for one in explanation.steps if one.moment.step == name)


def test_a_node_kill_is_told_link_by_link_in_causal_order() -> None:
    explanation = explained(failover())
    assert steps(explanation) == [
        "last-heartbeat",
        "killed",
        "not-ready",
        "tainted",
        "last-failure",
        "endpoints-removed",
        "programmed",
        "programmed",
        "evicted",
        "pod-created",
        "scheduled",
        "pod-started",
        "pod-ready",
        "endpoint-added",
        "programmed-new",
        "programmed-new",
        "first-served",
    ]
    assert explanation.missing == ()


def test_the_gaps_sum_up_to_the_whole() -> None:
    explanation = explained(failover())
    assert sum(one.gap_s for one in explanation.steps) == pytest.approx(explanation.whole_s)
    assert explanation.whole_s == pytest.approx(25.7 - 9.6)


def test_the_gap_before_not_ready_is_the_grace_period_that_was_left_and_one_look() -> None:
    lost = step(explained(failover()), "not-ready")
    assert lost.waited_s == pytest.approx(5.1)  # since the heartbeat
    assert [part.running.timer.name for part in lost.parts] == [
        "--node-monitor-grace-period",
        "--node-monitor-period",
    ]
    assert [part.seconds for part in lost.parts] == pytest.approx([4.6, 0.1], abs=1e-5)
    assert [part.running.timer.default_s for part in lost.parts] == [50, 5]
    assert lost.work_s == pytest.approx(0, abs=1e-5)


def test_eviction_waits_for_the_toleration_from_the_taint_on() -> None:
    evicted = step(explained(failover()), "evicted")
    assert evicted.waited_s == pytest.approx(10.04)
    (part,) = evicted.parts
    assert part.running.setting_s == 10
    assert part.seconds == pytest.approx(24.71 - 14.77)
    assert evicted.work_s == pytest.approx(0.04)


def test_a_readiness_probe_explains_the_wait_for_ready() -> None:
    ready = step(explained(failover()), "pod-ready")
    assert {part.running.timer.name: part.seconds for part in ready.parts} == pytest.approx(
        {"readinessProbe periodSeconds": 0.65}
    )


def test_what_no_timer_and_no_usual_work_covers_is_said_to_be_unexplained() -> None:
    notes = [
        one
        if one.what != "scheduled" or one.tick < 1
        else note(one.tick, "scheduler", "scheduled", one.subject, node="node-3")
        for one in failover()
    ]
    late = [
        note(one.tick + 60, one.process, one.what, one.subject, **one.details)
        if one.tick > 24.77 and one.what != "last-failure"
        else one
        for one in notes
    ]
    scheduled = step(explained(in_order(late)), "scheduled")
    assert scheduled.unexplained_s == pytest.approx(60.02)
    assert scheduled.work_s == 0


def test_a_node_that_was_tainted_a_moment_before_makes_this_one_wait_its_turn() -> None:
    other = note(14.2, "controller-manager", "tainted", "node-3", taint="x:NoExecute")
    tainted = step(explained(in_order([*failover(), other])), "tainted")
    assert [part.running.timer.name for part in tainted.parts] == ["--node-eviction-rate"]
    assert tainted.parts[0].running.setting_s == 1.0  # 10 s at a tenth of the time


def test_a_heartbeat_that_is_seen_after_the_kill_waited_for_the_monitor() -> None:
    notes = [
        note(
            15.3, one.process, one.what, one.subject,
            **{**one.details, "last_heartbeat_at": EPOCH + 10.2},
        )
        if one.what == "not-ready"
        else one
        for one in failover()
    ]  # fmt: skip
    explanation = explained(in_order(notes))
    assert steps(explanation)[:2] == ["killed", "last-heartbeat"]
    heartbeat = step(explanation, "last-heartbeat")
    assert heartbeat.parts[0].running.timer.name == "--node-monitor-period"
    assert heartbeat.parts[0].seconds == pytest.approx(0.2)


def test_a_note_that_was_written_after_its_effects_counts_as_no_later_than_them() -> None:
    notes = [one for one in failover() if one.what != "endpoints-changed"]
    notes += [
        endpoints(14.80, "20", [], ["default/web-1-a"]),  # After both proxies had programmed it.
        endpoints(25.62, "30", ["default/web-1-b"], []),
    ]
    explanation = explained(in_order(notes))
    names = steps(explanation)
    assert names.index("endpoints-removed") < names.index("programmed")
    assert all(one.gap_s >= 0 for one in explanation.steps)


@pytest.mark.parametrize(
    ("without", "missing", "words"),
    [
        ("not-ready", "not-ready", "grace period is 5 s"),
        ("endpoints-changed", "endpoints-removed", "nothing of node-2 left"),
        ("evicted", "evicted", "tolerationSeconds"),
        ("pod-created", "pod-created", "no controller has made"),
        ("pod-ready", "pod-ready", "web-1-b is not Ready yet"),
        ("last-failure", "last-failure", "no request failed"),
        ("backend-served", "first-served", "web-1-b has served none"),
    ],
)
def test_a_missing_link_is_said_and_not_invented(without: str, missing: str, words: str) -> None:
    explanation = explained([one for one in failover() if one.what != without])
    why = {one.step: one.why for one in explanation.missing}
    assert words in why[missing]
    assert missing not in steps(explanation)


def test_failures_that_go_on_have_no_last_one_yet() -> None:
    first = note(11.0, "loadgen", "first-failure", "http://x/", error="timeout", sent_at=EPOCH + 10)
    notes = [one for one in failover() if one.what != "last-failure"]
    explanation = explained(in_order([*notes, first]))
    assert step(explanation, "first-failure").moment.tick == pytest.approx(10, abs=1e-5)
    assert "had not ended" in explanation.missing[0].why


def test_an_outage_that_comes_later_is_another_story() -> None:
    more = [
        note(10.3, "loadgen", "first-failure", "http://x/", error="timeout", sent_at=EPOCH + 10.3),
        note(34.0, "loadgen", "first-failure", "http://x/", error="refused", sent_at=EPOCH + 34),
        note(39.0, "loadgen", "last-failure", "http://x/", error="refused", sent_at=EPOCH + 36),
    ]
    last = step(explained(in_order([*failover(), *more])), "last-failure")
    assert last.after_s == pytest.approx(4.72, abs=1e-5)


def test_the_struck_node_s_own_proxy_is_not_waited_for() -> None:
    late = programmed(39.0, "node-2", "30")
    assert "node-2" not in [
        one.moment.node
        for one in explained(in_order([*failover(), late])).steps
        if one.moment.step.startswith("programmed")
    ]


def test_without_load_the_chain_says_so() -> None:
    notes = [one for one in failover() if one.process != "loadgen"]
    why = {one.step: one.why for one in explained(notes).missing}
    assert why["last-failure"] == why["first-served"] == "no load was noted while this happened"


def test_a_proxy_that_never_programmed_it_is_named() -> None:
    notes = [
        one
        for one in failover()
        if not (one.what == "programmed" and one.details["resource_version"] == "20")
        or one.details["node"] == "node-1"
    ]
    notes = [
        one
        for one in notes
        if not (one.what == "programmed" and one.tick > 15 and one.details["node"] == "node-3")
    ]
    why = [one.why for one in explained(notes).missing if one.step == "programmed"]
    assert why == ["node-3 noted no programming of it"]


def test_a_pause_that_ends_within_the_grace_period_loses_no_node() -> None:
    notes = [
        note(0.0, "controller-manager", "not-ready", "node-9", grace_s=5.0),
        note(200.0, "launcher", "paused", "node-2"),
        note(202.5, "launcher", "resumed", "node-2"),
    ]
    explanation = explained(notes)
    assert steps(explanation) == ["paused", "resumed"]
    assert explanation.missing[0].why == "node-2 was back after 2.5 s; the grace period is 5 s"


def test_a_node_that_nobody_was_seen_to_touch_begins_with_its_last_heartbeat() -> None:
    notes = [one for one in failover() if one.what != "killed"]
    explanation = explained(notes)
    assert steps(explanation)[:2] == ["last-heartbeat", "not-ready"]
    assert step(explanation, "not-ready").after_s == 0


def test_a_scheduler_that_dies_is_followed_by_another_leader() -> None:
    notes = [
        note(0.0, "scheduler-1", "leading", "scheduler-1"),
        note(10.0, "launcher", "killed", "scheduler-1", pid=7),
        note(11.6, "scheduler-2", "leading", "scheduler-2"),
    ]
    explanation = explained(notes)
    assert steps(explanation) == ["killed", "leading"]
    leading = step(explanation, "leading")
    assert [part.running.timer.name for part in leading.parts] == [
        "--leader-elect-lease-duration",
        "--leader-elect-retry-period",
    ]
    assert [part.seconds for part in leading.parts] == pytest.approx([1.5, 0.1])


def test_a_killed_pod_is_followed_to_its_own_return() -> None:
    pod = "default/web-1-a"
    notes = [
        note(0.0, "scheduler", "scheduled", pod, node="node-2"),
        programmed(0.5, "node-1", "10"),
        note(10.0, "launcher", "killed", f"node-2/pod/{pod}", pid=7),
        note(10.05, "node-2/nodeagent", "pod-not-ready", pod, node="node-2"),
        endpoints(10.06, "20", [], [pod]),
        programmed(10.07, "node-1", "20", 0.02),
        note(10.3, "node-2/nodeagent", "pod-started", pod, node="node-2"),
        note(10.4, "node-2/nodeagent", "pod-ready", pod, node="node-2"),
        endpoints(10.41, "30", [pod], []),
        programmed(10.42, "node-1", "30", 0.02),
    ]
    assert steps(explained(notes)) == [
        "killed", "pod-not-ready", "endpoints-removed", "programmed", "pod-started", "pod-ready",
        "endpoint-added", "programmed-new",
    ]  # fmt: skip


def test_json_has_every_gap_with_its_timers_and_their_defaults() -> None:
    document = as_json(explained(failover()))
    assert document["incident"]["subject"] == "node-2"  # type: ignore[index]
    lost = next(one for one in document["steps"] if one["step"] == "not-ready")  # type: ignore[attr-defined]
    assert lost["since"] == "last-heartbeat"
    assert lost["timers"][0] == {
        "name": "--node-monitor-grace-period",
        "setting_s": 5.0,
        "upstream_default_s": 50,
        "at_most": False,
        "in_gap_s": pytest.approx(4.6),
    }


def holds(explanation: Explanation) -> None:
    """What is true of every explanation, of whatever notes."""
    for one in explanation.steps:
        assert one.gap_s >= 0
        assert one.work_s >= 0
        assert one.unexplained_s >= 0
        assert all(part.seconds >= 0 for part in one.parts)
        covered = sum(part.seconds for part in one.parts) + one.work_s + one.unexplained_s
        assert covered == pytest.approx(one.gap_s, abs=1e-5)
        assert one.moment.outside or one.work_s <= WORK_MAX_S
    total = sum(one.gap_s for one in explanation.steps)
    assert total == pytest.approx(explanation.whole_s, abs=1e-5)


@given(st.sets(st.integers(0, len(failover()) - 1)), st.integers(0, 2**32), st.floats(-30, 30))
def test_any_part_of_the_story_in_any_order_is_explained(
    left_out: set[int], seed: int, jump_s: float
) -> None:
    rng = random.Random(seed)
    notes = [one for index, one in enumerate(failover()) if index not in left_out]
    moved = [
        note(max(0.0, one.tick + rng.choice((0, 0, jump_s))), one.process, one.what, one.subject,
             **one.details)
        for one in notes
    ]  # fmt: skip
    rng.shuffle(moved)
    ordered = in_order(moved)
    for incident in incidents(ordered):
        holds(explain(ordered, incident))


ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.floats(),
    st.sampled_from(["node-1", "node-2", "web-1", "7", ":NoExecute", "", "default/web-1-a"]),
    st.lists(st.sampled_from(["default/web-1-a", "default/web-1-b", "x"]), max_size=2),
)
NAMES = ("node", "taint", "slice", "resource_version", "added", "removed", "toleration_s", "owner",
         "last_heartbeat_at", "grace_s", "monitor_period_s", "sent_at", "backend", "loss",
         "probe_period_s", "probe_delay_s", "status")  # fmt: skip
NOTES = st.builds(
    Note,
    at=st.floats(0, 1e9),
    tick=st.floats(0, 1e4),
    process=st.sampled_from(["launcher", "node-1/nodeagent", "loadgen"]),
    what=st.sampled_from(sorted({one.what for one in failover()} | {"paused", "fault-set"})),
    subject=st.sampled_from(
        ["node-1", "node-2", "default/web-1-a", "default/web-1-b", "node-1 → node-2", "scheduler",
         "node-1/pod/default/web-1-a", "/", ""]
    ),
    details=st.dictionaries(st.sampled_from(NAMES), ANYTHING, max_size=6),
    boot=st.sampled_from(["a", "b"]),
)  # fmt: skip


@given(st.lists(NOTES, max_size=30))
def test_notes_that_make_no_sense_are_explained_all_the_same(notes: list[Note]) -> None:
    ordered = in_order(notes)
    for incident in incidents(ordered):
        explanation = explain(ordered, incident)
        for one in explanation.steps:
            assert one.gap_s >= 0
            assert all(part.seconds >= 0 for part in one.parts)
        as_json(explanation)


def test_a_drain_is_told_by_the_pod_that_stopped_last() -> None:
    explanation = explained(drain())
    assert steps(explanation) == [
        "cordoned",
        "eviction-refused",
        "api-evicted",
        "pod-stopping",
        "endpoints-removed",
        "programmed",
        "programmed",
        "pod-created",
        "scheduled",
        "pod-started",
        "pod-ready",
        "endpoint-added",
        "programmed-new",
        "programmed-new",
        "pod-stopped",
        "uncordoned",
    ]
    assert [one.step for one in explanation.missing] == ["first-served", "last-failure"]
    refused = step(explanation, "eviction-refused")
    assert refused.moment.text == (
        "web-1-b not evicted, 2 times: The disruption budget web needs 2 healthy pods "
        "and has 2 currently"
    )
    evicted = step(explanation, "api-evicted")
    assert evicted.moment.text == "web-1-b evicted (of 2)"
    assert evicted.waited_s == pytest.approx(2.0)
    assert "until web allows it" in evicted.moment.work
    stopped = step(explanation, "pod-stopped")
    (part,) = stopped.parts
    assert part.running.timer.name == "terminationGracePeriodSeconds"
    assert (part.running.setting_s, part.running.at_most) == (30, True)
    assert stopped.waited_s == pytest.approx(3.07)


def test_a_drain_that_a_budget_holds_up_says_so() -> None:
    notes = [one for one in drain() if one.what != "api-evicted" and one.tick < 12]
    explanation = explained(notes)
    assert steps(explanation) == ["cordoned", "eviction-refused"]
    assert explanation.missing[0].why == "no pod of node-2 was evicted"


def test_a_pod_that_does_not_end_is_what_a_drain_waits_for() -> None:
    notes = [one for one in drain() if one.what != "pod-stopped" or one.subject.endswith("-b")]
    explanation = explained([one for one in notes if one.tick < 16])
    assert step(explanation, "api-evicted").moment.text == "web-1-a evicted (of 2)"
    assert ("pod-stopped", "web-1-a has not ended yet") in [
        (one.step, one.why) for one in explanation.missing
    ]
