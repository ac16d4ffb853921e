"""A real API server process for tests: certificates of its own, a port of its own."""

from __future__ import annotations

import datetime
import http.client
import ipaddress
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from .webhook_server import WebhookServer

_START_S = 20


def _usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=ca,
        crl_sign=ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


class Authority:
    """A certificate authority that lives as long as a test session."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test-ca")])
        certificate = self._build(self._name, self._key.public_key(), ca=True)
        self.file = directory / "ca.crt"
        self.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def _build(
        self, subject: x509.Name, key: Any, *, ca: bool = False, days: float = 1
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=2))
            .not_valid_after(now + datetime.timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(
                x509.SubjectAlternativeName(
                    [x509.IPAddress(ipaddress.ip_address(f"127.0.0.{n}")) for n in (1, 2, 3)]
                ),
                critical=False,
            )
            # Python 3.13 verifies as RFC 5280 has it: keys are identified, their uses named.
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
            .add_extension(_usage(ca=ca), critical=True)
            .sign(self._key, hashes.SHA256())
        )

    def issue(self, name: str, groups: Sequence[str] = (), *, days: float = 1) -> tuple[Path, Path]:
        """Return the files of a certificate that holds for *days*, and of its key."""
        stem = self.directory / name.replace(":", "_")
        certificate, private_key = stem.with_suffix(".crt"), stem.with_suffix(".key")
        if certificate.exists():
            return certificate, private_key
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name(
            [
                *(x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups),
                x509.NameAttribute(NameOID.COMMON_NAME, name),
            ]
        )
        private_key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        signed = self._build(subject, key.public_key(), days=days)
        certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        return certificate, private_key


@dataclass
class Reply:
    """An answer, read to its end."""

    code: int
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class RunningServer:
    """An API server process, and the simplest client there is."""

    authority: Authority
    directory: Path
    port: int
    process: subprocess.Popen[bytes] | None = None
    transport_map: dict[str, str] = field(default_factory=dict)
    address: str = "127.0.0.1"
    more: dict[str, str] = field(default_factory=dict)
    _connections: dict[str | None, http.client.HTTPSConnection] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"https://{self.address}:{self.port}"

    def config(self) -> Path:
        certificate, key = self.authority.issue("apiserver")
        kubelet = self.authority.issue("system:kube-apiserver")
        path = self.directory / "apiserver.json"
        config = {
            "log_file": str(self.directory / "apiserver.log"),
            "name": "apiserver",
            "bind": self.address,
            "port": self.port,
            "advertise_address": "192.168.64.251",
            "certificate": str(certificate),
            "private_key": str(key),
            "client_ca": str(self.authority.file),
            "kubelet_certificate": str(kubelet[0]),
            "kubelet_private_key": str(kubelet[1]),
            "store_path": str(self.directory / "podwire.db"),
            "service_cidr": "10.96.0.0/16",
            "node_port_range": "30000-32767",
            "transport_map": self.transport_map,
            "timings": "lab",
            "cluster_name": "test",
            **self.more,
        }
        path.write_text(json.dumps(config))
        return path

    def start(self) -> None:
        """Start the process and wait until it answers."""
        self.process = self.spawn()
        ends = time.monotonic() + _START_S
        while time.monotonic() < ends:
            if self.process.poll() is not None:
                break
            try:
                if self.request("GET", "/readyz", user=None).code == 200:
                    return
            except OSError:
                time.sleep(0.02)
        log = (self.directory / "apiserver.log").read_text()
        raise AssertionError(f"the API server did not start:\n{log}")

    def spawn(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "controlplane.apiserver", str(self.config())]
        return subprocess.Popen(command, stderr=subprocess.PIPE)

    def kill(self) -> None:
        """SIGKILL: the normal way to go."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGKILL)
        self._reap()

    def stop(self) -> int:
        """SIGTERM; returns the exit status."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.terminate()
        return self._reap()

    def _reap(self) -> int:
        self.disconnect()
        assert self.process is not None
        assert self.process.stderr is not None
        self.process.stderr.close()
        return self.process.wait(10)

    def client_files(self, user: str) -> tuple[Path, Path]:
        groups = {"admin": ("system:masters",)}.get(user, ())
        if user.startswith("system:node:"):
            groups = ("system:nodes",)
        return self.authority.issue(user, groups)

    def tls(self, user: str | None = "admin") -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.authority.file)
        if user is not None:
            context.load_cert_chain(*self.client_files(user))
        return context

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        user: str | None = "admin",
        headers: dict[str, str] | None = None,
    ) -> Reply:
        """Do one request; *body* is sent as JSON unless it is octets."""
        octets = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        sent = {"Content-Type": "application/json", **(headers or {})}
        connection = self._connections.pop(user, None)
        if connection is not None:
            try:
                return self._exchange(connection, user, (method, path, octets, sent))
            except (OSError, http.client.HTTPException):
                connection.close()  # The server closed it, or is another one by now.
        connection = http.client.HTTPSConnection(
            self.address, self.port, context=self.tls(user), timeout=10
        )
        try:
            return self._exchange(connection, user, (method, path, octets, sent))
        except (OSError, http.client.HTTPException):
            connection.close()
            raise

    def _exchange(
        self,
        connection: http.client.HTTPSConnection,
        user: str | None,
        request: tuple[str, str, bytes | None, dict[str, str]],
    ) -> Reply:
        connection.request(*request)
        response = connection.getresponse()
        reply = Reply(response.status, response.headers, response.read())
        self._connections[user] = connection
        return reply

    def disconnect(self) -> None:
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()

    def kubeconfig(self) -> Path:
        certificate, key = self.client_files("admin")
        path = self.directory / "kubeconfig"
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "clusters": [
                {
                    "name": "test",
                    "cluster": {
                        "server": self.url,
                        "certificate-authority": str(self.authority.file),
                    },
                }
            ],
            "users": [
                {
                    "name": "admin",
                    "user": {"client-certificate": str(certificate), "client-key": str(key)},
                }
            ],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
        }
        path.write_text(json.dumps(config))
        return path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="session")
def wrong_certificates(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Lay certificates beside the good ones: of users `elsewhere` and `expired`."""
    elsewhere = Authority(tmp_path_factory.mktemp("other-pki"))
    for file in elsewhere.issue("elsewhere", ["system:masters"]):
        shutil.copy(file, authority.directory)
    authority.issue("expired", ["system:masters"], days=-1)


