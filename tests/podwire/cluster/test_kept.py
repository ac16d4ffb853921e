"""What kept state decides about the next start."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from podwire.cluster.kept import NODES, Wish, settle
from podwire.cluster.layout import Cluster, Layout, UsageError
from podwire.cluster.outside import OutsideService

CLUSTER = Cluster(name="lab", nodes=NODES)


@pytest.fixture
def paths(tmp_path: Path) -> Layout:
    return Layout(tmp_path)


def test_a_new_cluster_gets_a_uid_and_the_defaults(paths: Layout) -> None:
    first, second = settle(Wish(cluster=CLUSTER), paths), settle(Wish(cluster=CLUSTER), paths)
    assert (first.nodes, first.store, first.control_planes) == (NODES, "embedded", 1)
    assert first.uid
    assert first.uid != second.uid


def test_several_control_planes_come_with_etcd(paths: Layout) -> None:
    assert settle(Wish(cluster=CLUSTER, control_planes=3), paths).store == "etcd"
    assert settle(Wish(cluster=CLUSTER, store="etcd"), paths).control_planes == 1


def test_several_control_planes_on_the_embedded_store_are_refused(paths: Layout) -> None:
    with pytest.raises(UsageError, match="--store etcd --control-planes 2"):
        settle(Wish(cluster=CLUSTER, store="embedded", control_planes=2), paths)


def test_kept_state_keeps_what_nobody_asks_to_change(paths: Layout) -> None:
    kept = Cluster(name="lab", nodes=(1, 4), block=9, uid="u", store="etcd", control_planes=3)
    paths.write_cluster(kept)
    assert settle(Wish(cluster=CLUSTER), paths) == kept
    assert settle(Wish(cluster=CLUSTER, nodes=5), paths).node_numbers == (1, 2, 3, 4, 5)


SHAPED = Cluster(
    name="lab",
    nodes=2,
    uid="u",
    hollow=7,
    block=9,
    timings="kubernetes",
    mtu=9000,
    proxy_mode="ipvs",
    ipvs_scheduler="lc",
    node_port_addresses=("primary",),
    dns_replicas=2,
    dns_upstream="127.0.0.1:5353",
    ingress=True,
    cni_conf="{}",
    scheduler_config="{}",
    kubelet_config="{}",
    image_bandwidth_bit_s=1e6,
    audit_policy="{}",
    audit_log="/log",
    outside=(OutsideService(name="db", number=1, port=1, target="127.0.0.1:1"),),
    outside_any=True,
    non_masquerade_cidrs=("10.0.0.0/8",),
    node_cpu="2",
    node_memory="1Gi",
    node_disk="10Gi",
)


def test_every_option_that_shapes_a_cluster_is_kept(paths: Layout) -> None:
    plain = Cluster(name="lab", nodes=2)
    fields = [each for each in plain.__struct_fields__ if each not in ("name", "nodes")]
    same = {each for each in fields if getattr(plain, each) == getattr(SHAPED, each)}
    by_the_family = {"cluster_cidr", "node_cidr_mask", "service_cidr", "cluster_dns"}
    without_option = {"cluster_domain", "underlay", "external", "node_pods_max", "network"}
    assert same == by_the_family | without_option | {"store", "control_planes"}
    paths.write_cluster(SHAPED)
    assert settle(Wish(cluster=CLUSTER), paths) == SHAPED


def test_what_is_said_changes_be_it_the_default(paths: Layout) -> None:
    paths.write_cluster(SHAPED)
    said = frozenset({"proxy_mode", "ingress", "outside_any", "cni_conf"})
    changed = settle(Wish(cluster=CLUSTER, said=said), paths)
    assert changed.proxy_mode == "iptables"
    assert not changed.ingress
    assert not changed.outside_any
    assert changed.cni_conf == ""
    assert changed.mtu == SHAPED.mtu
    wish = msgspec.structs.replace(CLUSTER, mtu=1400, uid="other", block=3)
    again = settle(Wish(cluster=wish, said=frozenset({"uid", "block", "nodes"})), paths)
    assert (again.mtu, again.uid, again.block, again.nodes) == (1400, "u", 9, 2)


def test_a_family_is_chosen_once_and_kept(paths: Layout) -> None:
    dual = settle(Wish(cluster=CLUSTER, ip_family="dual"), paths)
    assert (dual.ip_family, settle(Wish(cluster=CLUSTER), paths).ip_family) == ("dual", "ipv4")
    paths.write_cluster(dual)
    assert settle(Wish(cluster=CLUSTER), paths).cluster_cidr == dual.cluster_cidr
    with pytest.raises(UsageError, match="--ip-family dual; start it so"):
        settle(Wish(cluster=CLUSTER, ip_family="ipv6"), paths)


@pytest.mark.parametrize("wish", [{"store": "embedded"}, {"control_planes": 1}])
def test_another_store_than_the_kept_one_is_refused(wish: dict[str, object], paths: Layout) -> None:
    paths.write_cluster(
        Cluster(name="lab", nodes=3, block=9, uid="u", store="etcd", control_planes=3)
    )
    with pytest.raises(UsageError, match="--store etcd --control-planes 3"):
        settle(Wish(cluster=CLUSTER, **wish), paths)


def test_state_of_before_there_were_uids_gets_one(paths: Layout) -> None:
    paths.cluster_file.write_text('{"name": "lab", "nodes": 3, "block": 2}')
    assert settle(Wish(cluster=CLUSTER), paths).uid
