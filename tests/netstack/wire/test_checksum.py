"""The checksum against the algorithm of RFC 1071 §4.1, word by word."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from netstack.wire import checksum


def naive(octets):
    octets = bytes(octets) + bytes(len(octets) % 2)
    total = sum(octets[i] << 8 | octets[i + 1] for i in range(0, len(octets), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


not_zero = st.binary(min_size=1, max_size=3000).filter(any)


@given(not_zero)
def test_of_equals_the_naive_one(octets):
    assert checksum.of(octets) == naive(octets)


def test_of_folds_large_packets_like_small_ones():
    for length in (511, 512, 1023, 1024, 4096, 60_001, 65_535):
        octets = bytes((i * 31 + 7) & 0xFF for i in range(length))
        assert checksum.of(octets) == naive(octets), length


@given(not_zero.filter(lambda octets: len(octets) % 2 == 0), st.binary(max_size=99))
def test_combine_is_the_sum_of_the_whole(first, second):
    combined = checksum.combine(checksum.add(first), checksum.add(second))
    assert checksum.finish(combined) == naive(first + second)


@given(not_zero)
def test_holds_when_the_field_is_right(octets):
    octets += bytes(len(octets) % 2)
    field = checksum.of(octets).to_bytes(2, "big")
    assert checksum.holds(checksum.add(octets + field))
    wrong = (checksum.of(octets) ^ 0x0100).to_bytes(2, "big")
    assert not checksum.holds(checksum.add(octets + wrong))


@given(
    st.binary(min_size=40, max_size=40).filter(any),
    st.binary(min_size=6, max_size=6),
    st.integers(0, 16),
)
def test_update_equals_a_new_checksum(octets, new, word):
    at = 2 * word
    changed = octets[:at] + new + octets[at + 6 :]
    change = checksum.delta(octets[at : at + 6], new)
    updated = checksum.update(checksum.of(octets), change)
    assert updated % 0xFFFF == naive(changed) % 0xFFFF


def test_update_udp_keeps_none_and_never_makes_one():
    assert checksum.update_udp(0, 5) == 0
    assert checksum.update_udp(0xFFFA, 5) == 0xFFFF


def test_finish_udp_of_a_zero_is_all_ones():
    assert checksum.finish_udp(0xFFFF) == 0xFFFF
    assert checksum.finish(0xFFFF) == 0


def test_pseudo_header_is_that_of_rfc_9293():
    source, destination = bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2])
    header = source + destination + bytes([0, 6, 0, 20])
    assert checksum.finish(checksum.pseudo_header(source, destination, 6, 20)) == naive(header)
