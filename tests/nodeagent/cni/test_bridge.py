"""`podwire-bridge`: links of pods, with addresses of an IPAM plugin."""

from pathlib import Path

import pytest
from cni_node import NETNS, Node, bridge

from nodeagent.cni.errors import CniError, Code
from nodeagent.cni.result import interface_name

PLUGIN = "podwire-bridge"
SUBNET = "10.244.1.0/24"
SUBNET6 = "fd00:10:244:1::/64"
LINK = interface_name("pod")


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def test_add_returns_bridge_link_and_interface(node):
    assert node.call(PLUGIN, "ADD", bridge(SUBNET)) == {
        "cniVersion": "1.1.0",
        "interfaces": [
            {"name": "cni0"},
            {"name": LINK},
            {"name": "eth0", "mac": "0a:58:0a:f4:01:02", "sandbox": NETNS, "mtu": 1450},
        ],
        "ips": [{"address": "10.244.1.2/24", "gateway": "10.244.1.1", "interface": 2}],
        "dns": {},
    }
    assert node.links() == {LINK: ("10.244.1.2/24", "")}


def test_a_pod_has_an_address_of_each_family(node):
    node.call(PLUGIN, "ADD", bridge(SUBNET, SUBNET6))
    assert node.links() == {LINK: ("10.244.1.2/24", "fd00:10:244:1::2/64")}


def test_before_1_1_0_there_is_no_mtu(node):
    result = node.call(PLUGIN, "ADD", bridge(SUBNET, version="1.0.0"))
    assert "mtu" not in result["interfaces"][2]


def test_an_interface_that_is_there_is_refused(node):
    node.call(PLUGIN, "ADD", bridge(SUBNET))
    with pytest.raises(CniError, match='"eth0" already exists in'):
        node.call(PLUGIN, "ADD", bridge(SUBNET))
    assert node.links() == {LINK: ("10.244.1.2/24", "")}


def test_del_takes_link_and_address_without_a_result(node):
    node.call(PLUGIN, "ADD", bridge(SUBNET))
    for _ in range(2):
        node.call(PLUGIN, "DEL", bridge(SUBNET), netns="")
    assert (node.links(), node.taken()) == ({}, {})


def test_check_wants_the_result_the_link_and_the_address(node):
    result = node.call(PLUGIN, "ADD", bridge(SUBNET))
    config = bridge(SUBNET, prevResult=result)
    node.call(PLUGIN, "CHECK", config)
    with pytest.raises(CniError, match="required prevResult missing"):
        node.call(PLUGIN, "CHECK", bridge(SUBNET))
    made = node.tables.wanted("link")[LINK,]
    node.tables.delete("link", (LINK,))
    with pytest.raises(CniError, match=f"interface {LINK} is missing on cni0"):
        node.call(PLUGIN, "CHECK", config)
    node.call(PLUGIN, "DEL", bridge(SUBNET))
    node.tables.replace("link", made)
    with pytest.raises(CniError, match="Failed to find address"):
        node.call(PLUGIN, "CHECK", config)


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("mac", "0a:58:0a:f4:01:63", "has mac 0a:58:0a:f4:01:63, expected 0a:58:0a:f4:01:02"),
        ("address", "10.244.1.9/24", "has address 10.244.1.9/24, expected 10.244.1.2/24"),
        ("address", "10.244.1.2/16", "has address 10.244.1.2/16, expected 10.244.1.2/24"),
        ("address", "", "has address -, expected 10.244.1.2/24"),
        ("address6", "fd00::2/64", "has address6 fd00::2/64, expected -"),
        ("mtu", 1400, "has mtu 1400, expected 1450"),
    ],
)
def test_check_compares_the_link_with_the_result(node, field, value, why):
    result = node.call(PLUGIN, "ADD", bridge(SUBNET))
    made = {"address6": "", **node.tables.wanted("link")[LINK,]}
    node.tables.replace("link", made)
    node.call(PLUGIN, "CHECK", bridge(SUBNET, prevResult=result))
    node.tables.replace("link", made | {field: value})
    with pytest.raises(CniError, match=f"interface eth0 {why}"):
        node.call(PLUGIN, "CHECK", bridge(SUBNET, prevResult=result))


def test_check_compares_interfaces_and_gateways(node):
    result = node.call(PLUGIN, "ADD", bridge(SUBNET))
    _, veth, inside = result["interfaces"]
    other = result | {"interfaces": [{"name": "br0"}, veth, inside]}
    with pytest.raises(CniError, match=f"the result names br0, {LINK}, and not cni0"):
        node.call(PLUGIN, "CHECK", bridge(SUBNET, prevResult=other))
    (address,) = result["ips"]
    far = result | {"ips": [address | {"gateway": "10.244.2.1"}]}
    with pytest.raises(CniError, match=r"expected route by 10\.244\.2\.1 not found"):
        node.call(PLUGIN, "CHECK", bridge(SUBNET, prevResult=far))


def test_gc_reaches_ipam_and_leaves_links(node):
    node.call(PLUGIN, "ADD", bridge(SUBNET))
    node.call(PLUGIN, "GC", bridge(SUBNET, **{"cni.dev/valid-attachments": []}))
    assert node.taken() == {}
    assert LINK in node.links()


def test_a_mac_can_be_asked_for(node):
    config = bridge(SUBNET, runtimeConfig={"mac": "02-00-00-00-00-AA"})
    result = node.call(PLUGIN, "ADD", config)
    assert result["interfaces"][2]["mac"] == "02:00:00:00:00:aa"


@pytest.mark.parametrize("mac", ["nonsense", "02:00", "01:00:00:00:00:01"])
def test_a_mac_that_is_none_gives_the_address_back(node, mac):
    config = bridge(SUBNET, runtimeConfig={"mac": mac})
    with pytest.raises(CniError, match="invalid MAC address"):
        node.call(PLUGIN, "ADD", config)
    assert (node.links(), node.taken()) == ({}, {})


def test_two_addresses_of_a_family_are_refused_and_given_back(node):
    with pytest.raises(CniError, match="a pod has one of a family"):
        node.call(PLUGIN, "ADD", bridge(SUBNET, "10.9.9.0/24"))
    assert (node.links(), node.taken()) == ({}, {})


def test_an_ipam_plugin_that_is_not_there_is_named(node):
    config = {**bridge(SUBNET), "ipam": {"type": "no-such"}}
    with pytest.raises(CniError, match='failed to find plugin "no-such" in path'):
        node.call(PLUGIN, "ADD", config)


@pytest.mark.parametrize("config", [{}, {"ipam": {}}, {"ipam": {"type": 5}}])
def test_a_configuration_without_ipam_is_refused(node, config):
    with pytest.raises(CniError) as refused:
        node.call(PLUGIN, "ADD", {"cniVersion": "1.1.0", "name": "net", **config})
    assert refused.value.code == Code.INVALID_NETWORK_CONFIG
