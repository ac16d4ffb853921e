from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from loadgen.client import Client, ClosedWithoutAnswer, Timing
from loadgen.http1 import BadResponse
from loadgen.plan import LoadPlan

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nweb-1\n"


def client_of(url, **change):
    plan = LoadPlan(**{"url": url, "rate": 1, "duration_s": 1, **change})
    return Client(plan, (plan.target.host, plan.target.port))


@asynccontextmanager
async def listening(pieces):
    """Serve every connection with *pieces*, whatever it asks, and hang up."""

    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/"
    finally:
        listener.close()


async def fetch(client):
    async with asyncio.timeout(5):
        return await client.fetch(Timing())


@pytest.mark.asyncio
async def test_connections_are_kept(serving):
    async with serving() as server:
        client = client_of(server.url)
        for _ in range(3):
            assert (await fetch(client)).body == b"web-1\n"
        client.close()
    assert (server.connections, server.requests) == (1, 3)


@pytest.mark.asyncio
async def test_fresh_connections_are_not(serving):
    async with serving() as server:
        client = client_of(server.url, fresh=True)
        for _ in range(3):
            await fetch(client)
    assert (server.connections, server.requests) == (3, 3)
    assert b"connection: close" in server.heads[0]


@pytest.mark.asyncio
async def test_no_more_connections_than_allowed(serving):
    async with serving(lambda _: 0.01) as server:
        client = client_of(server.url, connections=2)
        await asyncio.gather(*(fetch(client) for _ in range(6)))
        client.close()
    assert server.connections <= 2
    assert server.requests == 6


@pytest.mark.asyncio
async def test_a_kept_connection_that_was_closed_is_replaced(serving):
    """The server hangs up on the second request of its first connection."""
    async with serving(lambda number: None if number == 2 else ANSWER) as server:
        client = client_of(server.url)
        await fetch(client)
        assert (await fetch(client)).status == 200
        client.close()
    assert (server.connections, server.requests) == (2, 3)


@pytest.mark.asyncio
async def test_what_must_not_be_sent_twice_fails(serving):
    async with serving(lambda number: None if number == 2 else ANSWER) as server:
        client = client_of(server.url, method="POST")
        await fetch(client)
        with pytest.raises((ClosedWithoutAnswer, ConnectionError)):
            await fetch(client)


@pytest.mark.asyncio
async def test_a_new_connection_without_an_answer_fails(serving):
    async with serving(lambda _: None) as server:
        with pytest.raises((ClosedWithoutAnswer, ConnectionError)):
            await fetch(client_of(server.url))
    assert server.requests == 1


@pytest.mark.asyncio
async def test_nonsense_fails(serving):
    async with serving(lambda _: b"SSH-2.0-x\r\n\r\n") as server:
        with pytest.raises(BadResponse):
            await fetch(client_of(server.url))


@pytest.mark.asyncio
async def test_nobody_listens():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(ConnectionRefusedError):
            await fetch(client_of(f"http://127.0.0.1:{port}/"))


@pytest.mark.asyncio
async def test_a_cancelled_request_gives_its_slot_back(serving):
    async with serving(lambda number: 60.0 if number == 1 else ANSWER) as server:
        client = client_of(server.url, connections=1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await client.fetch(Timing())
        assert (await fetch(client)).status == 200
        client.close()
    assert server.connections == 2


@pytest.mark.asyncio
async def test_timing_tells_connecting_from_waiting(serving):
    async with serving() as server:
        timing = Timing()
        client = client_of(server.url)
        await client.fetch(timing)
        client.close()
    assert not timing.connecting
    assert timing.sent_at is not None


@pytest.mark.asyncio
async def test_a_server_that_speaks_no_tls_is_told(serving):
    async with serving(lambda _: b"HTTP/1.1 400 Bad\r\n\r\n") as server:
        url = server.url.replace("http:", "https:")
        with pytest.raises((OSError, ClosedWithoutAnswer)):
            async with asyncio.timeout(1):
                await client_of(url, insecure=True).fetch(Timing())


@pytest.mark.asyncio
async def test_a_body_may_end_with_the_connection():
    async with listening([b"HTTP/1.0 200 OK\r\n\r\nweb", b"-1"]) as url:
        response = await fetch(client_of(url))
    assert (response.body, response.keep_alive) == (b"web-1", False)


@pytest.mark.asyncio
async def test_a_response_cut_short_fails():
    async with listening([b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nweb"]) as url:
        with pytest.raises(BadResponse):
            await fetch(client_of(url))


@pytest.mark.asyncio
async def test_octets_that_nobody_asked_for_end_the_connection(serving):
    async with serving(lambda _: ANSWER + b"HTTP/1.1 200") as server:
        client = client_of(server.url)
        await fetch(client)
        await fetch(client)
        client.close()
    assert server.connections == 2


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
        with pytest.raises(ssl.SSLCertVerificationError):
            await fetch(client_of(url))
        client = client_of(url, insecure=True)
        assert (await fetch(client)).body == b"web-1\n"
        client.close()
