"""The balancer in a node's container, between real servers on loopback."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest

from componentbase.tasks import Tasks
from podwire.cluster import pki
from podwire.compose.balancer import ApiBalancer, Config
from podwire.fabric.config import Balancer, BalancerTarget

_HOST: Final = "127.76.0.1"
_READY: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
_UNREADY: Final = _READY.replace(b"200 OK", b"500 Not ready")


class Master:
    """A TLS server that answers every request with its name, and counts open connections."""

    def __init__(self, name: str) -> None:
        self.name, self.ready = name.encode(), True
        self._writers: list[asyncio.StreamWriter] = []

    async def start(self, context: ssl.SSLContext) -> None:
        self._server = await asyncio.start_server(self._serve, _HOST, 0, ssl=context)
        self.port: int = self._server.sockets[0].getsockname()[1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                unready = b"/readyz" in head and not self.ready
                writer.write((_UNREADY if unready else _READY) + self.name)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            writer.transport.abort()

    def die(self) -> None:
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()


Ask = Callable[[], Awaitable[bytes]]


@asynccontextmanager
async def balanced(folder: Path, names: list[str]) -> AsyncIterator[tuple[list[Master], Ask]]:
    """Run masters behind a balancer; yield them and a way to ask through it."""
    authority = pki.Authority.new("test-ca", pki.utc_now())
    pair = authority.issue(pki.apiserver_identity([_HOST]), pki.utc_now())
    pki.write_pair(pair, folder / "server.crt", folder / "server.key")
    (folder / "ca.crt").write_bytes(authority.pair.certificate)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(folder / "server.crt", folder / "server.key")
    asking = ssl.create_default_context(cafile=str(folder / "ca.crt"))
    masters = [Master(name) for name in names]
    for master in masters:
        await master.start(serving)
    with_port = await asyncio.start_server(lambda _reader, _writer: None, _HOST, 0)
    port = with_port.sockets[0].getsockname()[1]
    with_port.close()
    targets = [
        BalancerTarget(host=master.name.decode(), address=(_HOST, master.port))
        for master in masters
    ]
    config = Config(
        log_file="",
        name="balancer",
        balancer=Balancer(listen=(_HOST, port), targets=targets),
        ca=str(folder / "ca.crt"),
    )

    async def ask() -> bytes:
        reader, writer = await asyncio.open_connection(
            _HOST, port, ssl=asking, server_hostname="kubernetes"
        )
        try:
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            return (await reader.readexactly(len(_READY) + 5)).removeprefix(_READY)
        finally:
            writer.transport.abort()

    tasks = Tasks()
    tasks.spawn(ApiBalancer(config).run(), name="balancer")
    try:
        await _listening(port)
        yield masters, ask
    finally:
        await tasks.close()
        for master in masters:
            master.die()


async def _listening(port: int) -> None:
    async with asyncio.timeout(10):
        while True:
            try:
                _, writer = await asyncio.open_connection(_HOST, port)
            except OSError:
                await asyncio.sleep(0.01)
                continue
            writer.transport.abort()
            return


@pytest.mark.asyncio
async def test_connections_go_to_each_master_in_turn(tmp_path: Path) -> None:
    async with balanced(tmp_path, ["first", "secnd", "third"]) as (_masters, ask):
        assert {await ask() for _ in range(6)} == {b"first", b"secnd", b"third"}


@pytest.mark.asyncio
async def test_a_dead_master_is_passed_over_at_once(tmp_path: Path) -> None:
    async with balanced(tmp_path, ["first", "secnd"]) as (masters, ask):
        masters[0].die()
        assert {await ask() for _ in range(4)} == {b"secnd"}


@pytest.mark.asyncio
async def test_a_master_that_is_not_ready_is_asked_only_when_none_is(tmp_path: Path) -> None:
    async with balanced(tmp_path, ["first", "secnd"]) as (masters, ask):
        masters[0].ready = False
        async with asyncio.timeout(10):
            while {await ask() for _ in range(4)} != {b"secnd"}:
                pass
        masters[1].ready = False
        async with asyncio.timeout(10):
            while {await ask() for _ in range(4)} != {b"first", b"secnd"}:
                pass


@pytest.mark.asyncio
async def test_without_any_master_connections_are_reset(tmp_path: Path) -> None:
    async with balanced(tmp_path, ["alone"]) as (masters, ask):
        masters[0].die()
        with pytest.raises((OSError, asyncio.IncompleteReadError)):
            await ask()
