"""Certificates, judged by OpenSSL through Python's ssl: who is let in, and as whom."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from cryptography import x509

from podwire.cluster import pki
from podwire.cluster.pki import Authority, Identity, KeyPair


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.new("test-ca", pki.utc_now())


def context(side: int, authority: Authority, pair: KeyPair, folder: Path) -> ssl.SSLContext:
    made = ssl.SSLContext(side)
    made.load_verify_locations(cadata=authority.pair.certificate.decode())
    made.verify_mode = ssl.CERT_REQUIRED
    certificate, key = folder / f"{side}.crt", folder / f"{side}.key"
    pki.write_pair(pair, certificate, key)
    made.load_cert_chain(certificate, key)
    return made


def handshake(
    authority: Authority, folder: Path, server: KeyPair, client: KeyPair, name: str
) -> dict[str, object]:
    """Run a TLS handshake in memory; return what the server learned of the client."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server_side = context(ssl.PROTOCOL_TLS_SERVER, authority, server, folder)
    client_side = context(ssl.PROTOCOL_TLS_CLIENT, authority, client, folder)
    accepted = server_side.wrap_bio(to_server, to_client, server_side=True)
    connected = client_side.wrap_bio(to_client, to_server, server_hostname=name)
    for _ in range(4):
        for end in (connected, accepted):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    found = accepted.getpeercert()
    assert found
    return dict(found)


def test_a_client_is_known_by_user_and_groups(authority: Authority, tmp_path: Path) -> None:
    server = authority.issue(pki.apiserver_identity(["127.0.1.251"]), pki.utc_now())
    client = authority.issue(pki.node_identity("node-1", ["192.168.64.1"]), pki.utc_now())
    seen = handshake(authority, tmp_path, server, client, "127.0.1.251")
    assert (("commonName", "system:node:node-1"),) in seen["subject"]
    assert (("organizationName", "system:nodes"),) in seen["subject"]


def test_a_server_under_another_name_is_refused(authority: Authority, tmp_path: Path) -> None:
    server = authority.issue(pki.apiserver_identity(["127.0.1.251"]), pki.utc_now())
    client = authority.issue(pki.ADMIN, pki.utc_now())
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(authority, tmp_path, server, client, "127.0.1.250")


def test_another_authoritys_client_is_refused(authority: Authority, tmp_path: Path) -> None:
    stranger = Authority.new("stranger", pki.utc_now())
    server = authority.issue(pki.apiserver_identity(["127.0.1.251"]), pki.utc_now())
    with pytest.raises(ssl.SSLError):
        handshake(
            authority, tmp_path, server, stranger.issue(pki.ADMIN, pki.utc_now()), "localhost"
        )


def test_a_client_certificate_cannot_serve(authority: Authority, tmp_path: Path) -> None:
    admin = authority.issue(pki.ADMIN, pki.utc_now())
    with pytest.raises(ssl.SSLError):
        handshake(authority, tmp_path, admin, admin, "localhost")


def test_an_authority_is_taken_up_again(authority: Authority) -> None:
    pair = authority.pair
    again = Authority.load(pair.certificate, pair.private_key)
    issued = again.issue(Identity(user="x"), pki.utc_now())
    ca = x509.load_pem_x509_certificate(pair.certificate)
    x509.load_pem_x509_certificate(issued.certificate).verify_directly_issued_by(ca)


def test_keys_are_readable_by_their_user_alone(authority: Authority, tmp_path: Path) -> None:
    pki.write_pair(authority.pair, tmp_path / "a.crt", tmp_path / "a.key")
    assert (tmp_path / "a.key").stat().st_mode & 0o777 == 0o600


def test_a_certificate_and_a_key_of_two_authorities_are_none() -> None:
    one, other = (Authority.new(name, pki.utc_now()).pair for name in ("one", "other"))
    with pytest.raises(ValueError, match="of another key"):
        Authority.load(one.certificate, other.private_key)
