"""loop.sendfile and sock_sendfile, by reading and writing."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from .pods import SERVER, TwoPods

OCTETS = bytes(range(256)) * 3000


@pytest.fixture
def file(tmp_path: Path):
    path = tmp_path / "file"
    path.write_bytes(OCTETS)
    with path.open("rb") as opened:
        yield opened


async def _collects(tls=None) -> asyncio.Queue[bytes]:
    received: asyncio.Queue[bytes] = asyncio.Queue()

    async def collect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.put_nowait(await reader.read())
        writer.close()

    await asyncio.start_server(collect, "0.0.0.0", 80, ssl=tls)
    return received


@pytest.mark.parametrize("secured", [False, True])
def test_a_file_is_sent_and_the_protocol_goes_on(secured, file, serving, asking):
    async def scenario(pods: TwoPods) -> None:
        received = await _collects(serving if secured else None)
        pods.use(pods.client)
        _, writer = await asyncio.open_connection("web", 80, ssl=asking if secured else None)
        writer.write(b"head ")
        sent = await pods.loop.sendfile(writer.transport, file, 256, 700_000)
        assert sent == 700_000
        assert file.tell() == 700_256
        assert await pods.loop.sendfile(writer.transport, file, 700_256) == len(OCTETS) - 700_256
        writer.write(b" tail")
        await writer.drain()
        writer.close()
        assert await received.get() == b"head " + OCTETS[256:] + b" tail"
        with pytest.raises(RuntimeError, match="Transport is closing"):
            await pods.loop.sendfile(writer.transport, file)

    TwoPods().run(scenario)


def test_a_socket_sends_a_file(file):
    async def scenario(pods: TwoPods) -> None:
        received = await _collects()
        pods.use(pods.client)
        with socket.socket() as sock:
            sock.setblocking(False)
            await pods.loop.sock_connect(sock, (SERVER, 80))
            assert await pods.loop.sock_sendfile(sock, file, 1, 100) == 100
            assert await pods.loop.sock_sendfile(sock, file) == len(OCTETS) - 101
            with pytest.raises(asyncio.SendfileNotAvailableError):
                await pods.loop.sock_sendfile(sock, file, fallback=False)
            pods.loop.sockets.calls.stack_of(sock).shutdown(socket.SHUT_WR)
            assert await received.get() == OCTETS[1:]

    TwoPods().run(scenario)


def test_what_cannot_be_sent(file, tmp_path, asking, serving):
    async def scenario(pods: TwoPods) -> None:
        await _collects(serving)
        pods.use(pods.client)
        _, writer = await asyncio.open_connection("web", 80, ssl=asking)
        send, transport = pods.loop.sendfile, writer.transport
        with pytest.raises(RuntimeError, match="fallback is disabled"):
            await send(transport, file, fallback=False)
        with pytest.raises(RuntimeError, match="not supported for transport"):
            await send(asyncio.WriteTransport(), file)
        for wrong, error in (({"offset": -1}, ValueError), ({"offset": "1"}, TypeError),
                             ({"count": 0}, ValueError), ({"count": "1"}, TypeError)):  # fmt: skip
            with pytest.raises(error, match=r"must be a (non-negative|positive) integer"):
                await send(transport, file, **wrong)
        with (tmp_path / "file").open() as text, pytest.raises(ValueError, match="binary mode"):
            await send(transport, text)
        writer.close()

    TwoPods().run(scenario)


def test_a_peer_that_resets_ends_it(file):
    async def scenario(pods: TwoPods) -> None:
        def refuse(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.transport.abort()

        await asyncio.start_server(refuse, "0.0.0.0", 80)
        pods.use(pods.client)
        _, writer = await asyncio.open_connection("web", 80)

        async def send_again_and_again() -> None:
            while True:
                await pods.loop.sendfile(writer.transport, file)
                file.seek(0)

        with pytest.raises((ConnectionError, RuntimeError)):
            await send_again_and_again()
        writer.close()

    TwoPods().run(scenario)
