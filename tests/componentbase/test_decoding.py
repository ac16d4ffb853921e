"""What decoding raises is what it is said to raise."""

from __future__ import annotations

import contextlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from componentbase.decoding import UNREADABLE


@given(st.binary(max_size=60))
def test_any_octets_raise_nothing_else(octets: bytes) -> None:
    for decode in (msgspec.json.decode, msgspec.msgpack.decode):
        with contextlib.suppress(*UNREADABLE):
            decode(octets)


@pytest.mark.parametrize("octets", [b'{"a":"\xff"}', b"[" * 100_000, b"{", b"", b'"\xed\xa0\x80"'])
def test_what_is_no_json_raises(octets: bytes) -> None:
    with pytest.raises(UNREADABLE):
        msgspec.json.decode(octets)


def test_half_of_a_pair_raises() -> None:
    with pytest.raises(UNREADABLE):
        msgspec.json.decode('"\ud800"')
