"""The arithmetic of budgets: expected, desired and healthy pods, and who may go."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from componentbase.clock import rfc3339
from controlplane.controllermanager.disruption import budget as budgets
from controlplane.controllermanager.disruption.budget import Expected, NoControllerError
from kubeapi.objects import condition

NOW = 1_700_000_000.0
TEXT = rfc3339(NOW)


def pod(name, *, ready=True, owner="rs", **metadata):
    owners = [{"kind": "ReplicaSet", "name": owner, "uid": owner, "controller": True}]
    return {
        "metadata": {
            "name": name,
            "namespace": "default",
            "ownerReferences": owners if owner else [],
            **metadata,
        },
        "status": {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
        },
    }


def budget(status=None, **spec):
    return {"metadata": {"name": "b", "generation": 3}, "spec": spec, "status": status or {}}


def scale_of(**scales):
    return lambda owner, _namespace: (
        (owner["uid"], scales[owner["uid"]]) if owner["uid"] in scales else None
    )


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"minAvailable": 2}, Expected(count=3, healthy=2)),  # The pods that there are.
        ({"minAvailable": "50%"}, Expected(count=7, healthy=4)),  # Of the scale, rounded up.
        ({"maxUnavailable": 2}, Expected(count=7, healthy=5)),
        ({"maxUnavailable": "25%"}, Expected(count=7, healthy=5)),  # 1.75 may go: 2.
        ({"maxUnavailable": 9}, Expected(count=7, healthy=0)),
        ({}, Expected(count=0, healthy=0)),
    ],
)
def test_expected_pods_come_from_the_scale(spec, expected):
    pods = [pod("a"), pod("b"), pod("c", owner="other")]
    assert budgets.expected_pods(budget(**spec), pods, scale_of(rs=5, other=2)) == expected


def test_an_owner_that_two_pods_name_counts_once_and_nobodys_pods_are_told():
    pods = [pod("a"), pod("b"), pod("lone", owner="")]
    found = budgets.expected_pods(budget(maxUnavailable=1), pods, scale_of(rs=4))
    assert found == Expected(count=4, healthy=3, unmanaged=("lone",))


def test_an_owner_that_cannot_be_asked_is_an_error():
    with pytest.raises(NoControllerError, match='found no controllers for pod "a"'):
        budgets.expected_pods(budget(maxUnavailable=1), [pod("a")], scale_of())


def test_disrupted_pods_are_kept_until_they_go_or_time_is_over():
    noted = {"new": rfc3339(NOW - 10), "late": rfc3339(NOW - 130), "gone": TEXT, "going": TEXT}
    pods = [pod("new"), pod("late"), pod("going", deletionTimestamp=TEXT), pod("calm")]
    found = budgets.disrupted_pods(budget({"disruptedPods": noted}), pods, 120.0, NOW)
    assert list(found.pods) == ["new"]
    assert [each["metadata"]["name"] for each in found.not_deleted] == ["late"]
    assert found.again_in_s == 110.0


def test_only_who_is_ready_and_stays_is_healthy():
    pods = [pod("a"), pod("b"), pod("c", ready=False), pod("d", deletionTimestamp=TEXT)]
    assert budgets.healthy_pods(pods, {"b": TEXT}) == 1


def test_a_status_says_how_many_may_go_and_since_when():
    before = budget(minAvailable=2)
    status = budgets.status_of(before, Expected(count=3, healthy=2), 3, {}, TEXT)
    assert (status["disruptionsAllowed"], status["observedGeneration"]) == (1, 3)
    found = condition({"status": status}, "DisruptionAllowed")
    assert found is not None
    assert (found["status"], found["reason"]) == ("True", "SufficientPods")
    again = budgets.status_of(
        {**before, "status": status}, Expected(count=3, healthy=2), 3, {}, rfc3339(NOW + 60)
    )
    assert again == status


def test_a_budget_of_no_pods_allows_nothing():
    status = budgets.status_of(budget(), Expected(count=0, healthy=0), 0, {}, TEXT)
    assert status["disruptionsAllowed"] == 0


def test_a_budget_that_cannot_be_judged_allows_nothing_and_says_why():
    before = budget({"disruptionsAllowed": 2, "currentHealthy": 3, "observedGeneration": 3})
    status = budgets.failed_status(before, "no controllers", TEXT)
    assert (status["disruptionsAllowed"], status["currentHealthy"]) == (0, 3)
    found = condition({"status": status}, "DisruptionAllowed")
    assert found is not None
    assert (found["reason"], found["message"]) == ("SyncFailed", "no controllers")


@given(
    total=st.integers(0, 50),
    ready=st.integers(0, 50),
    percent=st.integers(0, 100),
    key=st.sampled_from(["minAvailable", "maxUnavailable"]),
)
def test_what_is_allowed_never_breaks_the_budget(total, ready, percent, key):
    pods = [pod(f"p{n}", ready=n < ready) for n in range(total)]
    guard = budget(**{key: f"{percent}%"})
    expected = budgets.expected_pods(guard, pods, scale_of(rs=total))
    healthy = budgets.healthy_pods(pods, {})
    status = budgets.status_of(guard, expected, healthy, {}, TEXT)
    left = healthy - status["disruptionsAllowed"]
    assert left >= min(healthy, expected.healthy)
    if key == "minAvailable" and status["disruptionsAllowed"]:
        assert 100 * left >= percent * total


@pytest.mark.parametrize(
    ("mark", "metadata", "wait_s"),
    [
        ({"reason": "EvictionByEvictionAPI"}, {}, 110.0),
        ({"reason": "TerminationByKubelet"}, {}, None),
        ({"status": "False"}, {}, None),
        ({}, {"deletionTimestamp": TEXT}, None),
    ],
)
def test_marks_of_pods_that_live_on_become_stale(mark, metadata, wait_s):
    one = pod("a", **metadata)
    since = {"type": "DisruptionTarget", "status": "True", "lastTransitionTime": rfc3339(NOW - 10)}
    one["status"]["conditions"].append({**since, **mark})
    assert budgets.stale_mark_in_s(one, 120.0, NOW) == wait_s
    assert budgets.stale_mark_in_s(pod("b"), 120.0, NOW) is None
