"""Certificates are found, and renewed to the same identities (kubeadm certs)."""

from __future__ import annotations

import dataclasses
import ssl
from datetime import timedelta

import pytest

from kubeapi.client.kubeconfig import read_kubeconfig
from podwire.cluster import make, pki, renewal
from podwire.cluster.layout import Cluster, Layout, UsageError

CLUSTER = Cluster(name="lab", nodes=1, block=3, store="etcd")
FILES = ["apiserver", "apiserver-etcd-client", "apiserver-kubelet-client", "etcd", "node-1"]
CONFIGS = ["admin.conf", "controller-manager.conf", "node-1.conf", "scheduler.conf"]
DAY_S = 86_400


@pytest.fixture
def paths(tmp_path, monkeypatch):
    monkeypatch.setenv("PODWIRE_HOME", str(tmp_path / "home"))
    paths = Layout.of("lab")
    make.make(CLUSTER, paths)
    return paths


def test_every_certificate_is_found_with_its_authority(paths):
    now = pki.utc_now()
    found = {each.name: each for each in renewal.found(paths)}
    assert list(found) == [*sorted([*FILES, *CONFIGS]), "ca", "etcd-ca"]
    of_etcd = {"etcd", "apiserver-etcd-client"}
    for name in (*FILES, *CONFIGS):
        assert found[name].authority == ("etcd-ca" if name in of_etcd else "ca")
        assert 364 * DAY_S < found[name].left_s(now) <= 365 * DAY_S
        assert found[name].left_s(now + timedelta(days=366)) < 0
    for name in ("ca", "etcd-ca"):
        assert (found[name].is_authority, found[name].authority) == (True, "")
        assert found[name].left_s(now) > 3600 * DAY_S


def says(certificate):
    """Return all that a certificate says but number, time and key."""
    return certificate.subject, certificate.issuer, list(certificate.extensions)


def test_a_new_certificate_says_what_the_old_one_said(paths):
    before = {each.name: each for each in renewal.found(paths)}
    later = pki.utc_now() + timedelta(days=100)
    for name in (*FILES, *CONFIGS):
        renewal.renew(paths, before[name], later)
    for each in renewal.found(paths):
        old = before[each.name]
        if each.is_authority:
            assert each == old
            continue
        assert says(each.certificate) == says(old.certificate)
        assert each.certificate.public_key() != old.certificate.public_key()
        assert each.left_s(later) > 364 * DAY_S
        assert each.authority == old.authority
    for name in FILES:  # Each file fits its key.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(paths.certificate(name), paths.private_key(name))
    secrets = [paths.kubeconfig, *paths.directory.glob("pki/*.key")]
    assert {path.stat().st_mode & 0o077 for path in secrets} == {0}


def test_a_kubeconfig_keeps_everything_else(paths):
    before = read_kubeconfig(paths.kubeconfig)
    (admin,) = (each for each in renewal.found(paths) if each.name == "admin.conf")
    renewal.renew(paths, admin, pki.utc_now())
    after = read_kubeconfig(paths.kubeconfig)
    assert after.certificate_pem != before.certificate_pem
    assert after.ssl_context() is not None
    kept = {"certificate_pem": "", "key_pem": ""}
    assert dataclasses.replace(after, **kept) == dataclasses.replace(before, **kept)


def test_what_cannot_be_renewed_says_why(paths):
    found = {each.name: each for each in renewal.found(paths)}
    with pytest.raises(UsageError, match="is an authority"):
        renewal.renew(paths, found["ca"], pki.utc_now())
    stranger = pki.Authority.new("x", pki.utc_now()).issue(pki.ADMIN, pki.utc_now())
    pki.write_pair(stranger, paths.certificate("odd"), paths.private_key("odd"))
    (odd,) = (each for each in renewal.found(paths) if each.name == "odd")
    with pytest.raises(UsageError, match="was not signed by the cluster's own"):
        renewal.renew(paths, odd, pki.utc_now())
    paths.private_key("ca").write_text("gone")
    with pytest.raises(UsageError, match="ca cannot sign"):
        renewal.renew(paths, found["apiserver"], pki.utc_now())
    paths.certificate("apiserver").write_text("damaged")
    with pytest.raises(UsageError, match=r"apiserver\.crt holds no certificate"):
        renewal.found(paths)
