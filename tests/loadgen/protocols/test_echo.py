from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgen.http1 import BadResponse
from loadgen.plan import LoadPlan
from loadgen.protocols.echo import EchoCodec


def codec(url="tcp://web:7", size=32):
    return EchoCodec(LoadPlan(url=url, rate=1, duration_s=1, size=size))


@given(st.integers(8, 300), st.data())
def test_an_echo_may_come_in_pieces(size, data):
    echo = codec(size=size)
    for _ in range(3):
        octets = echo.request()
        assert len(octets) == size
        cut = data.draw(st.integers(1, size - 1))
        assert echo.feed(octets[:cut]) is None
        assert not echo.is_idle
        answer = echo.feed(octets[cut:])
        assert answer is not None
        assert answer.error == ""


def test_every_payload_is_another():
    echo = codec()
    assert echo.request() != echo.request()


@pytest.mark.parametrize(
    "change", [lambda o: b"x" + o[1:], lambda o: o + b"x", lambda o: o[:-1] + b"x"]
)
def test_another_echo_is_bad(change):
    echo = codec()
    octets = echo.request()
    with pytest.raises(BadResponse, match="differs"):
        echo.feed(change(octets))


def test_a_stream_that_ends_within_an_echo_is_bad():
    echo = codec()
    octets = echo.request()
    assert echo.end() is None
    echo.feed(octets[:3])
    with pytest.raises(BadResponse, match="in the middle"):
        echo.end()


def test_a_datagram_of_before_is_left_out_and_a_cut_one_is_bad():
    echo = codec("udp://web:7")
    before = echo.request()
    now = echo.request()
    assert echo.feed(before) is None
    with pytest.raises(BadResponse):
        echo.feed(now[:-1])
    assert echo.feed(now) is not None
