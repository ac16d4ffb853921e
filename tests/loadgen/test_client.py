"""Sockets against real servers on loopback: what is kept, what fails, and how it is called."""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from loadgen.plan import LoadPlan
from loadgen.run import run_load

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nweb-1\n"


async def load(url, **change):
    plan = LoadPlan(**{"url": url, "rate": 50, "duration_s": 0.1, "timeout_s": 5.0, **change})
    async with asyncio.timeout(20):
        return await run_load(plan)


@asynccontextmanager
async def listening(serve):
    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield listener.sockets[0].getsockname()[1]
    finally:
        listener.close()


@asynccontextmanager
async def datagrams(answer):
    """Answer each datagram with `answer(datagram)`, unless that is None."""

    class Server(asyncio.DatagramProtocol):
        sources: dict[tuple[str, int], None] = {}  # noqa: RUF012 - One class for each server.

        def connection_made(self, transport):
            self.transport = transport

        def datagram_received(self, data, addr):
            self.sources[addr] = None
            octets = answer(data)
            if octets is not None:
                self.transport.sendto(octets, addr)

    transport, server = await asyncio.get_running_loop().create_datagram_endpoint(
        Server, local_addr=("127.0.0.1", 0)
    )
    try:
        yield transport.get_extra_info("sockname")[1], server.sources
    finally:
        transport.close()


async def echo(reader, writer):
    while octets := await reader.read(65536):
        writer.write(octets)
    writer.close()


@pytest.mark.asyncio
async def test_connections_are_kept(serving):
    async with serving() as server:
        report = await load(server.url, connections=1)
    assert (server.connections, server.requests, report.ok) == (1, 5, 5)


@pytest.mark.asyncio
async def test_fresh_connections_are_not(serving):
    async with serving() as server:
        await load(server.url, fresh=True)
    assert (server.connections, server.requests) == (5, 5)
    assert b"connection: close" in server.heads[0]


@pytest.mark.asyncio
async def test_no_more_connections_than_allowed(serving):
    async with serving(lambda _: 0.05) as server:
        report = await load(server.url, connections=2)
    assert server.connections == 2
    assert report.ok == 5


@pytest.mark.asyncio
async def test_a_kept_connection_that_was_closed_is_replaced(serving):
    async with serving(lambda number: None if number == 2 else ANSWER) as server:
        report = await load(server.url, connections=1)
    assert (report.ok, report.retried) == (5, 1)
    assert (server.connections, server.requests) == (2, 6)


@pytest.mark.asyncio
async def test_a_server_that_hangs_up_on_everybody(serving):
    async with serving(lambda _: None) as server:
        report = await load(server.url, fresh=True)
    assert sum(report.errors.values()) == 5
    assert set(report.errors) <= {"closed", "reset"}


@pytest.mark.asyncio
async def test_nobody_listens_on_tcp_and_udp():
    for scheme, kind in (("tcp", socket.SOCK_STREAM), ("udp", socket.SOCK_DGRAM)):
        with socket.socket(type=kind) as unused:
            unused.bind(("127.0.0.1", 0))
            port = unused.getsockname()[1]
            if kind is socket.SOCK_DGRAM:
                unused.close()  # A bound socket of datagrams would take them.
            assert (await load(f"{scheme}://127.0.0.1:{port}")).errors == {"refused": 5}


@pytest.mark.asyncio
async def test_an_answer_that_comes_too_late(serving):
    async with serving(lambda number: 0.75 if number == 1 else ANSWER) as server:
        report = await load(server.url, timeout_s=0.5, duration_s=1.0, rate=2, connections=2)
    assert report.errors == {"late": 1}
    assert report.ok == 1


@pytest.mark.asyncio
async def test_tcp_echo():
    async with listening(echo) as port:
        report = await load(f"tcp://127.0.0.1:{port}", size=100_00)
    assert (report.ok, report.protocol) == (5, "tcp")


@pytest.mark.asyncio
async def test_another_echo_is_a_bad_response():
    async def shout(reader, writer):
        writer.write((await reader.read(65536)).swapcase())
        await reader.read()
        writer.close()

    async with listening(shout) as port:
        report = await load(f"tcp://127.0.0.1:{port}")
    assert report.errors == {"bad-response": 5}


@pytest.mark.asyncio
async def test_udp_echo_over_kept_and_over_fresh_sockets():
    async with datagrams(lambda data: data) as (port, sources):
        report = await load(f"udp://127.0.0.1:{port}", connections=1)
        assert (report.ok, len(sources)) == (5, 1)
        report = await load(f"udp://127.0.0.1:{port}", fresh=True)
        assert report.ok == 5
    assert len(sources) > 1


@pytest.mark.asyncio
async def test_lost_datagrams_time_out():
    seen = []

    def lossy(data):
        seen.append(data)
        return None if len(seen) == 2 else data

    async with datagrams(lossy) as (port, _):
        report = await load(f"udp://127.0.0.1:{port}", timeout_s=1.0)
    assert (report.ok, report.errors) == (4, {"timeout": 1})


@pytest.mark.asyncio
async def test_dns():
    def serve(query):
        return query[:2] + b"\x81\x83" + query[4:]

    async with datagrams(serve) as (port, _):
        report = await load(f"dns://127.0.0.1:{port}/web.default.svc")
    assert report.errors == {"nxdomain": 5}


@pytest.mark.asyncio
async def test_a_server_that_speaks_no_tls_is_told(serving):
    async with serving(lambda _: b"HTTP/1.1 400 Bad\r\n\r\n") as server:
        url = server.url.replace("http:", "https:")
        report = await load(url, insecure=True, timeout_s=0.3)
    assert report.failed == 5


@pytest.fixture
def tls(tmp_path):
    """Return a server's context with a certificate that nobody trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "loadgen test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "pair.pem"
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


@pytest.mark.asyncio
async def test_tls_trusts_nobody_unless_told_to(serving, tls):
    async with serving(tls=tls) as server:
        url = server.url.replace("http:", "https:")
        assert (await load(url)).errors == {"tls": 5}
        report = await load(url, insecure=True)
    assert report.backends == {"web-1": 5}


@pytest.mark.asyncio
async def test_urls_of_ipv6_are_dialled_and_named_in_brackets():
    asked = []

    async def serve(reader, writer):
        with suppress(asyncio.IncompleteReadError):
            while True:
                asked.append(await reader.readuntil(b"\r\n\r\n"))
                writer.write(ANSWER)
        writer.close()

    try:
        listener = await asyncio.start_server(serve, "::1", 0)
    except OSError as error:
        pytest.skip(f"no IPv6 on this machine: {error}")
    port = listener.sockets[0].getsockname()[1]
    report = await load(f"http://[::1]:{port}/", connections=1)
    listener.close()
    assert report.ok == 5
    assert f"\r\nhost: [::1]:{port}\r\n".encode() in asked[0].lower()
