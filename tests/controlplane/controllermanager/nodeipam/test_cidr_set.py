"""Node ranges against a naive model."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controlplane.controllermanager.nodeipam.cidr_set import CidrSet, RangeFullError

CLUSTER = IPv4Network("10.244.0.0/16")


def test_in_order():
    ranges = CidrSet(CLUSTER, 24)
    assert [str(ranges.allocate()) for _ in range(3)] == [
        "10.244.0.0/24",
        "10.244.1.0/24",
        "10.244.2.0/24",
    ]


def test_a_freed_range_rests():
    ranges = CidrSet(CLUSTER, 24)
    first = ranges.allocate()
    ranges.release(first)
    assert ranges.allocate() != first


def test_full():
    ranges = CidrSet(IPv4Network("10.0.0.0/23"), 24)
    given_ = [ranges.allocate(), ranges.allocate()]
    with pytest.raises(RangeFullError):
        ranges.allocate()
    ranges.release(given_[0])
    assert ranges.allocate() == given_[0]


def test_what_nodes_have_at_the_start_is_taken():
    ranges = CidrSet(CLUSTER, 24)
    ranges.occupy(IPv4Network("10.244.0.0/24"))
    ranges.occupy(IPv4Network("10.244.2.0/23"))
    assert [str(ranges.allocate()) for _ in range(2)] == ["10.244.1.0/24", "10.244.4.0/24"]


def test_strangers_and_giants():
    ranges = CidrSet(IPv4Network("10.0.0.0/23"), 24)
    ranges.occupy(IPv4Network("192.168.0.0/24"))
    ranges.release(IPv4Network("172.16.0.0/12"))
    assert str(ranges.allocate()) == "10.0.0.0/24"
    ranges.occupy(IPv4Network("10.0.0.0/8"))
    with pytest.raises(RangeFullError):
        ranges.allocate()


def test_ipv6():
    ranges = CidrSet(IPv6Network("fd00:10:244::/48"), 64)
    ranges.occupy(IPv6Network("fd00:10:244::/64"))
    ranges.occupy(IPv4Network("10.244.0.0/16"))  # Of the other family: none of ours.
    assert str(ranges.allocate()) == "fd00:10:244:1::/64"


@given(st.lists(st.one_of(st.none(), st.integers(0, 7)), max_size=40))
def test_never_twice(steps):
    """None allocates, a number gives back what was given that many steps ago."""
    ranges = CidrSet(IPv4Network("10.0.0.0/21"), 24)
    held = []
    for step in steps:
        if step is None:
            if len(held) == 8:
                with pytest.raises(RangeFullError):
                    ranges.allocate()
            else:
                got = ranges.allocate()
                assert got not in held
                held.append(got)
        elif held:
            ranges.release(held.pop(step % len(held)))
