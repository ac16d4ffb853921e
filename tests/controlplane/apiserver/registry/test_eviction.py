"""Who may be evicted, and what it costs."""

from __future__ import annotations

import copy

import pytest

from controlplane.apiserver.registry import eviction
from kubeapi.objects import condition
from kubeapi.status import StatusError

NOW = 1_700_000_000.0


def pod(phase="Running", *, ready=True, labels=None, **metadata):
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    return {
        "metadata": {"name": "p", "uid": "u", "labels": labels or {"app": "web"}, **metadata},
        "status": {"phase": phase, "conditions": conditions},
    }


def budget(name="b", *, selector=None, policy=None, **status):
    selector = {"matchLabels": {"app": "web"}} if selector is None else selector
    spec = {"selector": selector, "unhealthyPodEvictionPolicy": policy}
    status = {"observedGeneration": 1, "disruptionsAllowed": 1, **status}
    return {"metadata": {"name": name, "generation": 1}, "spec": spec, "status": status}


@pytest.mark.parametrize(
    ("one", "free"),
    [
        (pod("Pending"), True),
        (pod("Succeeded"), True),
        (pod("Failed"), True),
        (pod(deletionTimestamp="2026-01-01T00:00:00Z"), True),
        (pod(), False),
        (pod("Unknown"), False),
    ],
)
def test_who_serves_nobody_needs_no_budget(one, free):
    assert eviction.needs_no_budget(one) is free


def test_a_budget_guards_whom_it_selects():
    other = budget("other", selector={"matchLabels": {"app": "db"}})
    nobody = {**budget("nobody"), "spec": {}}
    assert eviction.budget_of(pod(), [other, nobody]) is None
    every = budget("every", selector={})
    assert eviction.budget_of(pod(), [other, every]) == every


def test_two_budgets_for_one_pod_are_an_error():
    with pytest.raises(StatusError, match="more than one PodDisruptionBudget") as caught:
        eviction.budget_of(pod(), [budget("a"), budget("b")])
    assert caught.value.code == 500


@pytest.mark.parametrize(
    ("one", "guard", "free"),
    [
        (pod(), budget(policy="AlwaysAllow"), False),
        (pod(ready=False), budget(policy="AlwaysAllow"), True),
        (pod(ready=False), budget(currentHealthy=2, desiredHealthy=2), True),
        (pod(ready=False), budget(currentHealthy=1, desiredHealthy=2), False),
        (pod(ready=False), budget(currentHealthy=1, desiredHealthy=0), False),
    ],
)
def test_the_unhealthy_count_for_nothing_where_others_are_healthy(one, guard, free):
    assert eviction.counts_for_nothing(one, guard) is free


def test_an_eviction_is_noted_and_paid_for():
    after = eviction.spend(budget(disruptionsAllowed=2, disruptedPods={"o": "x"}), "p", NOW)
    status = after["status"]
    assert status["disruptionsAllowed"] == 1
    assert status["disruptedPods"] == {"o": "x", "p": "2023-11-14T22:13:20Z"}
    assert condition(after, "DisruptionAllowed") is None


def test_the_last_unit_spent_says_so():
    found = condition(eviction.spend(budget(), "p", NOW), "DisruptionAllowed")
    assert found is not None
    assert (found["status"], found["reason"]) == ("False", "InsufficientPods")


def refused(guard):
    before = copy.deepcopy(guard)
    with pytest.raises(StatusError) as caught:
        eviction.spend(guard, "p", NOW)
    assert guard["status"] == before["status"]
    return caught.value


def test_an_exhausted_budget_refuses_and_says_why():
    error = refused(budget(disruptionsAllowed=0, desiredHealthy=2, currentHealthy=1))
    assert (error.code, error.reason) == (429, "TooManyRequests")
    assert error.message == "Cannot evict pod as it would violate the pod's disruption budget."
    [cause] = error.to_object()["details"]["causes"]
    assert cause["reason"] == "DisruptionBudget"
    said = "The disruption budget b needs 2 healthy pods and has 1 currently"
    assert cause["message"] == eviction.why_refused(error) == said
    assert error.retry_after_s == 0


def test_a_budget_that_was_not_yet_judged_refuses_for_a_while():
    error = refused(budget(observedGeneration=0))
    assert (error.code, error.retry_after_s) == (429, 10)
    assert "still being processed" in eviction.why_refused(error)


def test_a_budget_that_failed_to_sync_says_what_failed():
    failed = {"type": "DisruptionAllowed", "status": "False", "reason": "SyncFailed"}
    guard = budget(disruptionsAllowed=0, conditions=[{**failed, "message": "found no one"}])
    assert "because it failed sync: found no one" in eviction.why_refused(refused(guard))


@pytest.mark.parametrize(
    ("conditions", "said"),
    [
        ([], ""),
        ([{"type": "DisruptionAllowed", "status": "False", "reason": "Spent"}], ""),
        (
            [{"type": "DisruptionAllowed", "status": "False", "reason": "Spent", "message": "m"}],
            " (Spent): m",
        ),
    ],
)
def test_a_budget_that_was_just_spent_does_not_tell_numbers_that_allow_more(conditions, said):
    guard = budget(disruptionsAllowed=0, desiredHealthy=2, currentHealthy=3, conditions=conditions)
    assert eviction.why_refused(refused(guard)) == (
        f"The disruption budget b does not allow evicting pods currently{said}"
    )


def test_a_budget_waits_for_no_more_pods_than_its_bound():
    many = {f"p{n}": "x" for n in range(eviction.DISRUPTED_PODS_MAX + 1)}
    error = refused(budget(disruptedPods=many))
    assert (error.code, "too big" in error.message) == (403, True)
    assert eviction.why_refused(error) == ""


def test_marks_say_who_ended_the_pod_once():
    marked = eviction.mark_evicted(pod(), NOW)
    found = condition(marked, "DisruptionTarget")
    assert found is not None
    assert found["reason"] == "EvictionByEvictionAPI"
    ended = pod("Failed")
    assert condition(eviction.mark_evicted(ended, NOW), "DisruptionTarget") is None


@pytest.mark.parametrize(
    "body", [{"metadata": 1}, {"deleteOptions": "now"}, {"metadata": {"name": "q"}}]
)
def test_an_eviction_that_makes_no_sense_is_a_bad_request(body):
    with pytest.raises(StatusError) as caught:
        eviction.eviction_options(body, "p")
    assert caught.value.code == 400
