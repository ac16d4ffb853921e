"""Starting what cannot be started: the disk is left as it was."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from podwire.cli import CommandFailed, up
from podwire.cli.down import stop
from podwire.cluster.kept import Wish
from podwire.cluster.layout import Cluster, Layout, UsageError

CLUSTER = Cluster(name="lab", nodes=1)


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    monkeypatch.setenv("PODWIRE_HOME", str(tmp_path / "home"))
    return Layout.of("lab")


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("podwire.cluster.configs.write_configs", full)


@pytest.mark.usefixtures("full_disk")
def test_a_full_disk_leaves_no_half_made_cluster(paths: Layout) -> None:
    with pytest.raises(CommandFailed, match=r"cannot make the cluster: .*lab: No space left"):
        up.start(CLUSTER, Console(quiet=True))
    assert not paths.directory.exists()
    with pytest.raises(UsageError, match="nothing to stop"):
        stop(paths)


@pytest.mark.usefixtures("full_disk")
def test_a_full_disk_takes_no_kept_state_away(paths: Layout) -> None:
    paths.make_directories()
    paths.write_cluster(CLUSTER)
    paths.store.write_bytes(b"kept")
    with pytest.raises(CommandFailed, match="No space left"):
        up.start(CLUSTER, Console(quiet=True))
    assert paths.store.read_bytes() == b"kept"


def test_a_strangers_directory_is_neither_used_nor_removed(paths: Layout) -> None:
    paths.directory.mkdir(parents=True)
    (paths.directory / "precious").touch()
    with pytest.raises(UsageError, match="not a cluster of ours"):
        up.start(CLUSTER, Console(quiet=True))
    with pytest.raises(UsageError, match="stays untouched"):
        stop(paths)
    assert (paths.directory / "precious").exists()


def test_an_empty_directory_that_a_killed_up_left_is_no_obstacle_to_down(paths: Layout) -> None:
    paths.make_directories()
    paths.write_cluster(CLUSTER)
    assert "0 processes stopped" in stop(paths)
    assert not paths.directory.exists()


def test_a_damaged_table_of_faults_is_named_before_anything_is_done(paths: Layout) -> None:
    paths.make_directories()
    paths.write_cluster(CLUSTER)
    before = paths.cluster_file.read_bytes()
    paths.faults_file.write_text("{")
    with pytest.raises(UsageError, match=r"faults\.json.*remove it"):
        up.start(CLUSTER, Console(quiet=True))
    assert paths.cluster_file.read_bytes() == before
    assert not list(paths.directory.glob("pki/*"))


def test_a_missing_etcd_is_named_before_anything_is_done(
    paths: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("podwire.cluster.etcd.PLACES", ())
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UsageError, match="apt install etcd-server"):
        up.start(Wish(cluster=CLUSTER, control_planes=3), Console(quiet=True))
    assert not paths.directory.exists()


@pytest.mark.parametrize("words", [["--node-cpu", "x"], ["--node-memory", "0"], ["--node-cpu=-1"]])
@pytest.mark.usefixtures("paths")
def test_an_amount_that_no_node_has_is_refused_at_once(words: list[str]) -> None:
    with pytest.raises(UsageError, match="is no amount above 0"):
        up.up.main(words, standalone_mode=False)


def test_many_nodes_with_the_labs_timers_are_warned_of() -> None:
    many = Cluster(name="lab", nodes=3, hollow=1000)
    assert "1003 nodes renew 1003 Leases a second" in up.heartbeats_warning(many)
    slow = Cluster(name="lab", nodes=3, hollow=1000, timings="kubernetes")
    assert up.heartbeats_warning(slow) == ""
    assert up.heartbeats_warning(Cluster(name="lab", nodes=200)) == ""
