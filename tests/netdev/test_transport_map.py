"""Emulated addresses and their transport addresses."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import pytest

from netdev.transport_map import TransportMap


def test_an_address_keeps_its_host_part_both_ways():
    transport = TransportMap({"192.168.64.0/24": "127.0.1.0/24"})
    assert transport.transport(IPv4Address("192.168.64.7")) == IPv4Address("127.0.1.7")
    assert transport.emulated(IPv4Address("127.0.1.7")) == IPv4Address("192.168.64.7")
    assert transport.network_of(IPv4Address("192.168.64.7")) == IPv4Network("192.168.64.0/24")


def test_other_addresses_are_nobodys():
    transport = TransportMap({"192.168.64.0/24": "127.0.1.0/24"})
    assert transport.transport(IPv4Address("10.0.0.1")) is None
    assert transport.emulated(IPv4Address("127.0.2.7")) is None


def test_an_empty_map_is_the_identity():
    transport, address = TransportMap({}), IPv4Address("172.17.0.5")
    assert transport.transport(address) == transport.emulated(address) == address
    assert transport.network_of(address) == IPv4Network("172.17.0.0/24")


def test_networks_of_different_sizes_are_refused():
    with pytest.raises(ValueError, match="differ in size"):
        TransportMap({"192.168.64.0/24": "127.0.0.0/16"})


def test_an_ipv6_network_rides_on_an_ipv4_one():
    rows = {"fd00:192:168:64::/120": "127.0.1.0/24", "192.168.64.0/24": "127.0.1.0/24"}
    transport, endpoint = TransportMap(rows), IPv6Address("fd00:192:168:64::fa")
    assert transport.transport(endpoint) == IPv4Address("127.0.1.250")
    assert transport.emulated(IPv4Address("127.0.1.250")) == IPv4Address("192.168.64.250")
    assert transport.node_of(endpoint) == IPv4Address("192.168.64.250")
    assert transport.network_of(endpoint) == IPv6Network("fd00:192:168:64::/120")
    assert transport.transport(IPv6Address("fd00::1")) is None


def test_with_ipv6_rows_only_ipv4_is_its_own_transport():
    transport, address = TransportMap({"fd00::/112": "172.18.0.0/16"}), IPv4Address("172.18.0.5")
    assert transport.transport(address) == transport.emulated(address) == address
    assert transport.node_of(IPv6Address("fd00::5")) == address
    assert TransportMap({}).node_of(IPv6Address("fd00::5")) is None


def test_no_transport_is_ipv6():
    with pytest.raises(ValueError, match="Expected 4 octets"):
        TransportMap({"fd00::/120": "fe80::/120"})
