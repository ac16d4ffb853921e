"""Octets that should be a signing request, or certificates, in PEM (upstream: ParseCSR).

`cryptography.x509` is loaded when the first request is judged: most servers never see one.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

_BLOCK: Final = re.compile(
    rb"-----BEGIN ([^-]+)-----\s*\n(.*?)-----END \1-----[ \t]*\r?\n?", re.DOTALL
)
_NO_REQUEST: Final = "PEM block type must be CERTIFICATE REQUEST"


class BadPem(ValueError):
    """Octets that are not what they should be; the text says why."""


def _octets(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


def check_request(text: str) -> None:
    """Raise BadPem unless base64 *text* holds a signing request whose signature is right."""
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

    octets = _octets(text)
    block = _BLOCK.search(octets)
    if block is None or block[1] != b"CERTIFICATE REQUEST":
        raise BadPem(_NO_REQUEST)
    try:
        request = x509.load_pem_x509_csr(block[0])
        valid = request.is_signature_valid
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm) as error:
        raise BadPem(f"x509: malformed certificate request: {error}") from None
    if not valid:
        raise BadPem("x509: the signature of the certificate request is wrong")


def check_certificates(text: str) -> None:
    """Raise BadPem unless base64 *text* holds certificates and nothing else."""
    from cryptography import x509

    blocks = list(_BLOCK.finditer(_octets(text)))
    if not blocks:
        raise BadPem("must contain at least one CERTIFICATE PEM block")
    for block in blocks:
        if block[1] != b"CERTIFICATE":
            kind = block[1].decode("ascii", "replace")
            raise BadPem(f'only CERTIFICATE PEM blocks are allowed, found "{kind}"')
        if b":" in block[2]:
            raise BadPem("no PEM block headers are permitted")
        try:
            x509.load_pem_x509_certificate(block[0])
        except ValueError as error:
            raise BadPem(f"x509: malformed certificate: {error}") from None
