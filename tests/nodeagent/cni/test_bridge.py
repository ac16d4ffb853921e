from ipaddress import IPv4Address, IPv4Network

import pytest

from nodeagent.cni.bridge import Bridge, CniError, interface_name, mac_of
from nodeagent.cni.ipam import HostLocal
from nodeagent.tables import Tables

SUBNET = IPv4Network("10.244.1.0/24")


def bridge(path, tables=None) -> tuple[Bridge, Tables]:
    tables = tables or Tables()
    return Bridge(HostLocal(path, SUBNET), tables, mtu=1450), tables


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
    plugin.adopt({"u": IPv4Address("10.244.1.77")})
    assert links(tables) == ["10.244.1.77/24"]


def test_collect_removes_what_nobody_owns(tmp_path):
    plugin, tables = bridge(tmp_path)
    plugin.add("old")
    plugin.add("new")
    assert plugin.collect(["new"]) == ["old"]
    assert links(tables) == ["10.244.1.3/24"]
