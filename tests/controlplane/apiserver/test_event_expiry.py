"""When Events are forgotten."""

from __future__ import annotations

from controlplane.apiserver.event_expiry import EventExpiry


def test_an_event_goes_when_it_was_not_written_for_the_whole_time() -> None:
    expiry = EventExpiry(ttl_s=10.0)
    assert expiry.expired([("a", 1)], 0.0) == []
    assert expiry.expired([("a", 1), ("b", 2)], 9.0) == []
    assert expiry.expired([("a", 1), ("b", 2)], 10.0) == ["a"]
    assert expiry.expired([("b", 2)], 19.0) == ["b"]


def test_a_write_begins_the_time_anew() -> None:
    expiry = EventExpiry(ttl_s=10.0)
    expiry.expired([("a", 1)], 0.0)
    assert expiry.expired([("a", 5)], 10.0) == []
    assert expiry.expired([("a", 5)], 19.9) == []
    assert expiry.expired([("a", 5)], 20.0) == ["a"]


def test_one_that_went_and_came_again_is_new() -> None:
    expiry = EventExpiry(ttl_s=10.0)
    expiry.expired([("a", 1)], 0.0)
    expiry.expired([], 5.0)
    assert expiry.expired([("a", 1)], 12.0) == []
