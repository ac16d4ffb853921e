"""Bodies come off streams however these are cut, and end where they say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingresscontroller.framing import LAST_CHUNK, Body, chunk
from ingresscontroller.message import Refused


def taken(octets: bytes) -> tuple[bytes, bool, bytes]:
    body, buffer = Body(chunked=True, length=None), bytearray(octets)
    return body.take(buffer), body.complete, bytes(buffer)


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=6), st.data())
def test_chunks_come_out_as_they_went_in(pieces, data):
    stream = b"".join(map(chunk, pieces)) + LAST_CHUNK + b"next"
    body, content = Body(chunked=True, length=None), b""
    buffer, at = bytearray(), 0
    while at < len(stream):
        step = data.draw(st.integers(1, len(stream) - at))
        buffer += stream[at : at + step]
        at += step
        if not body.complete:
            content += body.take(buffer)
    assert content == b"".join(pieces)
    assert body.complete
    assert buffer == b"next"
    assert body.octets == len(content)


@given(st.binary(max_size=80), st.integers(0, 100))
def test_a_length_is_kept_to(octets, length):
    body = Body(chunked=False, length=length)
    assert body.fits(octets) == (len(octets) <= length)
    content, surplus = body.take_data(octets) if length else (b"", bool(octets))
    assert content == octets[:length]
    assert surplus == (len(octets) > length)
    assert body.complete == (len(octets) >= length)


@pytest.mark.parametrize(
    "octets",
    [
        b"x\r\n", b"\r\n", b"-1\r\n", b"+1\r\n", b"0x1\r\na\r\n", b" 1\r\n", b"1 \r\n",
        b"1\na\r\n", b"1\r\nab\r\n", b"1\r\na\n0\r\n\r\n", b"1\r\na\rb\n", b"1\r\naX\r\n",
        b"ffffffffffffffff\r\n", b"1;" + b"a" * 300, b"1;a\0b\r\n", b"1;\ra\r\n",
    ],
)  # fmt: skip
def test_bad_chunks_are_refused(octets):
    with pytest.raises(Refused):
        taken(octets)


def test_extensions_and_trailers_are_dropped():
    octets = b'3;name="a b"\r\nabc\r\n0\r\nX-Trailer: 1\r\nY: 2\r\n\r\nnext'
    assert taken(octets) == (b"abc", True, b"next")
    with pytest.raises(Refused) as caught:
        taken(b"0\r\n" + b"X: 1234567890123456789012345678901234567890\r\n" * 400)
    assert caught.value.status == 431


@given(st.binary(max_size=60))
def test_any_octets_are_chunks_or_are_refused(octets):
    try:
        content, complete, rest = taken(octets)
    except Refused:
        return
    assert len(content) <= len(octets)
    assert complete or not rest or len(rest) <= 256
