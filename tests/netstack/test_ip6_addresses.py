"""IPv6 addresses: what follows from a MAC and an address, which source suits whom (RFC 6724)."""

from __future__ import annotations

from ipaddress import IPv6Address, IPv6Interface

import pytest

from netstack import ip6_addresses
from netstack.ip6_addresses import Ip6AddressTable


def table(*interfaces):
    made = Ip6AddressTable(None)
    for each in interfaces:
        made.add(IPv6Interface(each))
    return made


def packed(text):
    return IPv6Address(text).packed


def test_link_local_address_follows_from_the_mac():
    made = ip6_addresses.link_local(bytes.fromhex("0a580af40105"))
    assert str(made) == "fe80::858:aff:fef4:105/64"


def test_groups_follow_from_addresses():
    made = table("2001:db8::1:800:200e:8c6c/64")
    assert made.is_joined(packed("ff02::1"))
    assert made.is_joined(packed("ff02::1:ff0e:8c6c"))
    assert not made.is_joined(packed("ff02::2"))
    assert ip6_addresses.group_mac(packed("ff02::1:ff0e:8c6c")) == bytes.fromhex("3333ff0e8c6c")
    assert table().groups == []


@pytest.mark.parametrize(
    ("destination", "source"),
    [
        # RFC 6724 §10.1, as far as one interface with static addresses goes.
        ("2001:db8:1::2", "2001:db8:1::1"),  # Rule 8: the longest prefix.
        ("2001:db8:2::2", "2001:db8:2::1"),
        ("2002:c633:6401::d5e3", "2002:c633:6401::1"),  # Rule 6: the label of 6to4.
        ("fd00::9", "fd00::1"),  # Rule 6: unique local addresses.
        ("fe80::2", "fe80::1"),  # Rule 2: the least scope that reaches.
        ("ff02::1", "fe80::1"),
        ("ff05::1", "2001:db8:1::1"),
        ("fd00::1", "fd00::1"),  # Rule 1: itself.
        ("::1", "::1"),
    ],
)
def test_source_suits_the_destination(destination, source):
    made = table(
        "2001:db8:1::1/64", "2001:db8:2::1/64", "2002:c633:6401::1/48", "fd00::1/64", "fe80::1/64"
    )
    assert made.source_for(packed(destination)) == packed(source)


def test_link_local_alone_is_better_than_nothing():
    assert table("fe80::1/64").source_for(packed("2001:db8::1")) == packed("fe80::1")
    assert table().source_for(packed("2001:db8::1")) is None


def test_longest_prefix_counts_no_further_than_the_subnet():
    made = table("2001:db8::1/64", "2001:db8::ff00/64")
    assert made.source_for(packed("2001:db8::ff01")) == packed("2001:db8::1")


def test_tentative_address_is_heard_and_not_used():
    made = table()
    made.add_tentative(IPv6Interface("fd00::1/64"))
    assert not made.is_local(packed("fd00::1"))
    assert made.is_tentative(packed("fd00::1"))
    assert made.is_joined(packed("ff02::1:ff00:1"))
    assert made.source_for(packed("fd00::2")) is None
    made.add(IPv6Interface("fd00::1/64"))
    assert made.is_own(packed("fd00::1"))
    assert made.tentative == []
    made.remove(IPv6Address("fd00::1"))
    assert not made


def test_on_link_is_what_the_prefixes_say():
    made = table("fd00::1/64")
    assert made.on_link(packed("fd00::9"))
    assert not made.on_link(packed("fd00:1::9"))
