from __future__ import annotations

import signal
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podruntime.sandbox.cpu_accounting import ContainerClock, CpuAccounting


def test_one_container_has_used_what_was_spent_since_it_began():
    accounting = CpuAccounting()
    accounting.begin("a", 500)
    assert accounting.used(700) == {"a": 200}
    assert accounting.used(900) == {"a": 400}


def test_two_containers_share_by_ticks_and_evenly_without():
    accounting = CpuAccounting()
    accounting.begin("a", 0)
    accounting.begin("b", 0)
    for whose in ("a", "a", "a", "b", ""):
        accounting.tick(whose)
    assert accounting.used(1000) == {"a": 750, "b": 250}
    assert accounting.used(1100) == {"a": 800, "b": 300}


def test_who_has_ended_is_charged_no_more_and_begins_anew():
    accounting = CpuAccounting()
    accounting.begin("a", 0)
    accounting.begin("b", 0)
    accounting.tick("a")
    accounting.end("a", 1000)
    accounting.tick("a")  # A tick that was under way.
    assert accounting.used(1500) == {"b": 500}
    accounting.begin("a", 1500)
    assert accounting.used(1500) == {"a": 0, "b": 500}
    accounting.end("unknown", 1500)


STEPS = st.lists(
    st.tuples(st.sampled_from(["begin", "end", "tick", "read"]), st.sampled_from("abc")),
    max_size=60,
)


@given(STEPS)
def test_nothing_shrinks_and_no_more_is_charged_than_was_spent(steps):
    accounting, now, before = CpuAccounting(), 0, {}
    for what, whose in steps:
        now += 97
        match what:
            case "begin" if whose not in before:
                accounting.begin(whose, now)
                before[whose] = 0
            case "end":
                accounting.end(whose, now)
                before.pop(whose, None)
            case "tick":
                accounting.tick(whose)
        used = accounting.used(now)
        assert used.keys() == before.keys()
        assert all(used[each] >= before[each] for each in used)
        assert sum(used.values()) <= now
        before = used


@pytest.fixture
def handler():
    before = signal.getsignal(signal.SIGPROF)
    yield
    signal.setitimer(signal.ITIMER_PROF, 0.0)
    signal.signal(signal.SIGPROF, before)


@pytest.mark.usefixtures("handler")
def test_the_timer_runs_only_while_there_is_something_to_divide():
    clock = ContainerClock()
    for kind, container, ticking in (
        ("CREATED", "a", False),
        ("STARTED", "a", False),
        ("STARTED", "b", True),
        ("STOPPED", "a", False),
        ("DELETED", "a", False),
    ):
        clock.changed(kind, container)
        assert (signal.getitimer(signal.ITIMER_PROF)[1] > 0) is ticking
    used = clock.used()
    assert list(used) == ["b"]
    assert used["b"] <= time.process_time_ns()
