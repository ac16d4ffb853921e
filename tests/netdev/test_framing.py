"""Batches: what is encoded comes out again, in order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netdev.framing import (
    FRAME_OCTETS_MAX,
    MESSAGE_OCTETS_MAX,
    MalformedBatch,
    encode_batch,
    runs,
    split_batch,
)

frames = st.lists(st.binary(min_size=1, max_size=40), max_size=40)


@given(frames)
def test_split_undoes_encode(batch):
    messages = encode_batch(batch)
    out = [bytes(each) for message in messages for each in split_batch(memoryview(message))]
    assert out == batch


@given(st.lists(st.integers(1, 3000), max_size=200))
def test_messages_are_bounded_and_only_the_last_frame_is_shorter(sizes):
    for stride, part in runs([bytes(size) for size in sizes]):
        assert 2 + sum(map(len, part)) <= MESSAGE_OCTETS_MAX
        assert all(len(frame) == stride for frame in part[:-1])
        assert len(part[-1]) <= stride


def test_a_run_of_full_segments_is_one_message():
    assert len(encode_batch([bytes(1450)] * 40 + [b"x"])) == 1


def test_a_frame_that_fits_no_message_is_left_out():
    assert encode_batch([bytes(FRAME_OCTETS_MAX + 1)]) == []
    assert len(encode_batch([bytes(FRAME_OCTETS_MAX)])[0]) == MESSAGE_OCTETS_MAX


@pytest.mark.parametrize("message", [b"", b"\x00", b"\x00\x05", b"\x00\x00abc"])
def test_what_is_no_batch_is_refused(message):
    with pytest.raises(MalformedBatch):
        split_batch(memoryview(message))


@given(st.binary(max_size=200))
def test_any_octets_are_a_batch_or_malformed(octets):
    try:
        parts = split_batch(memoryview(octets))
    except MalformedBatch:
        return
    assert b"".join(bytes(part) for part in parts) == octets[2:]
