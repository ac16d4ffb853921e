"""What runs too long is interrupted, whatever it catches."""

import signal
import threading
import time

import pytest

from componentbase.alarm import Alarm, TookTooLong

SOON_S = 0.02


def spin():
    while True:
        pass


def sleep():
    time.sleep(60)


def catch_all():
    while True:
        try:
            time.sleep(60)
        except Exception:
            pass


@pytest.mark.parametrize("hang", [spin, sleep, catch_all])
def test_what_hangs_is_interrupted(hang):
    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(TookTooLong), Alarm(SOON_S):
        hang()
    assert signal.getsignal(signal.SIGALRM) == before


def test_the_timer_before_goes_on():
    with Alarm(60):
        with Alarm(60):
            pass
        assert 0 < signal.getitimer(signal.ITIMER_REAL)[0] <= 60


def test_it_rings_again_for_whom_the_first_time_was_nothing():
    rung = []

    def deaf():
        while len(rung) < 2:
            try:
                time.sleep(60)
            except TookTooLong:
                rung.append(1)

    with Alarm(SOON_S):
        deaf()


def test_in_another_thread_nothing_is_interrupted():
    ended = []

    def work():
        with Alarm(0.001):
            threading.Event().wait(SOON_S)
        ended.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert ended == [True]
