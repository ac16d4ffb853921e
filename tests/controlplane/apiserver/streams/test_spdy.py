"""SPDY/3.1 without a network: what a client says, and what it hears."""

from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controlplane.apiserver.streams.spdy import (
    STREAMS_MAX,
    Data,
    GoneAway,
    MalformedSpdy,
    Opened,
    Reset,
    ResetCode,
    SpdyConnection,
)
from controlplane.apiserver.streams.spdy_headers import (
    BLOCK_OCTETS_MAX,
    DICTIONARY,
    Deflater,
    Inflater,
    MalformedHeaders,
)

from .spdy_client import Frames


def test_dictionary_is_that_of_the_draft():
    assert (len(DICTIONARY), zlib.adler32(DICTIONARY)) == (1423, 0xE3C6A7C2)


def test_headers_of_two_blocks_share_a_stream_of_zlib():
    deflater, inflater = Deflater(), Inflater()
    for headers in ({"streamtype": "error"}, {"StreamType": "data", "port": "80"}):
        lower = {name.lower(): text for name, text in headers.items()}
        assert inflater.headers(deflater.block(headers)) == lower


def test_headers_are_bounded():
    bomb = Deflater().block({"a": "x" * 2 * BLOCK_OCTETS_MAX})
    assert len(bomb) < BLOCK_OCTETS_MAX // 10
    with pytest.raises(MalformedHeaders, match="more than"):
        Inflater().headers(bomb)
    with pytest.raises(MalformedHeaders):
        Inflater().headers(b"no zlib")


def test_stream_is_opened_answered_and_ended():
    client, server = Frames(), SpdyConnection()
    [opened] = server.receive(client.open(1, {"streamtype": "stdin"}))
    assert opened == Opened(1, {"streamtype": "stdin"}, fin=False)
    server.reply(1, {})
    assert list(server.receive(client.data(1, b"abc"))) == [Data(1, b"abc", fin=False)]
    assert list(server.receive(client.data(1, b"", fin=True))) == [Data(1, b"", fin=True)]
    assert server.data(1, b"out")
    assert server.data(1, b"", fin=True)
    assert not server.data(1, b"after the end")
    said = client.read(server.take())
    assert said == [("reply", 1, {}), ("data", 1, b"out", False), ("data", 1, b"", True)]


def test_ping_comes_back_and_ours_does_not_loop():
    client, server = Frames(), SpdyConnection()
    assert list(server.receive(client.ping(7))) == []
    server.ping()
    assert client.read(server.take()) == [("ping", 7), ("ping", 2)]
    list(server.receive(client.ping(2)))
    assert server.take() == b""


def test_what_nobody_acts_on_is_stepped_over():
    client, server = Frames(), SpdyConnection()
    settings, window = client.control(4, bytes(4)), client.control(9, struct.pack("!II", 0, 100))
    events = list(server.receive(settings + window + client.control(7, bytes(8))))
    assert events == [GoneAway()]


def test_reset_stream_hears_and_says_nothing_more():
    client, server = Frames(), SpdyConnection()
    list(server.receive(client.open(1, {})))
    assert list(server.receive(client.reset(1))) == [Reset(1)]
    assert not server.data(1, b"x")
    late = [
        event for event in server.receive(client.data(1, b"late")) if event != Data(0, b"", False)
    ]
    assert late == []
    list(server.receive(client.open(3, {})))
    server.reset(3, ResetCode.CANCEL)
    assert client.read(server.take()) == [("reset", 3, 5)]


def test_too_many_streams_are_refused():
    client, server = Frames(), SpdyConnection()
    for number in range(STREAMS_MAX):
        list(server.receive(client.open(2 * number + 1, {})))
    last = 2 * STREAMS_MAX + 1
    assert list(server.receive(client.open(last, {}))) == []
    assert client.read(server.take()) == [("reset", last, ResetCode.REFUSED_STREAM)]


@pytest.mark.parametrize(
    "octets",
    [
        Frames().control(1, bytes(10), version=2),
        Frames().control(1, bytes(10) + b"no zlib"),
        Frames().control(3, b"short"),
        Frames().open(2, {}),  # Even streams are the server's.
        struct.pack("!II", 0x80030001, 0xFFFFFF),
    ],
    ids=["version", "headers", "short", "even", "long"],
)
def test_what_is_no_spdy_ends_the_connection(octets):
    with pytest.raises(MalformedSpdy):
        list(SpdyConnection().receive(octets))


@given(st.binary(max_size=300))
def test_any_octets_are_events_or_malformed(octets):
    server = SpdyConnection()
    try:
        events = list(server.receive(octets))
    except MalformedSpdy:
        return
    assert all(isinstance(event, Opened | Data | Reset | GoneAway) for event in events)


@given(st.lists(st.binary(max_size=50), max_size=6), st.integers(1, 60))
def test_how_octets_are_cut_changes_nothing(pieces, step):
    client = Frames()
    octets = client.open(1, {"streamtype": "data"}) + b"".join(client.data(1, p) for p in pieces)
    octets += client.data(1, b"", fin=True)
    server, events = SpdyConnection(), []
    for at in range(0, len(octets), step):
        events += server.receive(octets[at : at + step])
    assert isinstance(events[0], Opened)
    assert b"".join(event.octets for event in events[1:]) == b"".join(pieces)
    assert [event.fin for event in events].count(True) == 1
