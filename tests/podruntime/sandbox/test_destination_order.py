"""RFC 6724 §10.2's examples, and what holds for any list."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podruntime.sandbox.destination_order import ordered, scope


def _sorted(pairs: dict[str, str | None]) -> list[str]:
    def source_for(destination):
        text = pairs[str(destination)]
        return None if text is None else ip_address(text)

    return [str(each) for each in ordered(map(ip_address, pairs), source_for)]


@pytest.mark.parametrize(
    ("pairs", "first"),
    [
        ({"198.51.100.121": None, "2001:db8:1::1": "2001:db8:1::2"}, "2001:db8:1::1"),
        ({"2001:db8:1::1": None, "198.51.100.121": "198.51.100.117"}, "198.51.100.121"),
        ({"198.51.100.121": "169.254.13.78", "2001:db8:1::1": "2001:db8:1::2"}, "2001:db8:1::1"),
        ({"2001:db8:1::1": "fe80::1", "198.51.100.121": "198.51.100.117"}, "198.51.100.121"),
        ({"10.1.2.3": "10.1.2.4", "2001:db8:1::1": "2001:db8:1::2"}, "2001:db8:1::1"),
        ({"2001:db8:3ffe::1": "2001:db8:1::2", "2001:db8:1::1": "2001:db8:1::2"}, "2001:db8:1::1"),
        ({"2002:c633:6401::1": "2002:c633:6401::2", "2001:db8:1::1": "2001:db8:1::2"},
         "2001:db8:1::1"),
        ({"2001:db8:1::1": "2001:db8:1::2", "fe80::1": "fe80::2"}, "fe80::1"),
        ({"10.0.0.2": "10.0.0.9", "10.0.0.1": "10.0.0.9"}, "10.0.0.2"),
    ],
)  # fmt: skip
def test_the_better_destination_comes_first(pairs, first):
    assert _sorted(pairs)[0] == first


@given(st.lists(st.ip_addresses(), max_size=8), st.lists(st.ip_addresses(), max_size=8))
def test_nothing_is_lost_and_unreachable_ones_are_last(reachable, lost):
    reachable = [each for each in reachable if each not in lost]

    def source_for(destination):
        return None if destination in lost else destination

    result = ordered([*lost, *reachable], source_for)
    assert sorted(map(str, result)) == sorted(map(str, [*lost, *reachable]))
    assert all(each in lost for each in result[len(reachable) :])


def test_scopes():
    assert scope(ip_address("127.0.0.1")) == scope(ip_address("fe80::1")) == 2
    assert scope(ip_address("10.0.0.1")) == scope(ip_address("2001:db8::1")) == 14
    assert scope(ip_address("ff05::1")) == 5
