"""Expectations keep a controller from acting twice on one want."""

from __future__ import annotations

from controlplane.controllermanager.expectations import LIFETIME_S, Expectations


def test_nothing_expected_is_satisfied():
    assert Expectations().satisfied("ns/web", 0.0)


def test_creations_are_awaited_until_each_was_seen():
    expectations = Expectations()
    expectations.expect_creations("ns/web", 2, 0.0)
    expectations.creation_observed("ns/web")
    assert not expectations.satisfied("ns/web", 1.0)
    expectations.creation_observed("ns/web")
    assert expectations.satisfied("ns/web", 1.0)


def test_a_creation_too_many_does_not_count_for_the_next_time():
    expectations = Expectations()
    expectations.expect_creations("ns/web", 0, 0.0)
    expectations.creation_observed("ns/web")
    expectations.expect_creations("ns/web", 1, 0.0)
    assert not expectations.satisfied("ns/web", 1.0)


def test_deletions_are_known_by_uid():
    expectations = Expectations()
    expectations.expect_deletions("ns/web", ["a", "b"], 0.0)
    expectations.deletion_observed("ns/web", "stranger")
    expectations.deletion_observed("ns/web", "a")
    expectations.deletion_observed("ns/web", "a")
    assert not expectations.satisfied("ns/web", 1.0)
    expectations.deletion_observed("ns/web", "b")
    assert expectations.satisfied("ns/web", 1.0)


def test_a_lost_event_is_given_up():
    expectations = Expectations()
    expectations.expect_creations("ns/web", 1, 0.0)
    assert not expectations.satisfied("ns/web", LIFETIME_S)
    assert expectations.satisfied("ns/web", LIFETIME_S + 1)


def test_a_forgotten_owner_expects_nothing():
    expectations = Expectations()
    expectations.expect_deletions("ns/web", ["a"], 0.0)
    expectations.forget("ns/web")
    assert expectations.satisfied("ns/web", 0.0)
