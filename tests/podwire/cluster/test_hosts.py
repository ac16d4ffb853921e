"""Which hosts there are, which share a link, and what people may call them."""

from __future__ import annotations

import pytest

from podwire.cluster import hosts
from podwire.cluster.layout import Cluster, UsageError

ONE = Cluster(name="lab", nodes=2, block=3)
THREE = Cluster(name="lab", nodes=2, block=3, control_planes=3, store="etcd")


def test_groups_mean_all_of_their_kind() -> None:
    assert hosts.expand(THREE, "control-plane") == [
        "control-plane-1",
        "control-plane-2",
        "control-plane-3",
    ]
    assert hosts.expand(THREE, "etcd,node-1,etcd-2") == ["etcd-1", "etcd-2", "etcd-3", "node-1"]
    assert hosts.expand(ONE, "control-plane") == ["control-plane-1"]


@pytest.mark.parametrize("text", ["node-3", "", "node-1,", "etcd", "outside", "web"])
def test_an_unknown_host_is_named_with_those_there_are(text: str) -> None:
    with pytest.raises(UsageError, match="there are node-1, node-2, control-plane-1"):
        hosts.expand(ONE, text)


@pytest.mark.parametrize(
    ("one", "other", "share"),
    [
        ("node-1", "node-2", True),
        ("node-1", "node-1", False),
        ("node-1", "control-plane-2", True),
        ("control-plane-2", "node-1", True),
        ("control-plane-1", "control-plane-2", False),
        ("control-plane-1", "etcd-3", True),
        ("etcd-1", "etcd-2", False),
        ("node-1", "etcd-1", False),
        ("outside", "control-plane-1", True),
        ("outside", "node-1", False),
    ],
)
def test_links(one: str, other: str, share: bool) -> None:
    assert hosts.share_a_link(one, other) == share
    if share:
        hosts.check_link(THREE, one, other)
    else:
        with pytest.raises(UsageError, match="no link"):
            hosts.check_link(THREE, one, other)


def test_all_means_every_other_host_with_a_link() -> None:
    assert hosts.pairs(THREE, "node-1", "all") == [
        ("node-1", "node-2"),
        ("node-1", "control-plane-1"),
        ("node-1", "control-plane-2"),
        ("node-1", "control-plane-3"),
    ]
    assert ("etcd-1", "control-plane-1") in hosts.pairs(THREE, "etcd-1", "all")


def test_two_named_groups_must_share_every_link() -> None:
    assert hosts.pairs(THREE, "node-1,node-2", "control-plane-1") == [
        ("node-1", "control-plane-1"),
        ("node-2", "control-plane-1"),
    ]
    with pytest.raises(UsageError, match="node-1 and etcd-1 share no link"):
        hosts.pairs(THREE, "node-1", "control-plane-1,etcd-1")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("pod/default/web-1", True),
        ("node-1/pod/default/web-1", True),
        ("pod/default/app=web,pod/kube-system/dns", True),
        ("node-1", False),
        ("podium", False),
        ("node-1,control-plane", False),
    ],
)
def test_what_names_pods(text: str, names: bool) -> None:
    assert hosts.names_pods(text) == names


def test_a_pod_has_a_link_to_a_node_and_to_nobody_else() -> None:
    pod = hosts.pod_name("default", "web-1")
    hosts.check_link(ONE, pod, "node-2")
    hosts.check_link(ONE, "node-2", pod)
    assert not hosts.is_underlay(pod, "node-2")
    for other in ("control-plane-1", hosts.pod_name("default", "web-2")):
        with pytest.raises(UsageError, match="a pod to its node"):
            hosts.check_link(ONE, pod, other)
