from hypothesis import given
from hypothesis import strategies as st

from nodeagent.kubelet.backoff import Backoff


def test_unknown_key_does_not_wait():
    assert Backoff(initial_s=1, max_s=8).remaining_s("a", 0, 0) == 0


def test_delay_doubles_up_to_the_maximum():
    backoff = Backoff(initial_s=1, max_s=5)
    seen = []
    for now in range(5):
        backoff.next("a", now, now)
        seen.append(backoff.delay_s("a"))
    assert seen == [1, 2, 4, 5, 5]


def test_quiet_time_starts_from_nothing():
    backoff = Backoff(initial_s=1, max_s=5)
    backoff.next("a", 0, 0)
    backoff.next("a", 1, 1)
    assert backoff.remaining_s("a", 11.5, 11.6) == 0
    backoff.next("a", 12, 12)
    assert backoff.delay_s("a") == 1


def test_the_wait_itself_is_no_quiet_time():
    """flowcontrol's IsInBackOffSince: what counts is when the try before ended."""
    backoff = Backoff(initial_s=10, max_s=300)
    for now in range(6):
        backoff.next("a", now, now)
    ended = 355  # It ran for 350 s, and failed again.
    assert backoff.remaining_s("a", ended, ended + 299) == 1
    backoff.next("a", ended, ended + 300)
    assert backoff.delay_s("a") == 300


def test_a_clock_that_was_set_back_ends_the_wait():
    backoff = Backoff(initial_s=1, max_s=5)
    backoff.next("a", 5000, 5000)
    assert backoff.remaining_s("a", 5001, 5001.25) == 0.75
    assert backoff.remaining_s("a", 5001, 1401) == 0


def test_forget():
    backoff = Backoff(initial_s=1, max_s=5)
    backoff.next("a", 0, 0)
    backoff.forget("a")
    assert backoff.delay_s("a") == 0


@given(st.lists(st.floats(0, 20), max_size=20))
def test_wait_never_exceeds_the_maximum(gaps):
    backoff, now = Backoff(initial_s=1, max_s=5), 0.0
    for gap in gaps:
        now += gap
        backoff.next("a", now, now)
        assert 0 <= backoff.remaining_s("a", now, now) <= 5
