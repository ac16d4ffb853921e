"""Sentences are understood or refused, and each kind is judged at its time."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podwire.scenario import expectations
from podwire.scenario.expectations import ExpectationError, Judge, Verdict, When
from podwire.scenario.felt import Felt, Outage
from podwire.scenario.world import PodFact, World

UP = World(nodes={"node-1": True, "node-2": True}, endpoints={"web": ("node-1", "node-2")})
DOWN = World(nodes={"node-1": True, "node-2": False}, endpoints={"web": ("node-1",)})


def judged(text: str, world_at: Callable[[float], World], began: float = 0.0) -> Verdict:
    judge = Judge(expectations.parse(text), began)
    for tick in range(1000):
        now = began + tick / 10
        verdict = judge.see(world_at(now), now)
        if verdict is not None:
            return verdict
    raise AssertionError("no verdict in 100 s")


def test_settled_is_judged_at_its_deadline_not_before_the_cluster_noticed() -> None:
    verdict = judged("node-2 Ready within 8s", lambda now: UP if now < 5 else DOWN)

    assert not verdict.passed
    assert verdict.why == "node-2 is NotReady"


def test_settled_tells_since_when_it_is_true() -> None:
    verdict = judged("node-2 Ready within 8s", lambda now: DOWN if 1 < now < 4 else UP)

    assert verdict.passed
    assert verdict.took_s == pytest.approx(4.0)


def test_what_was_broken_is_settled_when_it_is_whole_for_a_while() -> None:
    judge = Judge(expectations.parse("node-2 Ready within 60s"), 0.0)
    worlds = {1.0: UP, 2.0: DOWN, 3.0: UP, 4.0: DOWN, 5.0: UP, 7.9: UP}

    assert [judge.see(world, now) for now, world in worlds.items()] == [None] * 6
    verdict = judge.see(UP, 8.0)
    assert verdict is not None
    assert (verdict.passed, verdict.took_s) == (True, 5.0)


def test_seen_passes_at_the_first_sight_and_fails_at_the_deadline() -> None:
    seen = judged("node-2 NotReady within 8s", lambda now: DOWN if 2 <= now < 3 else UP)
    never = judged("node-2 NotReady within 8s", lambda _now: UP)

    assert (seen.passed, seen.took_s) == (True, pytest.approx(2.0))
    assert (never.passed, never.why) == (False, "node-2 is Ready")


def test_held_fails_at_the_first_moment_that_breaks_it() -> None:
    broken = judged("node-2 stays Ready for 5s", lambda now: DOWN if now >= 3 else UP, 1.0)
    held = judged("node-2 stays Ready for 5s", lambda now: DOWN if now > 6.05 else UP, 1.0)

    assert (broken.passed, broken.took_s) == (False, pytest.approx(2.0))
    assert held.passed


@pytest.mark.parametrize(
    ("text", "world", "why"),
    [
        ("every node Ready within 1s", DOWN, "node-2 is not Ready"),
        ("node-9 Ready within 1s", UP, "there is no Node node-9"),
        ("service web has 2 endpoints within 1s", DOWN, "web has 1 endpoints"),
        ("service web has no endpoint on node-2 within 1s", UP, "web has 1 endpoints on node-2"),
        ("the API answers within 1s", World(answers=False), "the API server does not answer"),
        ("the API takes writes within 1s", World(writes=False), "a write was refused"),
        ("the API refuses writes within 1s", World(), "a write was taken"),
        ("every pod of web Ready within 1s", World(), "there is no Deployment web"),
        (
            "every pod Ready within 1s",
            World(pods=(PodFact("default/a", "1", "node-1", False, ""),)),
            "default/a is not Ready",
        ),
        (
            "every pod of web Ready within 1s",
            World(
                pods=(PodFact("default/web-1-a", "1", "node-1", True, "web-1"),), wanted={"web": 2}
            ),
            "web has 1 of 2 pods Ready",
        ),
    ],
)
def test_a_failure_says_what_is_wrong(text: str, world: World, why: str) -> None:
    verdict = judged(text, lambda _now: world)

    assert (verdict.passed, verdict.why) == (False, why)


@pytest.mark.parametrize(
    ("text", "felt", "why"),
    [
        ("no request fails", Felt(sent=9, failed=1), "11.1 % failed"),
        ("no request fails", Felt(sent=9), ""),
        ("no request fails", Felt(), "100.0 % failed"),  # Nothing was sent: nothing is shown.
        ("at most 20% of requests fail", Felt(sent=9, failed=1), ""),
        ("at most 10 % of requests fail", Felt(sent=9, failed=1), "11.1 % failed"),
        (
            "no request fails for more than 6 s",
            Felt(sent=9, failed=2, outages=(Outage(1, 2), Outage(10, 16.5))),
            "requests failed for 6.50 s",
        ),
        ("no request fails for more than 6s", Felt(outages=(Outage(1, 7),)), ""),
        ("p99 below 20ms", Felt(latency_s={"p99": 0.0201}), "p99 is 20.1 ms"),
        ("p99 below 20ms", Felt(latency_s={"p99": 0.0199}), ""),
        ("p99 below 20ms", Felt(), "no request succeeded"),
        ("p90 above 20ms", Felt(latency_s={"p90": 0.0199}), "p90 is 19.9 ms"),
        ("p90 above 20ms", Felt(latency_s={"p90": 0.0201}), ""),
        ("p90 above 20ms", Felt(), "no request succeeded"),
    ],
)
def test_what_clients_felt(text: str, felt: Felt, why: str) -> None:
    expected = expectations.parse(text)

    assert expected.when is When.FELT
    assert expected.feel is not None
    assert expected.feel(felt) == why


@pytest.mark.parametrize(
    "text",
    [
        "",
        "every pod is happy",
        "every pod Ready",
        "every pod Ready within soon",
        "node-2 Ready within 2 h",
        "no request fails for more than 6",
        "at most many % of requests fail",
    ],
)
def test_what_is_no_sentence_is_refused_with_those_there_are(text: str) -> None:
    with pytest.raises(ExpectationError, match="every pod") as refused:
        expectations.parse(text)
    assert "no request fails for more than 6s" in str(refused.value)


def test_a_span_is_bounded() -> None:
    with pytest.raises(ExpectationError, match="too long"):
        expectations.parse("every node Ready within 61m")


@given(st.lists(st.booleans(), min_size=30, max_size=30))
def test_every_judge_ends_at_its_deadline(ready: list[bool]) -> None:
    for text in (
        "node-2 Ready within 2s",
        "node-2 NotReady within 2s",
        "node-2 stays Ready for 2s",
    ):
        verdict = judged(text, lambda now: UP if ready[int(now * 10)] else DOWN)
        settled = {
            "node-2 Ready within 2s": ready[20],
            "node-2 NotReady within 2s": not all(ready[:21]),
            "node-2 stays Ready for 2s": all(ready[:21]),
        }
        assert verdict.passed == settled[text]
