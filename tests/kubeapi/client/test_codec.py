"""Bodies: whatever a server sends is a value or malformed."""

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
