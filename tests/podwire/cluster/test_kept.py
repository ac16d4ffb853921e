"""What kept state decides about the next start."""

from __future__ import annotations

from pathlib import Path

import pytest

from podwire.cluster.kept import NODES, Wish, settle
from podwire.cluster.layout import Cluster, Layout, UsageError

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
