"""Certificates by the name that a client asks for (SNI), made of Secrets as they change.

Handshakes that have begun keep what they began with. Who asks for an unknown name, or for none,
gets the default: a Secret that the program was told, or one that nobody can believe, made at start
as ingress-nginx makes its "Fake Certificate".
"""

from __future__ import annotations

import base64
import binascii
import os
import ssl
import tempfile
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ingresscontroller.table import Table
from kubeapi.objects import Object

_FAKE_NAME: Final = "Kubernetes Ingress Controller Fake Certificate"
_FAKE_HOST: Final = "ingress.local"
_FAKE_DAYS: Final = 365
_PROTOCOLS: Final = ("http/1.1",)


class BadCertificate(Exception):
    """A Secret that holds no certificate and key that belong together."""


class Certificates:
    """The contexts of all Secrets that Ingresses name; `context` is what servers are given."""

    def __init__(self, default: str, now: float) -> None:
        self._default = default
        self._fake = make_context(*fake_certificate(now))
        self._pems: dict[str, tuple[bytes, bytes]] = {}
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._table = Table()
        self.context = self._fake
        self.context.sni_callback = self._choose

    def _choose(
        self, connection: ssl.SSLSocket | ssl.SSLObject, name: str | None, _given: ssl.SSLContext
    ) -> None:
        secret = self._table.secret((name or "").lower().rstrip("."))
        found = self._contexts.get(secret) or self._contexts.get(self._default)
        if found is not None:
            connection.context = found

    def update(self, table: Table, secrets: Mapping[str, Object]) -> list[tuple[str, str]]:
        """Use *table* and *secrets* from now on; return which Secrets are bad, and why."""
        wanted = dict.fromkeys(table.certificates.values())
        if self._default:
            wanted[self._default] = None
        wrong = [each for each in (self._take(key, secrets.get(key)) for key in wanted) if each]
        self._forget([key for key in self._contexts if key not in wanted or key not in secrets])
        self._table = table
        return wrong

    def _take(self, key: str, secret: Object | None) -> tuple[str, str] | None:
        if secret is None:
            return key, "there is no such Secret"
        try:
            pems = pems_of(secret)
            if self._pems.get(key) != pems:
                self._contexts[key] = make_context(*pems)
                self._pems[key] = pems
        except BadCertificate as error:
            return key, str(error)
        return None

    def _forget(self, keys: Iterable[str]) -> None:
        for key in keys:
            del self._contexts[key], self._pems[key]


def pems_of(secret: Object) -> tuple[bytes, bytes]:
    """Return certificate and key of a Secret of type kubernetes.io/tls; raises BadCertificate."""
    data = secret.get("data") or {}
    try:
        found = [base64.b64decode(data[name], validate=True) for name in ("tls.crt", "tls.key")]
    except KeyError as error:
        raise BadCertificate(f"it has no {error}") from None
    except binascii.Error as error:
        raise BadCertificate(str(error)) from None
    return found[0], found[1]


def make_context(certificate: bytes, key: bytes) -> ssl.SSLContext:
    """Return a server's context; raises BadCertificate. OpenSSL reads files only."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(_PROTOCOLS)
    file, path = tempfile.mkstemp(suffix=".pem")
    try:
        with open(file, "wb") as both:
            both.write(key.rstrip() + b"\n" + certificate)
        context.load_cert_chain(path)
    except (ssl.SSLError, ValueError) as error:
        raise BadCertificate(f"its certificate and key are of no use: {error}") from None
    finally:
        os.unlink(path)
    return context


def fake_certificate(now: float) -> tuple[bytes, bytes]:
    """Make a certificate that nobody has reason to believe, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Acme Co"),
            x509.NameAttribute(NameOID.COMMON_NAME, _FAKE_NAME),
        ]
    )
    begin = datetime.fromtimestamp(now, UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=_FAKE_DAYS))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(_FAKE_HOST)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return made.public_bytes(pem), private
