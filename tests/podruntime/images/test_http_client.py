"""curl and wget by TLS, as the documentation reaches the API from a pod."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio

from podruntime.images.busybox import CURL
from podwire.cluster.pki import Authority, Identity

from .processes import run

pytestmark = pytest.mark.asyncio
CA = "/var/run/ca.crt"


class Site:
    """A server that says what it was asked, and the authority that vouches for it."""

    def __init__(self, port: int, authority: bytes) -> None:
        self.url, self.files = f"https://127.0.0.1:{port}/api", {CA: authority}

    async def curl(self, *words: str) -> tuple[int, str, str]:
        done: tuple[int, str, str] = await run(
            ["curl", *words], programs=CURL.programs, files=self.files
        )
        return done


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    if b"GET /moved" in head:
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: /api\r\nContent-Length: 0\r\n\r\n")
    else:
        body = head.split(b"\r\n")[0] + b"\n"
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    writer.close()


@pytest_asyncio.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    now = datetime.now(UTC)
    authority = Authority.new("kubernetes", now)
    pair = authority.issue(Identity(user="web", addresses=("127.0.0.1",)), now)
    chain = tmp_path / "server.pem"
    chain.write_bytes(pair.certificate + pair.private_key)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(chain)
    server = await asyncio.start_server(_answer, "127.0.0.1", 0, ssl=context)
    yield Site(server.sockets[0].getsockname()[1], authority.pair.certificate)
    server.close()
    await server.wait_closed()


async def test_curl_believes_whom_it_is_told_to(site: Site) -> None:
    assert await site.curl("-s", "--cacert", CA, site.url) == (0, "GET /api HTTP/1.1\n", "")
    assert await site.curl("-sk", site.url) == (0, "GET /api HTTP/1.1\n", "")
    moved = site.url.replace("/api", "/moved")
    assert (await site.curl("-skL", moved))[1] == "GET /api HTTP/1.1\n"
    status, _, complaint = await site.curl("-sS", site.url)
    assert status == 60
    assert complaint.startswith("curl: (60) SSL certificate problem: ")


async def test_curl_says_what_is_wrong_with_tls(site: Site) -> None:
    for file in ("/none", "/dev/null"):
        status, _, complaint = await site.curl("-sS", "--cacert", file, site.url)
        assert status == 77
        assert "certificate verify locations" in complaint
    other = site.url.replace("127.0.0.1", "localhost")
    assert (await site.curl("-s4", "--cacert", CA, other))[0] == 60, "another name"
    plain = await asyncio.start_server(_answer_plainly, "127.0.0.1", 0)
    port = plain.sockets[0].getsockname()[1]
    assert (await site.curl("-sk", f"https://127.0.0.1:{port}/"))[0] == 35
    plain.close()


async def _answer_plainly(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    writer.close()


async def test_wget_verifies_nothing_and_says_so(site: Site) -> None:
    status, output, said = await run(["wget", "-q", "-O", "-", site.url])
    assert (status, output) == (0, "GET /api HTTP/1.1\n")
    assert said == "wget: note: TLS certificate validation not implemented\n"
    quiet = await run(["wget", "-q", "--no-check-certificate", "-O", "-", site.url])
    assert quiet == (0, "GET /api HTTP/1.1\n", "")
