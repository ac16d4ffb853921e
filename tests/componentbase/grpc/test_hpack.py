"""Header lists, against a library that we did not write."""

from __future__ import annotations

import hpack as peer
import pytest
from hypothesis import given
from hypothesis import strategies as st

from componentbase.grpc import hpack

NAMES = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=12)
VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=0x17F), max_size=300)
LISTS = st.lists(st.tuples(NAMES, VALUES), max_size=12)


@given(st.lists(LISTS, max_size=5), st.booleans())
def test_one_decoder_reads_all_lists_of_a_connection(lists, is_huffman):
    encoder, decoder = peer.Encoder(), hpack.Decoder()
    for headers in lists:
        assert decoder.decode(encoder.encode(headers, huffman=is_huffman)) == headers


def test_a_full_table_forgets_the_oldest():
    encoder, decoder = peer.Encoder(), hpack.Decoder()
    for number in range(200):
        headers = [("x-number", f"{number:060}"), ("x-same", "a" * 60)]
        assert decoder.decode(encoder.encode(headers)) == headers


def test_a_table_may_be_made_smaller():
    encoder, decoder = peer.Encoder(), hpack.Decoder()
    decoder.decode(encoder.encode([("a", "b" * 40)]))
    encoder.header_table_size = 64
    for value in ("b" * 40, "c", "c"):
        assert decoder.decode(encoder.encode([("a", value)])) == [("a", value)]


@given(LISTS)
def test_what_we_send_is_read_by_others(headers):
    assert peer.Decoder().decode(hpack.encode(headers)) == headers


@pytest.mark.parametrize(
    "block",
    [
        b"\x80",  # an index of nothing
        b"\xff\x80\x80\x80\x80\x80\x80",  # a number without end
        b"\xbf",  # an index that the table has not
        b"\x00\x05ab",  # a text that ends too early
        b"\x00\x81\x00\x00",  # wrong padding
        b"\x3f\xe2\x1f",  # a table of more than 4,096 octets
        b"\x00",  # nothing at all
        (b"\x00\x01a\x7f\x81\x3d" + b"x" * 8000) * 3,  # more than a list may have
    ],
)
def test_what_is_no_list_is_refused(block):
    with pytest.raises(hpack.MalformedHeaders):
        hpack.Decoder().decode(block)
