"""Emulated addresses and their transport addresses."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

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
