"""Whose addresses the networks outside have."""

from __future__ import annotations

from ipaddress import IPv4Address, ip_address, ip_network

import pytest

from nodeagent.datapath.external import ExternalMap

BOTH = ExternalMap({"192.168.65.0/24": "127.0.64.0/24", "fd00:192:168:65::/120": "127.0.64.0/24"})


@pytest.mark.parametrize(
    ("address", "transport"),
    [
        ("192.168.65.1", "127.0.64.1"),
        ("192.168.65.127", "127.0.64.127"),
        ("192.168.65.0", None),
        ("192.168.65.128", None),  # Other clients'.
        ("fd00:192:168:65::1f", "127.0.64.31"),
        ("203.0.113.1", None),
        ("192.168.64.1", None),
    ],
)
def test_load_balancers_are_listened_for_on_this_machine(address, transport):
    found = BOTH.transport(ip_address(address))
    assert found == (None if transport is None else IPv4Address(transport))


@pytest.mark.parametrize(
    ("transport", "version", "client"),
    [
        ("127.0.64.128", 4, "192.168.65.128"),
        ("127.0.64.253", 4, "192.168.65.253"),
        ("127.0.64.254", 4, None),
        ("127.0.64.127", 4, None),
        ("127.0.64.200", 6, "fd00:192:168:65::c8"),
        ("127.0.0.1", 4, None),  # The host, as all others.
    ],
)
def test_who_dials_from_the_upper_half_is_another_client(transport, version, client):
    found = BOTH.client(IPv4Address(transport), version)
    assert found == (None if client is None else ip_address(client))
    assert found is None or BOTH.is_client(found)


def test_nodes_route_to_clients_and_not_to_balancers():
    assert BOTH.client_networks() == [
        ip_network("192.168.65.128/25"),
        ip_network("fd00:192:168:65::80/121"),
    ]
    assert not BOTH.is_client(ip_address("192.168.65.9"))


def test_networks_of_other_sizes_are_refused():
    with pytest.raises(ValueError, match="256 addresses"):
        ExternalMap({"192.168.64.0/23": "127.0.64.0/24"})
