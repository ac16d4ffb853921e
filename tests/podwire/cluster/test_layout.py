"""Names, paths and addresses of a cluster."""

from __future__ import annotations

from pathlib import Path

import pytest

from podwire.cluster.layout import Cluster, Layout, UsageError, node_number


@pytest.mark.parametrize("name", ["", "Lab", "a_b", "-a", "a-", "../up", "a/b", "x" * 33])
def test_impossible_names_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="cannot name a cluster"):
        Layout.of(name)


def test_everything_is_below_the_home_and_private(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PODWIRE_HOME", str(tmp_path / "home"))
    paths = Layout.of("lab")
    paths.make_directories()
    assert paths.directory == tmp_path / "home" / "lab"
    assert paths.directory.stat().st_mode & 0o777 == 0o700
    cluster = Cluster(name="lab", nodes=3, block=2)
    paths.write_cluster(cluster)
    assert paths.read_cluster() == cluster


def test_a_cluster_that_is_not_there_says_how_to_start_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PODWIRE_HOME", str(tmp_path))
    with pytest.raises(UsageError, match="podwire up --name other"):
        Layout.of("other").read_cluster()


def test_a_damaged_cluster_file_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PODWIRE_HOME", str(tmp_path))
    paths = Layout.of("lab")
    paths.make_directories()
    paths.cluster_file.write_text("{}")
    with pytest.raises(UsageError, match="podwire down"):
        paths.read_cluster()


def test_addresses_of_a_block() -> None:
    cluster = Cluster(name="lab", nodes=3, block=7)
    assert cluster.underlay_address(2) == "192.168.64.2"
    assert cluster.transport_address(2) == "127.0.7.2"
    assert cluster.api_url == "https://127.0.7.251:6443"
    assert cluster.transport_map == {"192.168.64.0/24": "127.0.7.0/24"}
    assert cluster.fabric_map == {"192.168.64.0/24": "127.0.135.0/24"}
    several = Cluster(name="lab", nodes=3, block=7, control_planes=3, store="etcd")
    assert several.api_url == "https://127.0.7.250:6443"


@pytest.mark.parametrize(
    ("numbers", "written", "text"),
    [
        ((1, 2, 3), 3, "node-1 to node-3"),
        ((4, 1), (1, 4), "node-1, node-4"),
        ((1,), 1, "node-1"),
    ],
)
def test_nodes_are_a_count_or_a_list(
    numbers: tuple[int, ...], written: object, text: str, tmp_path: Path
) -> None:
    cluster = Cluster(name="lab", nodes=1).with_nodes(numbers)
    assert cluster.nodes == written
    assert cluster.node_numbers == tuple(sorted(numbers))
    assert cluster.nodes_text == text
    paths = Layout(tmp_path)
    paths.write_cluster(cluster)
    assert paths.read_cluster() == cluster


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "lab", "nodes": 250}',
        '{"name": "lab", "nodes": [0]}',
        '{"name": "lab", "nodes": 1, "control_planes": 9}',
        '{"name": "lab", "nodes": "x"}',
        "\0",
    ],
)
def test_numbers_that_no_cluster_has_are_damage(text: str, tmp_path: Path) -> None:
    paths = Layout(tmp_path)
    paths.cluster_file.write_text(text)
    with pytest.raises(UsageError, match="removes the damaged cluster"):
        paths.read_cluster()


@pytest.mark.parametrize("name", ["node-0", "node-250", "node-x", "web", "node-01", ""])
def test_what_is_no_node(name: str) -> None:
    with pytest.raises(UsageError, match="is no node"):
        node_number(name)


def test_node_numbers() -> None:
    assert [node_number(name) for name in ("node-1", "node-249")] == [1, 249]


def test_a_making_that_was_cut_short_is_told_from_a_strangers_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PODWIRE_HOME", str(tmp_path))
    paths = Layout.of("lab")
    assert not paths.is_half_made()
    paths.make_directories()
    paths.cluster_file.with_suffix(".new").write_text("{")
    assert paths.is_half_made()
    (paths.directory / "pki" / "precious").write_text("x")
    assert not paths.is_half_made()
