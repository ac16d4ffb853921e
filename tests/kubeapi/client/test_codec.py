"""Bodies: whatever a server sends is a value or malformed."""

from pathlib import Path

import msgpack
import pytest

from kubeapi.client.codec import JSON, MSGPACK, MalformedBody, WatchDecoder, decode


@pytest.mark.parametrize(
    ("octets", "media_type"),
    [
        (b"{", JSON),
        (b"[" * 100_000, JSON),
        (b"\xc1", MSGPACK),
        (b"\xa2\xff\xff", MSGPACK),
        (b"\x91" * 100_000, MSGPACK),
    ],
    ids=["cut", "deep", "reserved", "no UTF-8", "deep lists"],
)
def test_what_is_no_body_is_malformed(octets: bytes, media_type: str) -> None:
    with pytest.raises(MalformedBody):
        decode(octets, media_type)


def test_a_watch_with_a_list_as_a_key_is_malformed() -> None:
    with pytest.raises(MalformedBody):
        WatchDecoder(MSGPACK).feed(b"\x81\x90\x01")


def test_a_watch_keeps_what_it_has_not_read_and_no_more():
    event = {"type": "MODIFIED", "object": {"a": "b" * 2000}}
    octets = msgpack.packb(event)
    decoders = [WatchDecoder(MSGPACK) for _ in range(8)]
    before = _resident_kib()
    for _ in range(1500):  # 3 MB each, in pieces.
        for decoder in decoders:
            assert decoder.feed(octets[:1000]) == []
            assert decoder.feed(octets[1000:]) == [event]
    assert _resident_kib() < before + 2048
    long = {**event, "object": {"a": "b" * 3_000_000}}
    assert decoders[0].feed(msgpack.packb(long)) == [long]


def _resident_kib() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4