@pytest.fixture
def stopped_server(authority: Authority, tmp_path: Path) -> Iterator[RunningServer]:
    """A server that a test starts itself."""
    server = RunningServer(authority, tmp_path, free_port())
    yield server
    if server.process is not None and server.process.poll() is None:
        server.stop()


@pytest.fixture(scope="module")
def server(
    authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningServer]:
    """A server that the tests of a module share; each works in a namespace of its own."""
    running = RunningServer(authority, tmp_path_factory.mktemp("apiserver"), free_port())
    running.start()
    yield running
    running.stop()


@pytest.fixture
def namespace(server: RunningServer, request: pytest.FixtureRequest) -> str:
    name = request.node.name.lower().replace("_", "-").split("[")[0][:55].strip("-")
    reply = server.request("POST", "/api/v1/namespaces", {"metadata": {"generateName": f"{name}-"}})
    assert reply.code == 201, reply.body
    created: str = reply.json["metadata"]["name"]
    return created


@pytest.fixture(scope="module")
def webhook_server(authority) -> Iterator[WebhookServer]:
    server = WebhookServer(*authority.issue("webhook"), authority.file)
    server.start()
    yield server
    server.close()


@pytest.fixture
def webhook(webhook_server: WebhookServer) -> WebhookServer:
    """A webhook that allows everything until a test says otherwise."""
    webhook_server.reset()
    return webhook_server
