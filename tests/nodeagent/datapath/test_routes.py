"""Longest prefix match against the obvious way to do it."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, ip_network

from hypothesis import given
from hypothesis import strategies as st

from nodeagent.datapath.routes import Route, RouteTable

# Few bits, so that prefixes nest and meet.
networks = st.builds(
    lambda bits, length: IPv4Network((bits << 26, length), strict=False),
    st.integers(0, 63),
    st.integers(0, 6),
)
steps = st.lists(st.tuples(st.booleans(), networks, st.booleans(), st.sampled_from("abc")))


@given(steps, st.lists(st.integers(0, 63), min_size=1))
def test_lookup_agrees_with_a_search_of_all_routes(changes, addresses):
    table, naive = RouteTable(), {}
    for add, network, connected, device in changes:
        key = (network, connected)
        if add:
            naive[key] = Route(destination=network, device=device, connected=connected)
            table.replace(naive[key])
        else:
            assert table.delete(network, connected=connected) == (naive.pop(key, None) is not None)
    assert sorted(map(repr, table.entries())) == sorted(map(repr, naive.values()))
    for bits in addresses:
        address = IPv4Address(bits << 26)
        matching = [route for (network, _), route in naive.items() if address in network]
        best = max(
            matching,
            key=lambda each: (each.destination.prefixlen, not each.connected),
            default=None,
        )
        assert table.lookup(int(address)) == best


def test_the_lowest_metric_wins_and_deleting_removes_them_all():
    table, network = RouteTable(), IPv4Network("10.0.0.0/8")
    for metric in (20, 10, 30):
        table.replace(Route(destination=network, device=f"eth{metric}", metric=metric))
    table.replace(Route(destination=network, device="eth9", metric=10))
    assert [route.device for route in table.entries()] == ["eth9", "eth20", "eth30"]
    assert table.lookup(0x0A000001).device == "eth9"
    assert table.delete(network)
    assert table.lookup(0x0A000001) is None


def test_families_are_side_by_side():
    table = RouteTable()
    for text, device in (("::/0", "six"), ("0.0.0.0/0", "four"), ("fd00::/64", "pods")):
        table.replace(Route(destination=ip_network(text), device=device))
    assert table.lookup(0).device == "four"
    assert table.lookup((1 << 32) - 1).device == "four"
    assert table.lookup(1 << 32).device == "six"
    assert table.lookup((0xFD << 120) + 5).device == "pods"
    assert [route.device for route in table.entries()] == ["four", "pods", "six"]
    assert table.delete(ip_network("::/0"))
    assert not table.delete(ip_network("::/0"))
    assert table.lookup(1 << 32) is None
    assert table.lookup(5).device == "four"
