"""Families: networks that do not collide, and names that are remembered."""

from __future__ import annotations

from ipaddress import ip_network
from itertools import combinations

import pytest

from podwire.cluster.families import NETWORKS, IpFamily, first_addresses, underlay6, versions
from podwire.cluster.layout import NODES_MAX, Cluster


@pytest.mark.parametrize("family", list(NETWORKS))
def test_a_cluster_remembers_its_family_by_its_networks(family: IpFamily) -> None:
    cluster = Cluster(name="lab", nodes=1, block=3, **NETWORKS[family])
    assert cluster.ip_family == family
    assert versions(cluster.cluster_cidr) == versions(cluster.service_cidr) == cluster.families
    assert (
        versions(f"{cluster.cluster_dns}/128".replace(".10/128", ".10/32"))[0]
        == (cluster.families[0])
    )


def test_no_two_networks_of_a_dual_cluster_overlap_and_every_node_has_room() -> None:
    cluster = Cluster(name="lab", nodes=1, **NETWORKS["dual"])
    texts = [*cluster.cluster_cidr.split(","), *cluster.service_cidr.split(",")]
    texts += [cluster.underlay, underlay6(cluster.underlay)]
    networks = [ip_network(text) for text in texts]
    for one, other in combinations(networks, 2):
        assert one.version != other.version or not one.overlaps(other)
    assert 1 << (cluster.node_cidr_mask - networks[0].prefixlen) > NODES_MAX
    assert 1 << (64 - networks[1].prefixlen) > NODES_MAX


def test_hosts_have_the_same_number_in_both_families() -> None:
    dual = Cluster(name="lab", nodes=1, block=3, **NETWORKS["dual"])
    assert dual.host_addresses(250) == ["192.168.64.250", "fd00:192:168:64::fa"]
    assert dual.transport_map == {
        "192.168.64.0/24": "127.0.3.0/24",
        "fd00:192:168:64::/120": "127.0.3.0/24",
    }
    ipv4 = Cluster(name="lab", nodes=1, block=3)
    assert (ipv4.underlay_address6(1), ipv4.host_addresses(1)) == ("", ["192.168.64.1"])
    assert list(ipv4.fabric_map) == ["192.168.64.0/24"]


def test_the_api_has_the_first_address_of_each_network_of_services() -> None:
    assert first_addresses(NETWORKS["dual"]["service_cidr"]) == ["10.96.0.1", "fd00:10:96::1"]
