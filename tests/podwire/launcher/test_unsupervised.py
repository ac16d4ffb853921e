"""Pods are found by what their podruntime notes; a note alone is no process."""

from __future__ import annotations

import os
from pathlib import Path

from podruntime.cri import NetworkConfig, PodSandboxConfig, PodSandboxMetadata
from podruntime.store import SandboxDirectory, SandboxRecord
from podwire.cluster.layout import Layout
from podwire.launcher import session, unsupervised


def sandbox(paths: Layout, node: str, name: str, pid: int) -> None:
    metadata = PodSandboxMetadata(name=name, uid=f"uid-{name}", namespace="default")
    folder = SandboxDirectory(paths.node(node) / "pods" / f"{name}-sandbox")
    network = NetworkConfig(
        interface="veth1", mac="0a:58:0a:f4:01:05", address="10.244.1.5/24", mtu=1450,
        veth_socket="veth.sock",
    )  # fmt: skip
    config = PodSandboxConfig(metadata=metadata, network=network)
    folder.create(SandboxRecord(id=name, config=config, created_at=1.0))
    if pid:
        folder.write_pid(pid)


def test_pods_are_named_by_node_namespace_and_name(tmp_path: Path) -> None:
    paths = Layout(tmp_path)
    sandbox(paths, "node-1", "web", 41)
    sandbox(paths, "node-2", "web", 42)
    sandbox(paths, "node-2", "never-began", 0)
    assert dict(unsupervised.pods(paths)) == {
        "node-1/pod/default/web": 41,
        "node-2/pod/default/web": 42,
    }


def test_a_pid_that_is_not_of_the_session_is_no_pod(tmp_path: Path) -> None:
    paths = Layout(tmp_path)
    sandbox(paths, "node-1", "web", os.getpid())
    assert unsupervised.find(paths, "node-1/pod/default/web") is None, "no session"
    session.write(paths.session_file)  # Of this process, which leads none.
    assert unsupervised.find(paths, "node-1/pod/default/web") is None
    assert unsupervised.find(paths, "node-9 zygote") is None
