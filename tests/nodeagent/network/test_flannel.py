import dataclasses
import random
from ipaddress import IPv4Network, IPv6Network

import pytest

from kubeapi.objects import name_of
from nodeagent.network.agent import NetworkAgent
from nodeagent.network.flannel import OFFLOAD, Flannel, vtep_mac
from nodeagent.network.provider import NodeIdentity
from nodeagent.network.providers import PROVIDERS
from nodeagent.tables import Tables


def identity(number: int) -> NodeIdentity:
    return NodeIdentity(
        name=f"node-{number}",
        internal_ip=f"192.168.64.{number}",
        eth0=(f"192.168.64.{number}/24",),
    )


def node(number: int, **annotations: str):
    own = Flannel(identity(number)).annotations()
    return {
        "metadata": {"name": f"node-{number}", "annotations": {**own, **annotations}},
        "spec": {"podCIDR": f"10.244.{number}.0/24"},
    }


def test_registry_knows_flannel():
    assert PROVIDERS["flannel"] is Flannel


def test_annotations_are_flannels():
    got = Flannel(identity(1)).annotations()
    assert got["flannel.alpha.coreos.com/backend-type"] == "vxlan"
    mac = vtep_mac("node-1")
    assert got["flannel.alpha.coreos.com/backend-data"] == f'{{"VNI":1,"VtepMAC":"{mac}"}}'
    assert got["flannel.alpha.coreos.com/public-ip"] == "192.168.64.1"
    assert got["flannel.alpha.coreos.com/kube-subnet-manager"] == "true"


def test_vtep_mac_is_unicast_and_local():
    for number in range(50):
        first = int(vtep_mac(f"node-{number}")[:2], 16)
        assert first & 0b11 == 0b10


def test_own_entries():
    entries = Flannel(identity(1)).own_entries([IPv4Network("10.244.1.0/24")])
    assert [e["address"] for table, e in entries if table == "address"] == [
        "192.168.64.1/24",
        "10.244.1.1/24",
        "10.244.1.0/32",
    ]
    vtep = dict(entries)["vtep"]
    assert (vtep["vni"], vtep["port"], vtep["mtu"]) == (1, 4789, 1450)


def test_remote_node_is_one_route_one_neighbour_one_fdb_entry():
    mac = vtep_mac("node-2")
    assert Flannel(identity(1)).remote_entries(node(2)) == [
        ("fdb", {"mac": mac, "device": "flannel.1", "remote": "192.168.64.2", "offload": True}),
        (
            "neighbour",
            {"address": "10.244.2.0", "device": "flannel.1", "mac": mac, "state": "PERMANENT"},
        ),
        (
            "route",
            {
                "destination": "10.244.2.0/24",
                "device": "flannel.1",
                "via": "10.244.2.0",
                "onlink": True,
            },
        ),
    ]


def test_only_a_node_of_ours_is_sent_tcp_without_checksums():
    foreign = node(2, **{OFFLOAD: "perhaps"})
    entries = Flannel(identity(1)).remote_entries(foreign)
    assert dict(entries)["fdb"]["offload"] is False


def test_pods_have_what_the_tunnel_leaves_of_the_nodes_network():
    flannel = Flannel(dataclasses.replace(identity(1), mtu=65_000))
    vtep = dict(flannel.own_entries([IPv4Network("10.244.1.0/24")]))["vtep"]
    assert vtep["mtu"] == flannel.mtu == 64_950


def test_a_second_family_is_one_route_and_one_neighbour_more():
    remote = node(2)
    remote["spec"]["podCIDRs"] = ["10.244.2.0/24", "fd00:10:244:2::/64"]
    entries = Flannel(identity(1)).remote_entries(remote)
    assert [table for table, _ in entries].count("fdb") == 1
    routes = [entry for table, entry in entries if table == "route"]
    assert [(route["destination"], route["via"]) for route in routes] == [
        ("10.244.2.0/24", "10.244.2.0"),
        ("fd00:10:244:2::/64", "fd00:10:244:2::"),
    ]
    own = Flannel(identity(1)).own_entries([IPv6Network("fd00:10:244:1::/64")])
    assert [entry["address"] for table, entry in own if table == "address"] == [
        "192.168.64.1/24",
        "fd00:10:244:1::1/64",
        "fd00:10:244:1::/128",
    ]


