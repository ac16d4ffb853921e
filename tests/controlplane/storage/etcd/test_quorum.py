"""What a person is told when no member did what was asked."""

from __future__ import annotations

from controlplane.storage.etcd.quorum import Health, describe, report

A = Health("a:2379", has_leader=True)
LONELY = Health("a:2379")
B_DOWN, C_DOWN = Health("b:2379", "connection refused"), Health("c:2379", "timed out")


def test_a_lost_quorum_is_half_a_line():
    assert describe([LONELY, B_DOWN, C_DOWN], "…") == (
        "etcd has no quorum: 1 of 3 members answers; writes are refused until 2 do"
    )


def test_nobody_answers():
    text = describe([Health("a:2379", "timed out"), B_DOWN, C_DOWN], "…")
    assert text.startswith("etcd has no quorum: 0 of 3 members answer;")


def test_the_report_names_every_member():
    full = Health("d:2379", has_leader=True, alarms=["alarm:NOSPACE"])
    assert report([A, LONELY, B_DOWN, full]) == (
        "a:2379: answers; a:2379: answers, but knows of no leader; b:2379: connection refused;"
        " d:2379: answers, alarm:NOSPACE"
    )


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
