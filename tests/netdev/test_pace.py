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
