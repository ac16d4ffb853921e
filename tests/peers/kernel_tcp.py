"""The kernel's end of TCP connections, awaited."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from length import LIMIT_S
from netns import Namespace
from station import OURS

from componentbase.tasks import Tasks

_CHUNK = 1 << 16


async def connect(
    namespace: Namespace, port: int, *, local_port: int = 0, to: str = OURS
) -> socket.socket:
    """Return a connection to our host's *port*."""
    connection = namespace.tcp(socket.AF_INET6 if ":" in to else socket.AF_INET)
    if local_port:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        connection.bind(("", local_port))
    try:
        async with asyncio.timeout(LIMIT_S):
            await asyncio.get_running_loop().sock_connect(connection, (to, port))
    except BaseException:
        connection.close()
        raise
    return connection


async def read(connection: socket.socket, octets_max: int = _CHUNK) -> bytes:
    async with asyncio.timeout(LIMIT_S):
        return await asyncio.get_running_loop().sock_recv(connection, octets_max)


async def read_all(connection: socket.socket) -> bytes:
    """Return everything up to the end of the stream."""
    received = bytearray()
    while data := await read(connection):
        received += data
    return bytes(received)


async def write(connection: socket.socket, data: bytes) -> None:
    async with asyncio.timeout(LIMIT_S):
        await asyncio.get_running_loop().sock_sendall(connection, data)


async def exchange(connection: socket.socket, data: bytes) -> bytes:
    """Send *data* and FIN; return what came back."""

    async def say() -> None:
        await write(connection, data)
        connection.shutdown(socket.SHUT_WR)

    received, _ = await asyncio.gather(read_all(connection), say())
    return received


async def echo(connection: socket.socket) -> None:
    """Send back what comes, and FIN after FIN."""
    while data := await read(connection):
        await write(connection, data)
    connection.shutdown(socket.SHUT_WR)


async def accept(listener: socket.socket) -> socket.socket:
    async with asyncio.timeout(LIMIT_S):
        connection, _ = await asyncio.get_running_loop().sock_accept(listener)
    return connection


@asynccontextmanager
async def serving(
    namespace: Namespace,
    handle: Callable[[socket.socket], Awaitable[None]],
    port: int = 0,
    address: str = "0.0.0.0",
) -> AsyncIterator[int]:
    """Let *handle* have every connection to the port that is returned."""
    tasks, loop = Tasks(), asyncio.get_running_loop()

    async def run(connection: socket.socket) -> None:
        with connection, contextlib.suppress(ConnectionError):
            await handle(connection)

    async def serve() -> None:
        while True:
            connection, _ = await loop.sock_accept(listener)
            tasks.spawn(run(connection), name="connection")

    with namespace.listen(address, port, backlog=1024) as listener:
        tasks.spawn(serve(), name="listener")
        try:
            yield listener.getsockname()[1]
        finally:
            await tasks.close()


def reset(connection: socket.socket) -> None:
    """Close with RST."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
