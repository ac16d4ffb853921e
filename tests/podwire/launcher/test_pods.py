"""Pods as ends of links, found through what podruntimes have left on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from podruntime.cri import NetworkConfig, PodSandboxConfig, PodSandboxMetadata
from podruntime.store import SandboxDirectory, SandboxRecord
from podwire.cluster import hosts
from podwire.cluster.layout import Cluster, Layout, UsageError
from podwire.launcher import pods
from podwire.launcher.link_rules import Rule

CLUSTER = Cluster(name="lab", nodes=2, block=3)
NETWORK = NetworkConfig(
    interface="veth0",
    mac="0a:58:0a:f4:01:05",
    address="10.244.1.5/24",
    gateway="10.244.1.1",
    mtu=1450,
    veth_socket="veth.sock",
)
WEB = {"app": "web", "app.kubernetes.io/name": "shop"}


@pytest.fixture
def paths(tmp_path: Path) -> Layout:
    made = Layout(tmp_path)
    for node, name, uid, labels, age in (
        ("node-1", "web-1", "u1", WEB, 1.0),
        ("node-2", "web-2", "u2", WEB, 1.0),
        ("node-1", "db-0", "old", {"app": "db"}, 1.0),
        ("node-2", "db-0", "u3", {"app": "db"}, 2.0),
    ):
        metadata = PodSandboxMetadata(name=name, uid=uid, namespace="default", attempt=0)
        config = PodSandboxConfig(metadata=metadata, hostname=name, labels=labels, network=NETWORK)
        record = SandboxRecord(id=uid, config=config, created_at=age)
        SandboxDirectory(made.node(node) / "pods" / uid).create(record)
    half_made = made.node("node-1") / "pods" / "begun" / "sandbox.json"
    half_made.parent.mkdir()
    half_made.write_text("{")
    return made


def pairs(paths: Layout, left: str, right: str = hosts.ALL) -> list[tuple[str, str]]:
    return pods.pairs(paths, CLUSTER, left, right)


def test_a_pods_link_is_to_its_node(paths: Layout) -> None:
    web = ("pod/default/web-1", "node-1")
    assert pairs(paths, "pod/default/web-1") == [web]
    assert pairs(paths, "pod/default/web-1", "node-1") == [web]
    assert pairs(paths, "node-1/pod/default/web-1") == [web]
    assert pairs(paths, "node-1", "pod/default/web-1") == [web[::-1]]


def test_of_two_with_one_name_the_younger_is_the_one(paths: Layout) -> None:
    assert pairs(paths, "pod/default/db-0") == [("pod/default/db-0", "node-2")]


@pytest.mark.parametrize("label", ["app=web", "app.kubernetes.io/name=shop"])
def test_a_label_means_all_that_have_it_now(label: str, paths: Layout) -> None:
    expected = [("pod/default/web-1", "node-1"), ("pod/default/web-2", "node-2")]
    assert pairs(paths, f"pod/default/{label}") == expected
    assert pairs(paths, f"node-2/pod/default/{label}") == expected[1:]
    assert pods.expand(paths, CLUSTER, [f"pod/default/{label}"]) == [one for one, _ in expected]


def test_hosts_are_as_they_were(paths: Layout) -> None:
    assert pairs(paths, "node-1", "node-2") == [("node-1", "node-2")]
    assert pods.expand(paths, CLUSTER, ["node-1,node-2"]) == ["node-1", "node-2"]


@pytest.mark.parametrize(
    ("left", "right", "says"),
    [
        ("pod/default/web-9", "all", "no pod default/web-9 runs; see podwire get pods"),
        ("pod/other/web-1", "all", "no pod other/web-1 runs"),
        ("pod/default/app=cats", "all", "no pod default/app=cats runs"),
        ("node-2/pod/default/web-1", "all", "no pod default/web-1 runs on node-2"),
        ("pod/web-1", "all", "names no pod; write pod/NAMESPACE/NAME or"),
        ("pod/default/web-1/x", "all", "names no pod"),
        ("pod/default/=", "all", "unable to parse"),
        ("pod/default/web-1", "node-2", "runs on node-1: that is its only link"),
        ("pod/default/web-1", "control-plane", "runs on node-1: that is its only link"),
        ("pod/default/web-1", "node-9", "no host 'node-9'"),
        ("pod/default/web-1", "pod/default/web-2", "pods share no link"),
        ("pod/default/web-1,node-1", "all", "'node-1' names no pod"),
    ],
)
def test_what_is_no_link_of_a_pod_is_refused(
    left: str, right: str, says: str, paths: Layout
) -> None:
    with pytest.raises(UsageError, match=says):
        pairs(paths, left, right)


def test_a_rule_gets_the_uid_of_its_pod(paths: Layout) -> None:
    rule = Rule(source="pod/default/web-1", target="node-1", loss=1)
    between = Rule(source="node-1", target="node-2", loss=1)
    assert [each.uid for each in pods.located(paths, [rule, between])] == ["u1", ""]


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        (Rule(source="pod/default/web-1", target="node-2"), "runs on node-1"),
        (Rule(source="pod/default/web-9", target="node-2"), "no pod default/web-9"),
        (Rule(source="pod/default/app=db", target="node-2"), "is no pod's name"),
        (Rule(source="node-1", target="pod/default/web-1", uid="u7"), "is another pod"),
    ],
)
def test_a_rule_for_a_pod_that_is_not_there_is_refused(
    rule: Rule, says: str, paths: Layout
) -> None:
    with pytest.raises(UsageError, match=says):
        pods.located(paths, [rule])


def test_a_dead_pods_rules_can_be_named(paths: Layout) -> None:
    assert pods.expand(paths, CLUSTER, ["node-1/pod/default/web-9"]) == ["pod/default/web-9"]
