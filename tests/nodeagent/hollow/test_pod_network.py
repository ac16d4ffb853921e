"""Addresses of hollow pods."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from nodeagent.cni.chain import Wanted
from nodeagent.cni.errors import CniError
from nodeagent.hollow.pod_network import HollowPodNetwork
from nodeagent.tables import Tables

pytestmark = pytest.mark.asyncio


def wanted(name):
    return Wanted(container_id=name, namespace="default", name=name)


async def addresses(network, *names):
    return [str((await network.add(wanted(name))).addresses[0]) for name in names]


async def test_addresses_come_one_after_another_and_rest_when_they_are_given_back():
    tables = Tables()
    network = HollowPodNetwork(tables, mtu=1450)
    assert "not initialized" in network.error
    network.set_ranges([ip_network("10.244.3.0/29")])
    assert network.error == ""
    assert await addresses(network, "a", "b") == ["10.244.3.2/29", "10.244.3.3/29"]
    assert await addresses(network, "a") == ["10.244.3.2/29"]  # It has one already.
    assert len(tables.wanted("link")) == 2
    await network.delete("a")
    await network.delete("a")
    assert len(tables.wanted("link")) == 1
    assert await addresses(network, "c") == ["10.244.3.4/29"]


async def test_a_full_range_is_refused_and_takes_nothing():
    network = HollowPodNetwork(Tables(), mtu=1450)
    network.set_ranges([ip_network("fd00::/126"), ip_network("10.244.3.0/24")])
    await addresses(network, "a", "b")
    with pytest.raises(CniError, match="no IP addresses available"):
        await network.add(wanted("c"))
    await network.delete("a")
    both = (await network.add(wanted("d"))).addresses
    assert [each.version for each in both] == [6, 4]
    assert str(both[1]) == "10.244.3.4/24"


async def test_the_first_ranges_stay():
    network = HollowPodNetwork(Tables(), mtu=1450)
    network.set_ranges([ip_network("10.244.3.0/24")])
    network.set_ranges([ip_network("10.244.4.0/24")])
    assert await addresses(network, "a") == ["10.244.3.2/24"]
