"""A cluster on disk: all of it private, made again without new authority, damage named."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509

from kubeapi.client.kubeconfig import read_kubeconfig
from podwire.cluster import etcd, make
from podwire.cluster.families import NETWORKS
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


def test_one_more_node_is_signed_by_the_authority_that_the_others_trust(paths: Layout) -> None:
    make.make(CLUSTER, paths)
    grown = CLUSTER.with_nodes([1, 2, 3])
    make.make_node(grown, paths, 3)
    ours = read_kubeconfig(paths.component_kubeconfig("node-3"))
    assert ours.ca_pem == read_kubeconfig(paths.component_kubeconfig("node-1")).ca_pem
    assert ours.server == "https://127.0.131.251:6443"
    paths.private_key("ca").unlink()
    with pytest.raises(UsageError, match=r"ca\.key is missing"):
        make.make_node(grown, paths, 4)
    assert not paths.certificate("node-4").exists()


def test_etcd_trusts_an_authority_of_its_own(
    paths: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(etcd, "find", lambda program: program)
    make.make(Cluster(name="lab", nodes=1, block=3, store="etcd", control_planes=2), paths)
    authorities = {paths.certificate(name).read_bytes() for name in ("ca", "etcd-ca")}
    assert len(authorities) == 2
    member = x509.load_pem_x509_certificate(paths.certificate("etcd-2").read_bytes())
    authority = x509.load_pem_x509_certificate(paths.certificate("etcd-ca").read_bytes())
    member.verify_directly_issued_by(authority)
    names = member.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {"etcd", "etcd-2"} <= set(names.get_values_for_type(x509.DNSName))
    server = read_kubeconfig(paths.component_kubeconfig("scheduler-2")).server
    assert server == "https://127.0.3.252:6443"
    assert read_kubeconfig(paths.kubeconfig).server == "https://127.0.3.250:6443"


def test_certificates_are_for_the_addresses_of_both_families(paths: Layout) -> None:
    make.make(Cluster(name="lab", nodes=1, block=3, **NETWORKS["dual"]), paths)

    def addresses(name: str) -> set[str]:
        certificate = x509.load_pem_x509_certificate(paths.certificate(name).read_bytes())
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return {str(each) for each in names.get_values_for_type(x509.IPAddress)}

    assert {"10.96.0.1", "fd00:10:96::1", "192.168.64.251", "fd00:192:168:64::fb"} <= addresses(
        "apiserver"
    )
    assert {"192.168.64.1", "fd00:192:168:64::1", "127.0.3.1"} <= addresses("node-1")
