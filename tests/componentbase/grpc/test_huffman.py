"""The Huffman code, against an encoder that we did not write."""

from __future__ import annotations

import pytest
from hpack.huffman import HuffmanEncoder
from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH
from hypothesis import given
from hypothesis import strategies as st

from componentbase.grpc import huffman

ENCODER = HuffmanEncoder(REQUEST_CODES, REQUEST_CODES_LENGTH)


@given(st.binary(max_size=100))
def test_what_was_encoded_is_read(text):
    assert huffman.decode(ENCODER.encode(text)) == text


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        ("ffffffff", "the end of the string"),  # RFC 7541 §5.2: EOS itself is an error
        ("00", "padding"),  # "0" and three zeros
        ("07ff", "padding"),  # "0" and eleven ones
    ],
)
def test_what_no_encoder_writes_is_refused(octets, why):
    with pytest.raises(ValueError, match=why):
        huffman.decode(bytes.fromhex(octets))
