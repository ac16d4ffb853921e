"""Whether a write whose answer was lost is in the history."""

from __future__ import annotations

from controlplane.storage.etcd.doubt import find
from controlplane.storage.interface import Delete, Event, KeyValue, Put, TxnResult


def held(revision: int, value: bytes = b"old", lease: int = 0, key: str = "/k") -> KeyValue:
    return KeyValue(key, value, 3, revision, lease)


def test_what_we_asked_for_after_what_we_expected_is_ours():
    event = Event(9, "/k", held(9, b"new"), held(5))
    assert find(Put("/k", b"new", 5), [event]) == TxnResult(True, 9, event.current)


def test_it_is_found_behind_what_others_did():
    other_key = Event(7, "/j", held(7, b"new", key="/j"), held(5, key="/j"))
    ours = Event(8, "/k", held(8, b"new"), held(5))
    later = Event(9, "/k", held(9, b"theirs"), ours.current)
    assert find(Put("/k", b"new", 5), [other_key, ours, later]) == TxnResult(True, 8, ours.current)


def test_another_value_after_what_we_expected_is_somebody_elses():
    theirs = Event(8, "/k", held(8, b"theirs"), held(5))
    assert find(Put("/k", b"new", 5), [theirs]) is None


def test_our_value_after_something_else_is_somebody_elses():
    theirs = Event(8, "/k", held(8, b"new"), held(6))
    assert find(Put("/k", b"new", 5), [theirs]) is None


def test_another_lease_is_somebody_elses():
    theirs = Event(8, "/k", held(8, b"new", lease=2), held(5))
    assert find(Put("/k", b"new", 5, lease=1), [theirs]) is None


def test_a_create_is_found_though_the_key_came_and_went_before():
    came = Event(6, "/k", held(6, b"theirs"), None)
    went = Event(7, "/k", None, came.current)
    ours = Event(8, "/k", held(8, b"new"), None)
    assert find(Put("/k", b"new", 0), [came, went, ours]) == TxnResult(True, 8, ours.current)


def test_a_deletion_is_found():
    gone = Event(8, "/k", None, held(5))
    assert find(Delete("/k", 5), [gone]) == TxnResult(True, 8, None)
    assert find(Delete("/k", 6), [gone]) is None
    assert find(Put("/k", b"new", 5), [gone]) is None
    assert find(Delete("/k", 5), [Event(8, "/k", held(8), held(5))]) is None
