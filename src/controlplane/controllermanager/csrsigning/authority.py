"""The cluster's authority, as far as it signs for others (upstream: signer/ca_provider, authority).

A certificate begins five minutes ago, so that clocks may differ, lasts as long as was asked and
never longer than a year, nor than the authority.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from controlplane.controllermanager.csrsigning.request import Asked, BadRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cryptography import x509

YEAR_S: Final = 365 * 24 * 3600
_MIN_S: Final = 600
_SKEW: Final = timedelta(minutes=5)


def duration_s(asked_s: int | None) -> int:
    """Return how long a certificate lasts."""
    return YEAR_S if asked_s is None else min(max(asked_s, _MIN_S), YEAR_S)


class Authority:
    """Files of a certificate and its key, read anew for each certificate."""

    def __init__(self, certificate: str, private_key: str) -> None:
        self._certificate, self._key = certificate, private_key

    @property
    def can_sign(self) -> bool:
        """Tell whether there is an authority at all."""
        return bool(self._certificate and self._key)

    def sign(self, asked: Asked, usages: Sequence[str], lasts_s: int, now: float) -> bytes:
        """Return a certificate, PEM; raises BadRequest, OSError, ValueError."""
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec

        issuer = x509.load_pem_x509_certificate(Path(self._certificate).read_bytes())
        key = serialization.load_pem_private_key(Path(self._key).read_bytes(), password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ValueError(f"{self._key}: the key is not one of an elliptic curve")
        if not asked.request.is_signature_valid:
            raise BadRequest("the signature of the request is wrong")
        begins = datetime.fromtimestamp(now, UTC)
        ends = min(begins + timedelta(seconds=lasts_s), issuer.not_valid_after_utc)
        builder = (
            x509.CertificateBuilder()
            .subject_name(asked.request.subject)
            .issuer_name(issuer.subject)
            .public_key(asked.request.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(max(begins - _SKEW, issuer.not_valid_before_utc))
            .not_valid_after(ends)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(usages), critical=True)
        )
        for extension in _extensions(asked, usages, issuer):
            builder = builder.add_extension(extension, critical=False)
        signed = builder.sign(key, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM)


def _key_usage(usages: Sequence[str]) -> x509.KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature="digital signature" in usages,
        key_encipherment="key encipherment" in usages,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _extensions(
    asked: Asked, usages: Sequence[str], issuer: x509.Certificate
) -> list[x509.ExtensionType]:
    from cryptography import x509
    from cryptography.x509.oid import ExtendedKeyUsageOID

    purposes = {
        "client auth": ExtendedKeyUsageOID.CLIENT_AUTH,
        "server auth": ExtendedKeyUsageOID.SERVER_AUTH,
    }
    extended = [oid for usage, oid in purposes.items() if usage in usages]
    from_issuer: Callable[..., x509.AuthorityKeyIdentifier] = (
        x509.AuthorityKeyIdentifier.from_issuer_public_key
    )
    found: list[x509.ExtensionType] = [
        x509.ExtendedKeyUsage(extended),
        from_issuer(issuer.public_key()),
        x509.SubjectKeyIdentifier.from_public_key(asked.request.public_key()),
    ]
    if asked.names:
        wanted = asked.request.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        found.append(wanted.value)
    return found