def test_a_node_with_an_underlay_address_of_ipv6_has_it_on_eth0():
    both = ("192.168.64.1/24", "fd00:192:168:64::1/120")
    node = dataclasses.replace(identity(1), eth0=both)
    own = Flannel(node).own_entries([IPv6Network("fd00:10:244:1::/64")])
    assert ("address", {"address": "fd00:192:168:64::1/120", "device": "eth0"}) in own
    assert dict(own)["vtep"]["local"] == "192.168.64.1", "the tunnel itself is IPv4 in every family"


@pytest.mark.parametrize(
    "bad",
    [
        {"backend-type": "udp"},
        {"public-ip": "nowhere"},
        {"backend-data": "{"},
        {"backend-data": '{"VNI":2,"VtepMAC":"02:00:00:00:00:01"}'},
        {"backend-data": '{"VNI":1,"VtepMAC":"02:00"}'},
        {"backend-data": '{"VNI":1,"VtepMAC":"xx"}'},
    ],
)
def test_annotations_that_make_no_sense_are_no_lease(bad):
    annotations = {f"flannel.alpha.coreos.com/{name}": text for name, text in bad.items()}
    assert Flannel(identity(1)).remote_entries(node(2, **annotations)) == []


def test_node_without_pod_cidr_is_no_lease():
    assert Flannel(identity(1)).remote_entries({**node(2), "spec": {}}) == []


def agent(*, known: bool = False) -> tuple[NetworkAgent, Tables]:
    tables = Tables()
    network = NetworkAgent("node-1", Flannel(identity(1)), tables)
    if known:
        network.node_changed(node(1))
    return network, tables


def test_pod_cidr_is_told_once_and_own_node_gets_no_route():
    network, tables = agent()
    told: list[object] = []
    network.on_pod_cidrs = told.append
    network.node_changed({"metadata": {"name": "node-1"}, "spec": {}})
    network.node_changed(node(1))
    network.node_changed(node(1))
    assert told == [(IPv4Network("10.244.1.0/24"),)]
    assert not tables.wanted("route")
    assert network.missing_annotations(node(1)) == {}
    assert network.missing_annotations({"metadata": {}})


def test_remote_nodes_wait_for_the_device_that_leads_to_them():
    network, tables = agent()
    network.node_changed(node(2))
    network.node_changed(node(3))
    network.node_deleted(node(3))
    assert not tables.wanted("route")
    network.node_changed(node(1))
    assert [*tables.wanted("route")] == [("10.244.2.0/24",)]


def test_two_nodes_that_swap_addresses_leave_one_entry_each():
    network, tables = agent(known=True)
    network.node_changed(node(2))
    renamed = {**node(2), "metadata": {**node(2)["metadata"], "name": "node-2b"}}
    network.node_changed(renamed)
    network.node_deleted(node(2))
    assert len(tables.wanted("route")) == 1
    assert len(tables.wanted("fdb")) == 1


def test_tables_equal_a_computation_from_nothing():
    rng = random.Random(7)
    network, tables = agent(known=True)
    present = {}
    for _ in range(300):
        number = rng.randint(2, 9)
        obj = node(number)
        if rng.random() < 0.3:
            network.node_deleted(obj)
            present.pop(number, None)
            continue
        if rng.random() < 0.2:
            obj["spec"] = {}
        network.node_changed(obj)
        present[number] = obj
    provider = Flannel(identity(1))
    for table in ("route", "neighbour", "fdb"):
        naive = [
            e for obj in present.values() for t, e in provider.remote_entries(obj) if t == table
        ]
        assert sorted(map(str, tables.wanted(table).values())) == sorted(map(str, naive))
    assert all(name_of(obj) for obj in present.values())
