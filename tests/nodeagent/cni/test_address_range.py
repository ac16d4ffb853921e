"""Ranges of addresses, against a plain reading of them."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeagent.cni.address_range import RangeConfig, next_free, parse_range, parse_sets
from nodeagent.cni.errors import CniError


def config(subnet: str, first: str = "", last: str = "", gateway: str = "") -> RangeConfig:
    return RangeConfig(subnet=subnet, range_start=first, range_end=last, gateway=gateway)


@pytest.mark.parametrize(
    ("given_", "text", "gateway"),
    [
        (config("10.0.0.0/24"), "10.0.0.1-10.0.0.254", "10.0.0.1"),
        (config("fd00::/64"), "fd00::1-fd00::ffff:ffff:ffff:ffff", "fd00::1"),
        (config("10.0.0.0/30", gateway="10.0.0.2"), "10.0.0.1-10.0.0.2", "10.0.0.2"),
        (config("10.0.0.0/24", "10.0.0.7", "10.0.0.9"), "10.0.0.7-10.0.0.9", "10.0.0.1"),
    ],
    ids=["ipv4", "ipv6", "gateway", "part"],
)
def test_defaults_are_host_locals(given_, text, gateway):
    made = parse_range(given_)
    assert (str(made), str(made.gateway)) == (text, gateway)


@pytest.mark.parametrize(
    "wrong",
    [
        config(""),
        config("10.0.0.1/24"),
        config("10.0.0.0/31"),
        config("10.0.0.0/32"),
        config("fd00::/127"),
        config("10.0.0.0/33"),
        config("10.0.0.0/24", first="10.0.1.1"),
        config("10.0.0.0/24", last="fd00::1"),
        config("10.0.0.0/24", first="10.0.0.9", last="10.0.0.8"),
        config("10.0.0.0/24", gateway="here"),
    ],
    ids=lambda each: f"{each.subnet}-{each.range_start}-{each.range_end}-{each.gateway}",
)
def test_ranges_without_sense_are_refused(wrong):
    with pytest.raises(CniError, match="invalid range"):
        parse_range(wrong)


@pytest.mark.parametrize(
    ("sets", "text"),
    [
        ([], "no IP ranges specified"),
        ([[]], "no IP ranges specified"),
        ([[config("10.0.0.0/24"), config("fd00::/64")]], "mixed address families"),
        ([[config("10.0.0.0/24")], [config("10.0.0.0/16")]], "range sets overlap"),
    ],
    ids=["none", "empty", "mixed", "overlap"],
)
def test_sets_without_sense_are_refused(sets, text):
    with pytest.raises(CniError, match=text):
        parse_sets(sets)


def test_parts_of_one_subnet_do_not_overlap():
    halves = [config("10.0.0.0/24", last="10.0.0.9"), config("10.0.0.0/24", first="10.0.0.10")]
    assert len(parse_sets([halves])[0]) == 2


RANGES = parse_sets([[config("10.0.0.0/29"), config("10.1.0.0/29", gateway="10.1.0.3")]])[0]
#: What may be given, in order.
USABLE = [
    address
    for each in RANGES
    for address in ip_network(each.subnet).hosts()
    if address != each.gateway
]


@given(st.sets(st.sampled_from(USABLE)), st.sampled_from([None, *USABLE, ip_address("10.9.0.1")]))
def test_the_next_is_the_first_free_one_behind_the_last(taken, last):
    start = USABLE.index(last) + 1 if last in USABLE else 0
    order = USABLE[start:] + USABLE[:start]
    expected = next((each for each in order if each not in taken), None)
    if expected is None:
        with pytest.raises(CniError, match="no IP addresses available in range set"):
            next_free(RANGES, taken, last)
        return
    found, address = next_free(RANGES, taken, last)
    assert address == expected
    assert address in found
    assert found.interface(address).network == found.subnet
