"""Outages are what loadgen noted of them."""

import pytest

from loadgen.results import Event
from podwire.scenario.felt import Felt, outages


def note(at: float, what: str) -> Event:
    return Event(at=at, what=what, subject="http://127.0.1.1:30088/")


def test_every_outage_has_its_own_ends() -> None:
    found = outages(
        [
            note(1.0, "load-started"),
            note(5.0, "first-failure"),
            note(6.9, "last-failure"),
            note(7.0, "not-ready"),
            note(20.0, "first-failure"),
            note(20.0, "last-failure"),
        ]
    )

    assert [(one.began_at, one.ended_at) for one in found] == [(5.0, 6.9), (20.0, 20.0)]
    assert Felt(outages=found).longest_outage_s == pytest.approx(1.9)


def test_a_last_failure_without_a_first_is_a_moment() -> None:
    assert [one.length_s for one in outages([note(5.0, "last-failure")])] == [0.0]


def test_without_failures_there_is_no_outage() -> None:
    assert outages([note(1.0, "load-started")]) == ()
    assert Felt().longest_outage_s == 0.0
