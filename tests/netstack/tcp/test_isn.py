"""Initial sequence numbers: increasing for one pair of endpoints, elsewhere for another."""

from __future__ import annotations

import random

from netstack.tcp.isn import IsnGenerator

HERE, THERE = b"\x0a\xf4\x00\x02\x0a\xf4\x00\x03\x80\x00\x00\x50", bytes(12)


def test_one_pair_counts_up_with_the_clock():
    isn = IsnGenerator(random.Random(1))
    first, second = isn.choose(HERE, 10.0), isn.choose(HERE, 10.001)
    assert (second - first) & 0xFFFFFFFF == 250


def test_other_endpoints_and_other_hosts_begin_elsewhere():
    isn, other = IsnGenerator(random.Random(1)), IsnGenerator(random.Random(2))
    numbers = {isn.choose(HERE, 0.0), isn.choose(THERE, 0.0), other.choose(HERE, 0.0)}
    assert len(numbers) == 3
    assert all(0 <= number < 1 << 32 for number in numbers)


def test_timestamps_between_two_addresses_go_on():
    isn, other = IsnGenerator(random.Random(1)), IsnGenerator(random.Random(2))
    assert isn.stamp_offset(HERE[:8]) == isn.stamp_offset(HERE[:8])
    assert (
        len({isn.stamp_offset(HERE[:8]), isn.stamp_offset(bytes(8)), other.stamp_offset(HERE[:8])})
        == 3
    )
