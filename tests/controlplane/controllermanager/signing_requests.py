"""Signing requests as clients make them."""

from __future__ import annotations

import base64
import ipaddress

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

CLIENT_USAGES = ["digital signature", "client auth"]
SERVING_USAGES = ["digital signature", "server auth"]


def names_of(kinds):
    makers = {
        "dns": lambda: x509.DNSName("node-7"),
        "ip": lambda: x509.IPAddress(ipaddress.ip_address("192.168.64.7")),
        "email": lambda: x509.RFC822Name("a@example.com"),
        "uri": lambda: x509.UniformResourceIdentifier("spiffe://x"),
    }
    return [makers[kind]() for kind in kinds]


def request_pem(common_name="system:node:node-7", organizations=("system:nodes",), names=()):
    """Return a request, PEM in base64, and its key, PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = [
        *(x509.NameAttribute(NameOID.ORGANIZATION_NAME, each) for each in organizations),
        x509.NameAttribute(NameOID.COMMON_NAME, common_name),
    ]
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(subject))
    if names:
        alternative = x509.SubjectAlternativeName(names_of(names))
        builder = builder.add_extension(alternative, critical=False)
    made = builder.sign(key, hashes.SHA256())
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return base64.b64encode(made.public_bytes(serialization.Encoding.PEM)).decode(), private


def signing_request(name, signer, *, usages=CLIENT_USAGES, pem="", **spec):
    """Return a CertificateSigningRequest."""
    return {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": name},
        "spec": {
            "request": pem or request_pem()[0],
            "signerName": signer,
            "usages": [*usages],
            **spec,
        },
    }
