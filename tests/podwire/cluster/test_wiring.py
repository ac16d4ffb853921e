"""The fabric's doors: one for every link, none twice, each where contracts §10 says."""

from __future__ import annotations

from podwire.cluster import hosts, wiring
from podwire.cluster.layout import Cluster

ONE = Cluster(name="lab", nodes=2, block=3)
THREE = Cluster(name="lab", nodes=(2, 5), block=3, control_planes=3, store="etcd")


def test_one_control_plane_needs_no_balancer() -> None:
    assert wiring.balancers(ONE) == []
    listens = {tuple(door["listen"]): door["host"] for door in wiring.doors(ONE)}
    assert listens == {
        ("127.0.131.251", 6443): "control-plane-1",
        ("127.0.131.1", 10250): "node-1",
        ("127.0.131.2", 10250): "node-2",
    }


def test_doors_lead_from_the_far_to_the_near_address() -> None:
    for door in wiring.doors(ONE):
        far, near = door["listen"][0], door["target"][0]
        assert far.replace("127.0.131.", "127.0.3.") == near


def test_every_control_plane_has_a_door_to_every_member() -> None:
    doors = [door for door in wiring.doors(THREE) if door["host"].startswith("etcd")]
    pairs = {(door["source"], door["host"]) for door in doors}
    assert pairs == {(k, j) for k in hosts.control_planes(THREE) for j in hosts.etcds(THREE)}
    by_listen = {f"{door['listen'][0]}:{door['listen'][1]}": door for door in doors}
    for master in THREE.masters:
        endpoints = wiring.etcd_endpoints(THREE, master)
        assert len(endpoints) == 3
        assert {by_listen[each]["source"] for each in endpoints} == {f"control-plane-{master}"}
        assert by_listen[endpoints[0]]["host"] == f"etcd-{master}", "its own first"


def test_no_two_doors_listen_at_one_address() -> None:
    entries = [*wiring.doors(THREE), *wiring.balancers(THREE)]
    listens = [tuple(entry["listen"]) for entry in entries]
    assert len(listens) == len(set(listens))


def test_people_and_nodes_are_balanced_over_all_masters() -> None:
    near, far = wiring.balancers(THREE)[1], wiring.balancers(THREE)[0]
    assert (near["listen"], far["listen"]) == (["127.0.3.250", 6443], ["127.0.131.250", 6443])
    assert [target["host"] for target in near["targets"]] == hosts.control_planes(THREE)


def test_every_host_that_dials_is_known_by_its_near_address() -> None:
    assert wiring.hosts(THREE) == {
        "127.0.3.251": "control-plane-1",
        "127.0.3.252": "control-plane-2",
        "127.0.3.253": "control-plane-3",
        "127.0.3.2": "node-2",
        "127.0.3.5": "node-5",
    }
