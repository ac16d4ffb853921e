"""Cookies come back as they were made, for their time, from whom they were made for."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from netstack.tcp.syn_cookies import MSS_TABLE, PERIOD_S, SynCookies

COOKIES = SynCookies(random.Random(1))
endpoints = st.binary(min_size=12, max_size=12)
numbers = st.integers(0, (1 << 32) - 1)
moments = st.floats(0, 1e9)


@given(endpoints, numbers, st.integers(1, 65535), moments, st.floats(0, PERIOD_S))
def test_cookie_comes_back_within_its_period(where, irs, mss, made_at, later_s):
    cookie = COOKIES.make(where, irs, mss, made_at)
    assert 0 <= cookie < 1 << 32
    known = COOKIES.check(where, irs, cookie, made_at + later_s)
    assert known == max((each for each in MSS_TABLE if each <= mss), default=MSS_TABLE[0])


@given(endpoints, numbers, moments, st.floats(2 * PERIOD_S, 31 * PERIOD_S))
def test_cookie_is_worth_nothing_after_two_periods(where, irs, made_at, later_s):
    cookie = COOKIES.make(where, irs, 1400, made_at)
    assert COOKIES.check(where, irs, cookie, made_at + later_s) is None


@given(endpoints, numbers, st.integers(1, (1 << 32) - 1))
def test_cookie_of_others_is_worth_nothing(where, irs, change):
    cookie = COOKIES.make(where, irs, 1400, 0.0)
    elsewhere = bytes([where[0] ^ 1]) + where[1:]
    assert COOKIES.check(elsewhere, irs, cookie, 0.0) is None
    assert COOKIES.check(where, irs ^ change, cookie, 0.0) is None
    assert COOKIES.check(where, irs, cookie ^ change, 0.0) is None
    assert SynCookies(random.Random(2)).check(where, irs, cookie, 0.0) is None
