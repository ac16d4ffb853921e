from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import pytest

from nodeagent.cni.bridge import Bridge, CniError, interface_name, mac_of
from nodeagent.cni.ipam import HostLocal, NoAddressesAvailable
from nodeagent.tables import Tables

SUBNET = IPv4Network("10.244.1.0/24")


def bridge(path, tables=None) -> tuple[Bridge, Tables]:
    tables = tables or Tables()
    return Bridge([HostLocal(path, SUBNET)], tables, mtu=1450), tables


def links(tables: Tables) -> list[str]:
    return [entry["address"] for entry in tables.wanted("link").values()]


def test_names_and_macs_are_functions():
    assert interface_name("uid-1") == interface_name("uid-1")
    assert interface_name("uid-1") != interface_name("uid-2")
    assert len(interface_name("x" * 100)) <= 15
    assert mac_of(IPv4Address("10.244.1.5")) == "0a:58:0a:f4:01:05"


def test_add_twice_is_one_link_and_delete_takes_it_away(tmp_path):
    plugin, tables = bridge(tmp_path)
    one = plugin.add("u")
    assert plugin.add("u") == one
    assert links(tables) == ["10.244.1.2/24"]
    assert one.network("/v")["gateway"] == "10.244.1.1"
    plugin.check("u")
    plugin.delete("u")
    plugin.delete("u")
    assert links(tables) == []
    with pytest.raises(CniError, match="no address allocated"):
        plugin.check("u")


def test_check_misses_the_link(tmp_path):
    plugin, tables = bridge(tmp_path)
    plugin.add("u")
    tables.delete("link", (interface_name("u"),))
    with pytest.raises(CniError, match="is missing"):
        plugin.check("u")


def test_restart_wants_the_same_links_again(tmp_path):
    before = bridge(tmp_path)[0].add("u")
    _, tables = bridge(tmp_path)
    assert [*tables.wanted("link").values()] == [before.link()]


def test_running_pod_without_a_file_keeps_its_address(tmp_path):
    plugin, tables = bridge(tmp_path)
    plugin.adopt({"u": [IPv4Address("10.244.1.77")]})
    assert links(tables) == ["10.244.1.77/24"]


def test_collect_removes_what_nobody_owns(tmp_path):
    plugin, tables = bridge(tmp_path)
    plugin.add("old")
    plugin.add("new")
    assert plugin.collect(["new"]) == ["old"]
    assert links(tables) == ["10.244.1.3/24"]


SUBNET6 = IPv6Network("fd00:10:244:1::/64")


def dual(path, *subnets) -> tuple[Bridge, Tables]:
    tables = Tables()
    ipams = [HostLocal(path, subnet) for subnet in subnets or (SUBNET, SUBNET6)]
    return Bridge(ipams, tables, mtu=1450), tables


def test_a_pod_has_an_address_of_each_family(tmp_path):
    plugin, tables = dual(tmp_path)
    made = plugin.add("u")
    assert made.mac == mac_of(IPv4Address("10.244.1.2"))
    network = made.network("/v")
    assert (network["address"], network["gateway"]) == ("10.244.1.2/24", "10.244.1.1")
    assert network["address6"] == "fd00:10:244:1::2/64"
    assert network["gateway6"] == "fd00:10:244:1::1"
    [link] = tables.wanted("link").values()
    assert (link["address"], link["address6"]) == ("10.244.1.2/24", "fd00:10:244:1::2/64")
    again, tables = dual(tmp_path)
    assert [*tables.wanted("link").values()] == [link]
    again.delete("u")
    assert {path.name for path in tmp_path.iterdir()} == {
        "last_reserved_ip.0", "last_reserved_ip.1",
    }  # fmt: skip


def test_ipv6_alone(tmp_path):
    plugin, _ = dual(tmp_path, SUBNET6)
    made = plugin.add("u")
    assert made.mac == mac_of(IPv6Address("fd00:10:244:1::2"))
    assert made.mac.startswith("0a:58:")
    assert made.link()["address"] == ""


def test_what_one_family_cannot_give_the_other_takes_back(tmp_path):
    plugin, tables = dual(tmp_path, SUBNET, IPv6Network("fd00::/126"))
    plugin.add("one")
    with pytest.raises(NoAddressesAvailable):
        plugin.add("two")
    assert links(tables) == ["10.244.1.2/24"]
    with pytest.raises(CniError, match="no address allocated"):
        plugin.check("two")


def test_both_addresses_of_a_running_pod_are_adopted(tmp_path):
    plugin, tables = dual(tmp_path)
    plugin.adopt({"u": [IPv4Address("10.244.1.77"), IPv6Address("fd00:10:244:1::77")]})
    [link] = tables.wanted("link").values()
    assert (link["address"], link["address6"]) == ("10.244.1.77/24", "fd00:10:244:1::77/64")
