"""A cluster on disk: all of it private, made again without new authority, damage named."""

from __future__ import annotations

from pathlib import Path

import pytest

from kubeapi.client.kubeconfig import read_kubeconfig
from podwire.cluster import make
from podwire.cluster.layout import Cluster, Layout, UsageError

CLUSTER = Cluster(name="lab", nodes=2, block=3)


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    monkeypatch.setenv("PODWIRE_HOME", str(tmp_path / "home"))
    return Layout.of("lab")


def test_everything_that_processes_need_is_there_and_private(paths: Layout) -> None:
    make.make(CLUSTER, paths)
    assert paths.read_cluster() == CLUSTER
    config = read_kubeconfig(paths.kubeconfig)
    assert config.server == "https://127.0.3.251:6443"
    assert config.ssl_context() is not None
    secrets = [paths.kubeconfig, *paths.directory.glob("pki/*.key")]
    secrets += paths.directory.glob("kubeconfigs/*")
    assert len(secrets) >= 8
    assert {path.stat().st_mode & 0o077 for path in secrets} == {0}
    assert not list(paths.directory.rglob("*.new"))


def test_a_kept_authority_stays_and_certificates_are_new(paths: Layout) -> None:
    make.make(CLUSTER, paths)
    before = paths.certificate("ca").read_bytes(), paths.certificate("apiserver").read_bytes()
    make.make(CLUSTER, paths)
    after = paths.certificate("ca").read_bytes(), paths.certificate("apiserver").read_bytes()
    assert after[0] == before[0]
    assert after[1] != before[1]


def test_a_making_that_was_cut_short_is_known_as_ours_and_made_again(
    paths: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(make.pki, "write_pair", full)
        with pytest.raises(OSError, match="No space"):
            make.make(CLUSTER, paths)
    assert paths.read_cluster() == CLUSTER
    make.make(CLUSTER, paths)


@pytest.mark.parametrize("octets", [b"", b"-----BEGIN PRIVATE KEY-----\n", b"\xff\xfe"])
def test_a_damaged_authority_says_what_to_do(paths: Layout, octets: bytes) -> None:
    make.make(CLUSTER, paths)
    paths.private_key("ca").write_bytes(octets)
    with pytest.raises(UsageError, match="podwire down --name lab"):
        make.make(CLUSTER, paths)
