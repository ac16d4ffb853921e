"""Starting and stopping: the first thing a person does, and the last."""

from __future__ import annotations

import json
import os
import signal
import socket

import psutil
import pytest
from clusters import Home, Lab, eventually

from podwire.launcher import session

pytestmark = [pytest.mark.cluster, pytest.mark.xdist_group("lifecycle")]


def test_up_status_and_down_leave_nothing(home: Home) -> None:
    said = home.podwire("up")
    assert "export KUBECONFIG=$(podwire kubeconfig)" in said
    paths = home.paths()
    assert paths.directory.stat().st_mode & 0o777 == 0o700
    assert home.podwire("kubeconfig").strip() == str(paths.kubeconfig)

    rows = json.loads(home.podwire("status", "-o", "json"))
    names = {row["name"] for row in rows}
    assert {"apiserver", "scheduler", "controller-manager", "node-3/datapath"} <= names
    assert all(row["state"] == "running" for row in rows)
    assert "node-2/nodeagent" in home.podwire("status")

    assert "is up already" in home.refused("up")

    known = session.read(paths.session_file)
    assert known is not None
    pids = [process.pid for process in session.members(known)]
    block = paths.read_cluster().block
    home.podwire("down")
    assert not paths.directory.exists()
    assert [pid for pid in pids if psutil.pid_exists(pid) and _runs(pid)] == []
    for kind, host, port in (
        (socket.SOCK_DGRAM, 1, 4789),
        (socket.SOCK_STREAM, 1, 10250),
        (socket.SOCK_STREAM, 251, 6443),
    ):
        with socket.socket(socket.AF_INET, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((f"127.0.{block}.{host}", port))
    assert "there is no cluster" in home.refused("down")
    assert "podwire up" in home.refused("status")


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_down_works_after_the_launcher_was_killed(home: Home) -> None:
    home.podwire("up", "--nodes", "1")
    known = session.read(home.paths().session_file)
    assert known is not None
    os.kill(known.id, signal.SIGKILL)
    eventually(lambda: not session.launcher_alive(known), what="launcher dead")
    assert session.members(known), "the cluster goes on without its launcher"
    assert "launcher" in home.refused("node", "kill", "node-1")
    home.podwire("down")
    assert session.members(known) == []


def test_two_clusters_run_side_by_side(home: Home) -> None:
    home.podwire("up", "--nodes", "1", "--name", "first")
    home.podwire("up", "--nodes", "1", "--name", "second")
    first, second = Lab(home, "first"), Lab(home, "second")
    assert first.cluster.block != second.cluster.block
    assert first.cluster.api_url != second.cluster.api_url
    home.podwire("down", "--name", "first")
    assert "node-1" in home.podwire("get", "nodes", "--name", "second")
    home.podwire("down", "--name", "second")


def test_state_that_was_kept_is_there_again(home: Home) -> None:
    home.podwire("up", "--nodes", "1")
    manifest = home.directory / "cm.yaml"
    manifest.write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: kept}\ndata: {a: b}\n")
    home.podwire("apply", "-f", str(manifest))
    home.podwire("down", "--keep-state")
    home.podwire("up", "--nodes", "1")
    assert "kept" in home.podwire("get", "configmaps")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("up", "--nodes", "0"), "0"),
        (("up", "--nodes", "251"), "251"),
        (("up", "--name", "No/good"), "cannot name a cluster"),
        (("node", "kill", "node-1"), "podwire up"),
        (("frobnicate",), "No such command"),
        (("kubeconfig", "--name", "none"), "podwire up --name none"),
    ],
)
def test_bad_usage_is_one_clear_error(home: Home, words: tuple[str, ...], says: str) -> None:
    assert says in home.refused(*words)


def test_a_directory_of_a_stranger_is_not_touched(home: Home) -> None:
    (home.directory / "podwire").mkdir(parents=True)
    precious = home.directory / "podwire" / "precious"
    precious.write_text("x")
    assert "not a cluster of ours" in home.refused("up")
    assert precious.read_text() == "x"
