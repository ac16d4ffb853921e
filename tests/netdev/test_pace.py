"""A socket is emptied while its process is awake, and read once after a sleep."""

from __future__ import annotations

import pytest

from netdev import pace
from netdev.pace import Pace


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(pace, "monotonic", lambda: now[0])
    return now


def test_first_message_after_a_sleep_is_read_alone(clock):
    paced = Pace()
    assert len(paced.reads(64)) == 1
    paced.worked()
    clock[0] += 1e-5
    assert len(paced.reads(64)) == 64
    clock[0] += 1e-3
    assert len(paced.reads(64)) == 1


def test_bulk_keeps_a_process_awake_for_a_moment(clock):
    paced = Pace()
    paced.worked(60_000)
    paced.worked()  # What it sends in turn does not shorten that.
    clock[0] += 1e-3
    assert len(paced.reads(64)) == 64
    clock[0] += 1e-2
    assert len(paced.reads(64)) == 1
