"""Deadlines in one heap, woken sleepers, tokens and ports."""

from __future__ import annotations

import errno
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netstack import ports
from netstack.timers import TimerHeap
from netstack.token_bucket import TokenBucket
from netstack.wakeups import Wakeups


class Alarm:
    def __init__(self, log, due=math.inf):
        self.log, self.due, self.timer_at = log, due, math.inf

    def deadline(self):
        return self.due

    def handle_deadline(self, now):
        self.log.append((now, self))
        self.due = math.inf


def test_deadline_that_moves_later_is_asked_again():
    heap, log = TimerHeap(), []
    alarm = Alarm(log, 5.0)
    heap.schedule(alarm, 5.0)
    alarm.due = 9.0
    heap.run(5.0)
    assert log == []
    assert heap.deadline() == 9.0
    heap.run(9.0)
    assert log == [(9.0, alarm)]
    assert heap.deadline() == math.inf


def test_nobody_wakes_for_a_deadline_that_has_moved_or_gone():
    heap, log = TimerHeap(), []
    moved, gone, last = Alarm(log, 5.0), Alarm(log, 6.0), Alarm(log, 8.0)
    for alarm in (moved, gone, last):
        heap.schedule(alarm, alarm.due)
    moved.due, gone.due = 9.0, math.inf
    assert heap.deadline() == 8.0
    last.due = math.inf
    assert heap.deadline() == 9.0
    gone.due = 7.0
    heap.schedule(gone, 7.0)
    assert heap.deadline() == 7.0


def test_deadline_that_moves_earlier_comes_earlier_and_once():
    heap, log = TimerHeap(), []
    alarm = Alarm(log, 9.0)
    heap.schedule(alarm, 9.0)
    alarm.due = 2.0
    heap.schedule(alarm, 2.0)
    assert heap.deadline() == 2.0
    heap.run(20.0)
    assert log == [(20.0, alarm)]
    assert heap.deadline() == math.inf


@given(st.lists(st.floats(0, 100), min_size=1, max_size=40))
def test_alarms_come_in_order(moments):
    heap, log = TimerHeap(), []
    for moment in moments:
        heap.schedule(Alarm(log, moment), moment)
    while heap.deadline() < math.inf:
        heap.run(heap.deadline())
    assert [now for now, _ in log] == sorted(moments)


class Sleeper:
    def __init__(self, act):
        self.wake = act


def test_sleepers_wake_once_in_order_and_may_note_others():
    wakeups, log = Wakeups(), []
    third = Sleeper(lambda: log.append(3))
    first = Sleeper(lambda: (log.append(1), wakeups.note(third)))
    second = Sleeper(lambda: log.append(2))
    for each in (first, second, first):
        wakeups.note(each)
    wakeups.flush()
    wakeups.flush()
    assert log == [1, 2, 3]


def test_tokens_are_bounded_by_burst_and_rate():
    bucket = TokenBucket(per_s=10, burst=3)
    assert [bucket.take(100.0) for _ in range(4)] == [True, True, True, False]
    assert bucket.take(100.15)
    assert not bucket.take(100.15)


def test_ephemeral_ports_run_out():
    rng = random.Random(1)
    taken = set()
    for _ in range(100):
        taken.add(ports.pick(rng, lambda port: port not in taken))
    assert len(taken) == 100
    with pytest.raises(OSError, match="ephemeral") as caught:
        ports.pick(rng, lambda port: False)
    assert caught.value.errno == errno.EADDRNOTAVAIL


@pytest.mark.parametrize("port", [-1, 65536])
def test_impossible_ports_are_refused(port):
    with pytest.raises(OverflowError):
        ports.check(port)
