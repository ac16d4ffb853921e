"""Frames: how they are cut, put together and answered."""

from __future__ import annotations

import pytest
from hyperframe.frame import ContinuationFrame, DataFrame, HeadersFrame

from componentbase.grpc import frames
from componentbase.grpc.frames import BrokenConnection, Frame, FrameReader, Kind


def test_frames_come_in_any_pieces():
    octets = frames.emit(Kind.DATA, 1, 3, b"abc") + frames.emit(Kind.PING, 0, 0, b"12345678")
    reader, found = FrameReader(), []
    for place in range(len(octets)):
        found += reader.feed(octets[place : place + 1])
    assert found == [Frame(0, 1, 3, b"abc"), Frame(6, 0, 0, b"12345678")]
    assert found[0].ends_stream()
    assert not found[1].ends_stream()


def test_padding_and_priority_are_taken_off():
    data = DataFrame(1, b"abc", pad_length=7, flags=["PADDED"]).serialize()
    headers = HeadersFrame(
        3, b"block", pad_length=2, flags=["PADDED", "PRIORITY", "END_HEADERS"]
    ).serialize()
    assert [each.payload for each in FrameReader().feed(data + headers)] == [b"abc", b"block"]


def test_a_header_block_goes_on():
    first = HeadersFrame(1, b"ab", flags=["END_STREAM"]).serialize()
    second = ContinuationFrame(1, b"cd").serialize()
    last = ContinuationFrame(1, b"ef", flags=["END_HEADERS"]).serialize()
    (frame,) = FrameReader().feed(first + second + last)
    assert (frame.kind, frame.payload, frame.ends_stream()) == (Kind.HEADERS, b"abcdef", True)


@pytest.mark.parametrize(
    "octets",
    [
        b"\x00\x40\x01\x00\x00\x00\x00\x00\x01",  # a frame of 16,385 octets
        ContinuationFrame(1, b"x").serialize(),
        HeadersFrame(1, b"x").serialize() + frames.emit(Kind.PING, 0, 0),
        HeadersFrame(1, b"x").serialize() + ContinuationFrame(3, b"x").serialize(),
        frames.emit(Kind.DATA, 8, 1, b"\x05abc"),  # more padding than frame
        frames.emit(Kind.DATA, 8, 1),
        HeadersFrame(1, b"x").serialize() + ContinuationFrame(1, b"x" * 16000).serialize() * 3,
    ],
)
def test_what_breaks_the_rules_is_refused(octets):
    with pytest.raises(BrokenConnection):
        FrameReader().feed(octets)


def test_what_is_about_the_connection_is_answered():
    assert frames.answer(Frame(Kind.SETTINGS, 0, 0, b"")) == frames.emit(Kind.SETTINGS, 1, 0)
    assert frames.answer(Frame(Kind.SETTINGS, 1, 0, b"")) == b""
    pong = frames.emit(Kind.PING, 1, 0, b"12345678")
    assert frames.answer(Frame(Kind.PING, 0, 0, b"12345678")) == pong
    window = frames.emit(Kind.WINDOW_UPDATE, 0, 0, b"\x00\x00\x00\x03")
    assert frames.answer(Frame(Kind.DATA, 0, 1, b"abc")) == window


def test_messages_have_their_length():
    assert frames.parse_message(frames.emit_message(b"abc")) == b"abc"
    for octets in (b"", b"\x01\x00\x00\x00\x00", b"\x00\x00\x00\x00\x02a"):
        with pytest.raises(ValueError, match="grpc"):
            frames.parse_message(octets)
