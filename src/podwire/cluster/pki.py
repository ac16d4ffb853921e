"""The cluster's certificate authority and the certificates that it signs.

As in a kubeadm cluster, a client's user is its certificate's common name and its groups are the
organizations. Keys are P-256: making one costs a tenth of a millisecond, an RSA key a second.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

#: As kubeadm has them.
_LIFETIME: Final = timedelta(days=365)
_AUTHORITY_LIFETIME: Final = timedelta(days=3650)
#: A clock that is set back while a cluster runs must not make its certificates those of tomorrow.
_CLOCK_SKEW: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who a certificate is for."""

    user: str
    groups: tuple[str, ...] = ()
    dns_names: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()

    @property
    def serves(self) -> bool:
        return bool(self.dns_names or self.addresses)


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate and its private key, PEM."""

    certificate: bytes
    private_key: bytes


class Authority:
    """A certificate authority in memory."""

    def __init__(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        self._certificate, self._key = certificate, key

    @classmethod
    def new(cls, name: str, now: datetime) -> Authority:
        """Make an authority called *name*."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        usage = x509.KeyUsage(
            digital_signature=True,
            key_cert_sign=True,
            crl_sign=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        )
        certificate = (
            _builder(subject, subject, key.public_key(), now, _AUTHORITY_LIFETIME)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .sign(key, hashes.SHA256())
        )
        return cls(certificate, key)

    @classmethod
    def load(cls, certificate: bytes, private_key: bytes) -> Authority:
        """Take up an authority again from its PEM files; raises ValueError if they make none."""
        key = serialization.load_pem_private_key(private_key, password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ValueError("the key is not one of an elliptic curve")
        loaded = x509.load_pem_x509_certificate(certificate)
        if loaded.public_key() != key.public_key():
            raise ValueError("the certificate is of another key")
        return cls(loaded, key)

    @property
    def pair(self) -> KeyPair:
        return _pem(self._certificate, self._key)

    def issue(self, identity: Identity, now: datetime) -> KeyPair:
        """Sign a certificate for *identity*, for clients, and for servers if it has names."""
        key = ec.generate_private_key(ec.SECP256R1())
        attributes = [x509.NameAttribute(NameOID.COMMON_NAME, identity.user)]
        attributes += [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in identity.groups
        ]
        uses = [ExtendedKeyUsageOID.CLIENT_AUTH]
        if identity.serves:
            uses.append(ExtendedKeyUsageOID.SERVER_AUTH)
        builder = (
            _builder(x509.Name(attributes), self._certificate.subject, key.public_key(), now)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
        )
        if identity.serves:
            names: list[x509.GeneralName] = [x509.DNSName(name) for name in identity.dns_names]
            names += [
                x509.IPAddress(ipaddress.ip_address(address)) for address in identity.addresses
            ]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return _pem(builder.sign(self._key, hashes.SHA256()), key)

    def renew(self, old: x509.Certificate, now: datetime) -> KeyPair:
        """Sign a certificate that says what *old* says, with another key and for another year."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(old.subject, self._certificate.subject, key.public_key(), now)
        for each in old.extensions:
            builder = builder.add_extension(each.value, critical=each.critical)
        return _pem(builder.sign(self._key, hashes.SHA256()), key)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    now: datetime,
    lifetime: timedelta = _LIFETIME,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + lifetime)
    )


def _pem(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> KeyPair:
    return KeyPair(
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )


def write_pair(pair: KeyPair, certificate: Path, private_key: Path) -> None:
    """Write both files; the key is readable by this user alone from its first octet.

    Each appears whole or not at all, the certificate last: where it is, its key is too.
    """
    new_certificate = certificate.with_suffix(".new")
    write_private(private_key, pair.private_key)
    new_certificate.write_bytes(pair.certificate)
    new_certificate.rename(certificate)


def write_private(path: Path, octets: bytes) -> None:
    """Write a file that this user alone can read; it appears whole or not at all."""
    new = path.with_suffix(".new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(octets)
    new.rename(path)


def write_signing_key(private_key: Path, public_key: Path) -> None:
    """Write the key that signs service accounts' tokens, unless it is there."""
    if private_key.exists():
        return
    key = ec.generate_private_key(ec.SECP256R1())
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    write_pair(KeyPair(public, private), public_key, private_key)


def utc_now() -> datetime:
    """Return the wall clock that certificates are dated by."""
    return datetime.now(UTC)


def apiserver_identity(addresses: Sequence[str]) -> Identity:
    """Return the API server's serving identity, with the names that pods know it by."""
    service = "kubernetes.default.svc"
    names = ("localhost", "kubernetes", "kubernetes.default", service, f"{service}.cluster.local")
    return Identity(user="kube-apiserver", dns_names=names, addresses=tuple(addresses))


ADMIN: Final = Identity(user="kubernetes-admin", groups=("system:masters",))
SCHEDULER: Final = Identity(user="system:kube-scheduler")
CONTROLLER_MANAGER: Final = Identity(user="system:kube-controller-manager")
KUBELET_CLIENT: Final = Identity(user="system:kube-apiserver", groups=("system:masters",))
HOLLOW_NODES: Final = Identity(user="system:hollow-nodes", groups=("podwire:hollow-nodes",))
ETCD_CLIENT: Final = Identity(user="kube-apiserver-etcd-client")


def node_identity(name: str, addresses: Sequence[str]) -> Identity:
    """Return a kubelet's identity, as client of the API server and as server of logs."""
    return Identity(
        user=f"system:node:{name}",
        groups=("system:nodes",),
        dns_names=(name,),
        addresses=tuple(addresses),
    )


def etcd_identity(name: str, server_name: str, addresses: Sequence[str]) -> Identity:
    """Return a member's identity, towards clients and other members."""
    return Identity(user=name, dns_names=(name, server_name), addresses=tuple(addresses))
