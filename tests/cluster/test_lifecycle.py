"""Starting and stopping: the first thing a person does, and the last."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time

import psutil
import pytest
from clusters import Home, Lab, eventually

from podwire.cluster import blocks
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


def test_a_launcher_that_cannot_answer_is_not_waited_for(home: Home) -> None:
    home.podwire("up", "--nodes", "1")
    home.podwire("process", "pause", "launcher")
    began = time.monotonic()
    assert "podwire process resume launcher" in home.refused("node", "kill", "node-1")
    assert time.monotonic() - began < 10
    home.podwire("process", "resume", "launcher")
    home.podwire("process", "kill", "launcher")
    assert "begin anew" in home.refused("up")
    home.podwire("down", "--keep-state")
    for words in ("node kill node-1", "get nodes", "routes node-1", "scenario run node-kill"):
        assert "is not running; start it: podwire up" in home.refused(*words.split())


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
    # Its addresses may be another's by now: it gets others then, and loses nothing.
    with blocks.claim_block(home.paths().read_cluster().block, 1) or contextlib.nullcontext():
        home.podwire("up", "--nodes", "1")
    assert "kept" in home.podwire("get", "configmaps")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("up", "--nodes", "0"), "0"),
        (("up", "--nodes", "251"), "251"),
        (("up", "--name", "No/good"), "cannot name a cluster"),
        (("node", "kill", "node-1"), "podwire up"),
        (("frobnicate",), "no such command"),
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


def begin_up(home: Home, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "podwire", "up", *words],
        env=home.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_of_two_ups_at_once_one_is_refused(home: Home) -> None:
    both = [begin_up(home, "--nodes", "1") for _ in range(2)]
    said = [(up.communicate(timeout=60)[1], up.returncode) for up in both]
    assert sorted(status for _, status in said) == [0, 2], said
    assert "is up already" in next(text for text, status in said if status == 2)
    assert "node-1" in home.podwire("get", "nodes")
    home.podwire("down")


@pytest.mark.parametrize(
    ("number", "after_s"),
    [(signal.SIGINT, 0.6), (signal.SIGINT, 1.3), (signal.SIGKILL, 0.9)],
)
def test_an_up_that_is_cut_short_leaves_a_clear_way_on(
    home: Home, number: signal.Signals, after_s: float
) -> None:
    with begin_up(home) as up:
        time.sleep(after_s)  # The moment is what is tried; nothing is waited for.
        up.send_signal(number)
        _, errors = up.communicate(timeout=60)
    assert "Traceback" not in errors or "import" in errors
    known = session.read(home.paths().session_file)
    if up.returncode == 130 and known is not None:
        assert session.members(known) == []
    home.podwire("down", check=False)
    assert known is None or session.members(known) == []
    assert not home.paths().directory.exists()


def test_down_ends_an_up_that_is_under_way(home: Home) -> None:
    with begin_up(home) as up:
        eventually(lambda: home.paths().session_file.exists(), what="the launcher is there")
        home.podwire("down")
        _, errors = up.communicate(timeout=60)
    assert up.returncode in (0, 1)  # It may have been Ready at that very moment.
    assert "Traceback" not in errors
    assert not home.paths().directory.exists()


def test_lost_and_damaged_notes_do_not_lose_the_cluster(home: Home) -> None:
    home.podwire("up", "--nodes", "1")
    paths = home.paths()
    paths.session_file.write_text("{")
    assert "node-1/datapath" in home.podwire("status")
    assert "is up already" in home.refused("up")
    paths.kubeconfig.write_text("no: [")
    assert "kubeconfig" in home.refused("get", "nodes")
    paths.cluster_file.write_bytes(b"\xff")
    assert "podwire down removes" in home.refused("status")
    known = session.search(paths.directory)
    assert known is not None
    home.podwire("down")
    assert session.members(known) == []
    assert not paths.directory.exists()


def test_a_half_dead_cluster_still_has_a_status(home: Home) -> None:
    home.podwire("up", "--nodes", "1")
    known = session.read(home.paths().session_file)
    assert known is not None
    rows = {row["name"]: row["pid"] for row in json.loads(home.podwire("status", "-o", "json"))}
    os.kill(known.id, signal.SIGSTOP)  # The launcher hangs ...
    os.kill(rows["node-1/datapath"], signal.SIGKILL)
    assert "apiserver" in home.podwire("status")
    os.kill(known.id, signal.SIGKILL)  # ... and dies.
    os.kill(rows["apiserver"], signal.SIGKILL)
    eventually(lambda: len(session.members(known)) < len(rows) - 2)
    assert "nodeagent" in home.podwire("status")
    assert "nothing of it can be started" in home.refused("node", "start", "node-1")
    assert "does not answer" in home.refused("get", "nodes")
    assert "does not answer" in home.refused("routes", "node-1")
    home.podwire("down")


def test_a_stranger_on_a_port_moves_the_cluster_to_another_block(home: Home) -> None:
    home.podwire("up", "--nodes", "1")
    block = home.paths().read_cluster().block
    home.podwire("down")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind((f"127.0.{block}.1", 4789))
        home.podwire("up", "--nodes", "1")
        assert home.paths().read_cluster().block != block
    home.podwire("down")


@pytest.mark.parametrize("kind", ["file", "unwritable"])
def test_a_home_that_cannot_be_used_is_one_line(home: Home, kind: str) -> None:
    home.directory.parent.mkdir(exist_ok=True)
    if kind == "file":
        home.directory.touch()
    else:
        home.environment["PODWIRE_HOME"] = "/proc/podwire"
    for words in (("up",), ("status",), ("down",), ("kubeconfig",), ("get", "nodes")):
        said = home.refused(*words)
        assert said.startswith("podwire: "), said
        assert said.count("\n") == 1, said


def test_many_ups_and_downs_leave_nothing(home: Home) -> None:
    for _ in range(3):
        home.podwire("up", "--nodes", "2")
        home.podwire("down")
    assert list(home.directory.iterdir()) == []
