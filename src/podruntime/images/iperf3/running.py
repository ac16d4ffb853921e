"""The part of a test that both sides do alike: octets flow, intervals are shown."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress

from componentbase.tasks import Tasks
from podruntime.images.iperf3.report import Stream, interval
from podruntime.images.process import Process

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def send(stream: Stream, connection: Connection, length: int, octets_max: int) -> None:
    """Send blocks until cancelled, or until *octets_max* are sent (0: no end)."""
    block, writer = bytes(length), connection[1]
    with suppress(ConnectionError):
        while octets_max == 0 or stream.octets < octets_max:
            writer.write(block)
            await writer.drain()
            stream.octets += length
            await asyncio.sleep(0)  # Others of the pod want the loop, too.


async def receive(stream: Stream, connection: Connection, length: int) -> None:
    """Count what comes until the end."""
    with suppress(ConnectionError):
        while octets := await connection[0].read(length):
            stream.octets += len(octets)


async def show_intervals(process: Process, streams: Sequence[Stream], every_s: float) -> None:
    """Print a line for each stream, again and again."""
    began = last = time.monotonic()
    while True:
        await asyncio.sleep(every_s)
        now = time.monotonic()
        for each in interval(streams, last - began, now - began):
            process.print(each)
        await process.stdout.drain()
        last = now


def show_connected(process: Process, stream: Stream, connection: Connection) -> None:
    """Print which sockets a stream has."""
    writer = connection[1]
    (here, port), (there, other) = (
        writer.get_extra_info(name)[:2] for name in ("sockname", "peername")
    )
    process.print(f"{stream.socket} local {here} port {port} connected to {there} port {other}")


class Flow:
    """The tasks of a running test."""

    def __init__(self, streams: Sequence[Stream]) -> None:
        self.streams = streams
        self._tasks = Tasks()
        self._carrying: list[asyncio.Task[None]] = []

    def carry(
        self, connections: Sequence[Connection], *, sends: bool, length: int, octets_max: int
    ) -> None:
        """Begin."""
        for stream, connection in zip(self.streams, connections, strict=True):
            work = (
                send(stream, connection, length, octets_max)
                if sends
                else receive(stream, connection, length)
            )
            self._carrying.append(self._tasks.spawn(work, name="iperf3 stream"))

    def show(self, process: Process, every_s: float) -> None:
        """Print intervals meanwhile."""
        if every_s > 0:
            self._tasks.spawn(show_intervals(process, self.streams, every_s), name="iperf3")

    async def done(self) -> None:
        """Wait until every stream has ended by itself."""
        await asyncio.wait(self._carrying)

    async def end(self) -> None:
        """Stop."""
        await self._tasks.close()
