"""Tables take texts of either family; what makes no sense changes nothing."""

from __future__ import annotations

import pytest

from nodeagent.datapath import listing, tables

MAC = "0a:58:0a:f4:01:05"


def state(world):
    node = world.nodes[1]
    return [
        rows(node)
        for rows in (listing.links, listing.addresses, listing.routes, listing.neighbours)
    ]


@pytest.mark.parametrize(
    ("method", "entry"),
    [
        ("link_replace", tables.Link(name="veth7", mac=MAC)),
        ("link_replace", tables.Link(name="veth7", mac=MAC, address="fd00::7/64")),
        ("link_replace", tables.Link(name="veth7", mac=MAC, address6="10.244.1.7/24")),
        ("link_replace", tables.Link(name="veth7", mac=MAC, address6="::10.244.1.7/64")),
        ("address_replace", tables.Address(address="::1/128", device="cni0")),
        ("neighbour_replace", tables.Neighbour(address="::7", device="cni0", mac=MAC)),
        ("route_replace", tables.Route(destination="fd00::/64", device="cni0", via="10.0.0.1")),
        ("route_replace", tables.Route(destination="10.0.0.0/8", device="cni0", via="fd00::1")),
        ("route_replace", tables.Route(destination="fd00::1/64", device="cni0")),
        ("settings", tables.Settings(cluster_cidr="10.0.0.0/8,11.0.0.0/8")),
    ],
)
def test_nonsense_is_refused_and_changes_nothing(dual, method, entry):
    before = state(dual), dual.nodes[1].policy
    argument = entry if method == "settings" else [entry]
    with pytest.raises(ValueError):  # noqa: PT011
        getattr(dual.controls[1], method)(argument)
    assert (state(dual), dual.nodes[1].policy) == before


def test_addresses_bring_their_routes_and_the_bridge_a_link_local_one(dual):
    texts = [row["address"] for row in listing.addresses(dual.nodes[1]) if ":" in row["address"]]
    assert texts == [
        "fd00:192:168:64::1/120",
        "fd00:10:244:1::1/64",
        "fe80::857:c0ff:fea8:4001/64",
        "fd00:10:244:1::/128",
    ]
    rows = {row["destination"]: row for row in listing.routes(dual.nodes[1])}
    assert rows["fe80::/64"]["device"] == rows["fd00:10:244:1::/64"]["device"] == "cni0"
    assert rows["fd00:192:168:64::/120"]["protocol"] == "kernel"
    assert rows["fd00:10:244:2::/64"]["via"] == "fd00:10:244:2::"
    shown = {row["name"]: (row["address"], row["address6"]) for row in listing.links(dual.nodes[1])}
    assert shown["cni0"] == ("10.244.1.1/24", "fd00:10:244:1::1/64")
    assert shown["eth0"] == ("192.168.64.1/24", "fd00:192:168:64::1/120")
    dual.controls[1].address_delete(["fd00:10:244:1::1/64"])
    assert "fd00:10:244:1::/64" not in {row["destination"] for row in listing.routes(dual.nodes[1])}


def test_a_pod_of_one_family_alone_is_a_link(dual):
    entry = tables.Link(name="veth7", mac=MAC, address6="fd00:10:244:1::7/64")
    dual.controls[1].link_replace([entry])
    row = next(row for row in listing.links(dual.nodes[1]) if row["name"] == "veth7")
    assert (row["address"], row["address6"]) == ("", "fd00:10:244:1::7/64")
