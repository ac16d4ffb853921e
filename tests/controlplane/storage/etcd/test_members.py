"""TLS towards the members, and what is said when it fails."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from controlplane.storage.etcd.members import Credentials
from controlplane.storage.etcd.store import EtcdStore
from controlplane.storage.interface import (
    Put,
    StorageDenied,
    StorageError,
    StorageUnavailable,
)
from controlplane.storage.open import open_store
from podwire.cluster.pki import Authority, Identity

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(60)]

_NAME = "etcd.podwire.internal"


@pytest.fixture
def authority() -> Authority:
    return Authority.new("etcd-ca", datetime.now(UTC))


@pytest.fixture
def tls(tmp_path: Path, authority: Authority) -> Credentials:
    """Of a server that has the name `_NAME`, whatever its address, and of a client."""
    pair = authority.issue(Identity(user="etcd-1", dns_names=(_NAME,)), datetime.now(UTC))
    return written(tmp_path, "server", authority, pair)


def written(directory: Path, name: str, authority: Authority, pair) -> Credentials:
    texts = {
        "ca": authority.pair.certificate,
        "certificate": pair.certificate,
        "private_key": pair.private_key,
    }
    paths = {}
    for role, text in texts.items():
        path = directory / f"{name}-{role}.pem"
        path.write_bytes(text)
        paths[role] = str(path)
    return Credentials(**paths, server_name=_NAME)


def client(directory: Path, authority: Authority, user: str = "kube-apiserver") -> Credentials:
    pair = authority.issue(Identity(user=user), datetime.now(UTC))
    return written(directory, f"client-{user}", authority, pair)


async def test_client_certificates_and_a_name_that_is_not_the_address(
    make_etcd, tmp_path, authority, tls
):
    etcd, ours = make_etcd(tls=tls), client(tmp_path, authority)
    store = await open_store(
        store_path="",
        etcd_endpoints=etcd.endpoints,
        etcd_ca=ours.ca,
        etcd_certificate=ours.certificate,
        etcd_private_key=ours.private_key,
        etcd_server_name=_NAME,
        cluster_uid="u-1",
        cluster_name="lab",
    )
    watch = await store.watch("/k", after=await store.revision())
    await store.txn(Put("/k", b"v"))
    assert [event.key for event in (await watch.next()).events] == ["/k"]
    lease = await store.grant(10)
    await store.keep_alive(lease)
    await store.close()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("their authority", "its certificate is not signed by the authority in etcd_ca"),
        ("our authority", "it refuses the certificate in etcd_certificate, or wants one"),
        ("no certificate", "it refuses the certificate in etcd_certificate, or wants one"),
        ("another name", "its certificate lacks the name in etcd_server_name"),
        ("no TLS", "does not answer"),
    ],
)
async def test_what_is_wrong_with_tls_is_said(
    make_etcd, tmp_path, authority, tls, wrong: str, words: str
):
    etcd, ours = make_etcd(tls=tls), client(tmp_path, authority)
    await (await EtcdStore.open(etcd.endpoints, credentials=ours, patience_s=30.0)).close()
    theirs = client(tmp_path, Authority.new("another", datetime.now(UTC)), "stranger")
    credentials = {
        "their authority": theirs,
        "our authority": replace(theirs, ca=ours.ca),
        "no certificate": replace(ours, certificate="", private_key=""),
        "another name": replace(ours, server_name="other.internal"),
        "no TLS": Credentials(),
    }[wrong]
    with pytest.raises(StorageUnavailable) as caught:
        await EtcdStore.open(etcd.endpoints, credentials=credentials, patience_s=0.5)
    assert str(caught.value).startswith(f"etcd: {etcd.endpoints[0]} does not answer: ")
    assert words in str(caught.value)


async def test_tls_towards_a_server_without_it(shared_etcd, tls):
    await (await EtcdStore.open(shared_etcd.endpoints, patience_s=30.0)).close()
    with pytest.raises(StorageUnavailable, match="without TLS leave etcd_ca empty"):
        await EtcdStore.open(shared_etcd.endpoints, credentials=tls, patience_s=0.5)


async def test_a_file_that_is_missing_is_named(tmp_path):
    with pytest.raises(StorageError, match=r"missing\.pem: No such file"):
        await EtcdStore.open(
            ["127.0.0.1:1"], credentials=Credentials(str(tmp_path / "missing.pem"))
        )


def only_root_may(endpoint: str, client: Credentials) -> None:
    """Switch etcd's authentication on."""
    etcdctl = ["etcdctl", "--endpoints", endpoint, "--cacert", client.ca]
    etcdctl += ["--cert", client.certificate, "--key", client.private_key]
    environment = {**os.environ, "ETCDCTL_API": "3"}
    for command in ("user add root --no-password", "user grant-role root root", "auth enable"):
        subprocess.run([*etcdctl, *command.split()], env=environment, check=True, timeout=20)


async def test_a_user_without_a_role_is_denied(make_etcd, etcd_address, tmp_path, authority):
    if shutil.which("etcdctl") is None:
        pytest.skip("etcdctl is not installed (Debian, Ubuntu: apt install etcd-client)")
    server = authority.issue(
        Identity(user="etcd-1", dns_names=(_NAME,), addresses=(etcd_address,)), datetime.now(UTC)
    )
    etcd = make_etcd(tls=written(tmp_path, "server", authority, server))
    ours = client(tmp_path, authority)
    store = await EtcdStore.open(etcd.endpoints, credentials=ours, patience_s=30.0)
    await asyncio.to_thread(only_root_may, etcd.endpoints[0], ours)
    with pytest.raises(StorageDenied, match=r"etcdserver: permission denied.*role of its common"):
        await store.txn(Put("/k", b"v", 0))
    with pytest.raises(StorageDenied):
        await EtcdStore.open(etcd.endpoints, credentials=ours)
    await store.close()
