"""Batches: what is encoded comes out again, in order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netdev.framing import (
    FRAME_OCTETS_MAX,
    HEADER_OCTETS,
    MESSAGE_OCTETS_MAX,
    PARTIAL,
    SEGMENT_OCTETS_MAX,
    MalformedBatch,
    encode_batch,
    runs,
    split_batch,
    split_offloaded,
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
        assert HEADER_OCTETS + sum(map(len, part)) <= MESSAGE_OCTETS_MAX
        assert all(len(frame) == stride for frame in part[:-1])
        assert len(part[-1]) <= stride


def test_a_run_of_full_segments_is_one_message():
    assert len(encode_batch([bytes(1450)] * 40 + [b"x"])) == 1


def test_a_frame_that_fits_no_message_is_left_out():
    assert encode_batch([bytes(FRAME_OCTETS_MAX + 1)]) == []
    assert len(encode_batch([bytes(FRAME_OCTETS_MAX)])[0]) == MESSAGE_OCTETS_MAX - 2


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


@pytest.mark.parametrize(
    "message",
    [
        b"\x00\x05\x80\x00",  # No frame.
        b"\x00\x00\x80\x00abc",
        b"\x00\x02\x85\x00abcd",  # A super-frame that is two.
        b"\x00\x04\x05\x00abcd",  # One with checksums.
        b"\xff\xf0\x85\x00" + bytes(62_001),
    ],
)
def test_what_is_no_offloaded_batch_is_refused(message):
    with pytest.raises(MalformedBatch):
        split_offloaded(memoryview(message))


@given(st.binary(max_size=200))
def test_any_octets_are_an_offloaded_batch_or_malformed(octets):
    try:
        parts, offload = split_offloaded(memoryview(octets))
    except MalformedBatch:
        return
    assert b"".join(bytes(part) for part in parts) == octets[HEADER_OCTETS:]
    assert not offload & SEGMENT_OCTETS_MAX or (len(parts) == 1 and offload & PARTIAL)
