"""What a person is told when no member did what was asked."""

from __future__ import annotations

from controlplane.storage.etcd.quorum import Health, describe

A = Health("a:2379", has_leader=True)
LONELY = Health("a:2379")
B_DOWN, C_DOWN = Health("b:2379", "connection refused"), Health("c:2379", "timed out")


def test_a_lost_quorum_names_those_that_are_silent():
    assert describe([LONELY, B_DOWN, C_DOWN], "…") == (
        "etcd: 1 of 3 members answers: there is no quorum; writes are refused until 2 answer"
        " (b:2379: connection refused; c:2379: timed out)"
    )


def test_nobody_answers():
    text = describe([Health("a:2379", "timed out"), B_DOWN, C_DOWN], "…")
    assert text.startswith("etcd: 0 of 3 members answer: there is no quorum")


def test_a_single_member_that_is_silent():
    assert describe([B_DOWN], "…") == "etcd: b:2379 does not answer: connection refused"


def test_a_quorum_without_a_leader():
    text = describe([LONELY, Health("b:2379"), C_DOWN], "…")
    assert text == (
        "etcd: 2 of 3 members answer, but they have no leader; writes are refused until they"
        " elect one"
    )


def test_all_is_well_but_the_request_was_not():
    text = describe([A, Health("b:2379"), Health("c:2379")], "etcdserver: request timed out")
    assert text == (
        "etcd: 3 of 3 members answer, but the request was not: etcdserver: request timed out"
    )


def test_alarms_are_told():
    full = Health("a:2379", has_leader=True, alarms=["alarm:NOSPACE"])
    assert describe([full], "…") == "etcd: a:2379 answers, with an alarm: alarm:NOSPACE"
