"""Links of pods in the node's network follow from the pods that run on the node."""

from __future__ import annotations

from pathlib import Path

from nodeagent.cni.host_network import HostNetwork, is_host_network
from nodeagent.tables import Tables


def pod(uid="u1", phase="Pending", **spec):
    return {"metadata": {"name": "p", "uid": uid}, "spec": spec, "status": {"phase": phase}}


def names(tables):
    return sorted(row["name"] for row in tables.wanted("link").values())


def test_a_link_lives_as_long_as_its_pod():
    tables = Tables()
    network = HostNetwork("192.168.64.1", 1450, tables)
    first, second = pod("u1", hostNetwork=True), pod("u2", hostNetwork=True)
    for each in (first, second, pod("u3")):
        network.pod_changed(each)
    assert len(names(tables)) == 2
    assert all(name.startswith("host") and len(name) == 12 for name in names(tables))
    rows = list(tables.wanted("link").values())
    assert {row["address"] for row in rows} == {"192.168.64.1/32"}
    assert len({row["mac"] for row in rows}) == 2
    network.pod_changed(pod("u1", "Succeeded", hostNetwork=True))
    network.pod_gone(second)
    network.pod_gone(second)
    network.pod_gone(pod("u3"))
    assert names(tables) == []


def test_the_sandbox_is_told_of_the_same_link():
    tables = Tables()
    network = HostNetwork("192.168.64.1", 1450, tables)
    network.pod_changed(pod(hostNetwork=True))
    (row,) = tables.wanted("link").values()
    config = network.network(pod(hostNetwork=True), Path("/n"))
    assert config == {
        "interface": row["name"],
        "mac": row["mac"],
        "mtu": 1450,
        "address": "192.168.64.1/32",
        "gateway": "169.254.1.1",
        "veth_socket": "/n/veth.sock",
        "host_ports_socket": "/n/hostports.sock",
    }


def test_only_who_asks_is_in_the_nodes_network():
    assert is_host_network(pod(hostNetwork=True))
    assert not is_host_network(pod(hostNetwork=False))
    assert not is_host_network({})
