"""What code in a pod finds under the names of the standard library, and a certificate."""

from __future__ import annotations

import builtins
import datetime
import io
import os
import signal
import socket
import ssl
import threading
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from podruntime.sandbox import files, pod_socket, signals, streams


@pytest.fixture
def boundary(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this test's code find sockets, signals and files as code in a pod does."""
    for module, name in (
        (socket, "socket"),
        (signal, "signal"),
        (signal, "getsignal"),
        (signal, "raise_signal"),
        (threading.Thread, "start"),
        (builtins, "open"),
        (io, "open"),
        (io, "FileIO"),
        (ssl.SSLContext, "load_cert_chain"),
        (ssl.SSLContext, "load_verify_locations"),
        *((os, name) for name in dir(os) if callable(getattr(os, name))),
    ):
        monkeypatch.setattr(module, name, getattr(module, name))
    pod_socket.install()
    signals.install()
    files.install()
    streams.route_threads()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a self-signed certificate for "web", 10.244.1.2 and localhost."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "web")])
    began = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    names = x509.SubjectAlternativeName([x509.DNSName("web"), x509.DNSName("localhost")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(began)
        .not_valid_after(began + datetime.timedelta(days=36500))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "web.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def serving(certificate: Path) -> ssl.SSLContext:
    """The context of a server that is "web"."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture
def asking(certificate: Path) -> ssl.SSLContext:
    """The context of a client that trusts it."""
    return ssl.create_default_context(cafile=str(certificate))
