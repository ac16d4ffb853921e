"""The table of API faults: whom an entry hits, how often, and with what."""

from __future__ import annotations

import pytest

from controlplane.apiserver.api_faults import ApiFaults, InvalidFault, Verdict
from controlplane.apiserver.authn import User
from controlplane.apiserver.request_info import parse_request_info

SCHEDULER = User("system:kube-scheduler", ("system:authenticated",))
ADMIN = User("admin", ("system:masters", "system:authenticated"))


def info(method, path, query=None):
    return parse_request_info(method, path, query or {})


LIST_PODS = info("GET", "/api/v1/pods")
WATCH_PODS = info("GET", "/api/v1/pods", {"watch": "1"})
STATUS = info("PATCH", "/api/v1/namespaces/d/pods/p/status")
READY = info("GET", "/readyz")


def table(*entries, seed=0):
    faults = ApiFaults()
    faults.replace([{"id": str(number), **entry} for number, entry in enumerate(entries)], seed)
    return faults


def is_hit(entry, user, request):
    return table({"latency_s": 1.0, **entry}).judge(user, request) != Verdict()


def test_without_entries_nobody_is_asked():
    faults = table({"status": 500})
    assert faults.active
    assert faults.replace([], 0)
    assert not faults.active


@pytest.mark.parametrize(
    ("entry", "request_", "hit"),
    [
        ({}, LIST_PODS, True),
        ({"user": "system:kube-scheduler"}, LIST_PODS, True),
        ({"user": "system:kube-controller-manager"}, LIST_PODS, False),
        ({"verb": "list"}, LIST_PODS, True),
        ({"verb": "watch"}, LIST_PODS, False),
        ({"verb": "list"}, WATCH_PODS, False),
        ({"resource": "pods"}, LIST_PODS, True),
        ({"resource": "nodes"}, LIST_PODS, False),
        ({"resource": "pods"}, STATUS, True),
        ({"resource": "pods/status"}, STATUS, True),
        ({"resource": "pods/status"}, LIST_PODS, False),
    ],
)
def test_an_entry_hits_what_it_names(entry, request_, hit):
    assert is_hit(entry, SCHEDULER, request_) is hit


def test_administrators_and_health_are_hit_by_name_only():
    assert not is_hit({}, ADMIN, LIST_PODS)
    assert is_hit({"user": "admin"}, ADMIN, LIST_PODS)
    assert not is_hit({"user": "system:kube-scheduler"}, SCHEDULER, READY)
    assert is_hit({"resource": "/readyz"}, SCHEDULER, READY)
    assert not is_hit({"resource": "/livez"}, SCHEDULER, READY)


def test_refusals_are_proper_statuses():
    conflict, busy, broken = (
        table({"status": status}).judge(SCHEDULER, STATUS).refusal for status in (409, 429, 500)
    )
    assert (conflict.code, conflict.reason) == (409, "Conflict")
    assert conflict.details == {"name": "p", "kind": "pods"}
    assert (busy.reason, busy.retry_after_s) == ("TooManyRequests", 1)
    assert (broken.code, broken.reason) == (500, "InternalError")
    assert "injected by API fault 0" in broken.message


def test_latencies_add_up_and_the_first_refusal_counts():
    faults = table(
        {"latency_s": 1.0, "status": 429},
        {"latency_s": 0.5, "status": 500},
        {"verb": "get", "status": 409},
    )
    verdict = faults.judge(SCHEDULER, LIST_PODS)
    assert (verdict.latency_s, verdict.refusal.code, verdict.cut) == (1.5, 429, False)
    assert [hits for _fault, hits in faults.entries()] == [1, 1, 0]


def test_only_watches_are_cut():
    faults = table({"drop_watches": True})
    assert faults.judge(SCHEDULER, WATCH_PODS).cut
    assert faults.judge(SCHEDULER, LIST_PODS) == Verdict()
    assert faults.cuts(SCHEDULER, WATCH_PODS)
    assert not faults.cuts(ADMIN, WATCH_PODS)
    assert [hits for _fault, hits in faults.entries()] == [2]


def test_a_share_is_kept_and_repeats_with_its_seed():
    def hits(seed):
        faults = table({"status": 500, "share": 0.3}, seed=seed)
        return [faults.judge(SCHEDULER, LIST_PODS).refusal is not None for _ in range(1000)]

    assert hits(1) == hits(1) != hits(2)
    assert 250 < sum(hits(1)) < 350


def test_what_stays_keeps_its_hits():
    faults = ApiFaults()
    one, two = {"id": "a", "status": 500}, {"id": "b", "status": 429}
    assert faults.replace([one], 0)
    faults.judge(SCHEDULER, LIST_PODS)
    assert not faults.replace([one], 0)
    assert faults.replace([one, two], 0)
    assert [(fault.id, hits) for fault, hits in faults.entries()] == [("a", 1), ("b", 0)]
    faults.replace([{**one, "status": 409}, two], 0)
    assert [hits for _fault, hits in faults.entries()] == [0, 0]


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ({}, "it does nothing"),
        ({"status": 404}, "Invalid enum value 404"),
        ({"latency_s": -1.0}, "latency_s -1 is not between 0 and 60"),
        ({"latency_s": 61.0}, "latency_s 61 is not between 0 and 60"),
        ({"latency_s": float("nan")}, "latency_s nan is not between 0 and 60"),
        ({"latency_s": "x"}, "Expected `float`, got `str`"),
        ({"status": 500, "share": 0}, "share 0 is not above 0 and at most 1"),
        ({"status": 500, "share": 1.1}, "share 1.1 is not above 0 and at most 1"),
        ({"status": 500, "verb": "post"}, "verb 'post' is none of"),
        ({"drop_watches": True, "verb": "get"}, "verb 'get' never is one"),
        ({"status": 500, "user": ""}, "must not be empty"),
        ({"status": 500, "host": "a"}, "unknown field `host`"),
    ],
)
def test_entries_without_sense_are_refused_and_change_nothing(entry, why):
    faults = table({"status": 500})
    with pytest.raises(InvalidFault, match=None) as refused:
        faults.replace([{"id": "a", **entry}], 0)
    assert why in str(refused.value)
    assert [fault.status for fault, _hits in faults.entries()] == [500]


def test_a_table_is_a_list_of_few_with_ids_of_their_own():
    faults = ApiFaults()
    for entries in (
        "x",
        [{"id": "a", "status": 500}] * 2,
        [{"id": str(n), "status": 500} for n in range(101)],
    ):
        with pytest.raises(InvalidFault):
            faults.replace(entries, 0)
