"""`nc -u`: datagrams from standard input, and what comes back, as netcat-openbsd has it."""

from __future__ import annotations

import asyncio
import socket
from typing import Final

from componentbase.tasks import Tasks
from podruntime.images.busybox.arguments import BadUsage
from podruntime.images.process import Process

#: With -z: so many datagrams, and how long an ICMP error may take after each.
_TRIES: Final = 4
_ERROR_S: Final = 0.05
_ANSWERS_MAX: Final = 1024


class _Exchange(asyncio.DatagramProtocol):
    """Queues what comes; None is an ICMP error, after which nothing counts."""

    def __init__(self) -> None:
        self.answers: asyncio.Queue[bytes | None] = asyncio.Queue()

    def datagram_received(self, data: bytes, _addr: object) -> None:
        if self.answers.qsize() < _ANSWERS_MAX:
            self.answers.put_nowait(data)

    def error_received(self, _exc: Exception) -> None:
        self.answers.put_nowait(None)


async def exchange(
    process: Process, host: str, port: int, *, idle_s: float | None, only_look: bool
) -> bool:
    """Send and show datagrams until *idle_s* have passed in silence; False: nobody is there."""
    loop = asyncio.get_running_loop()
    try:
        transport, found = await loop.create_datagram_endpoint(_Exchange, remote_addr=(host, port))
    except socket.gaierror:
        raise BadUsage(f"bad address '{host}'") from None
    try:
        if only_look:
            return await _look(transport, found)
        tasks = Tasks()
        try:
            tasks.spawn(_send(process, transport), name="nc")
            return await _show(process, found, idle_s)
        finally:
            await tasks.close()
    finally:
        transport.close()


async def _look(transport: asyncio.DatagramTransport, found: _Exchange) -> bool:
    for _ in range(_TRIES):
        transport.sendto(b"X")
        await asyncio.sleep(_ERROR_S)
    return found.answers.empty() or found.answers.get_nowait() is not None


async def _send(process: Process, transport: asyncio.DatagramTransport) -> None:
    while piece := await process.stdin.piece():
        transport.sendto(piece)


async def _show(process: Process, found: _Exchange, idle_s: float | None) -> bool:
    while True:
        try:
            async with asyncio.timeout(idle_s):
                data = await found.answers.get()
        except TimeoutError:
            return True
        if data is None:
            return False
        process.stdout.write(data)
        await process.stdout.drain()
