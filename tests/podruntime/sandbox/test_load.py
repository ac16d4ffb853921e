"""Many connections, slow readers, full queues: bounded, fair, and without hanging.

`CONNECTIONS=5000 pytest -s …::test_many_connections` prints seconds and memory of more.
"""

from __future__ import annotations

import asyncio
import os
import resource
import time

from netstack.drops import DropReason

from .pods import SERVER, TwoPods

MEGABYTE = 1 << 20
CONNECTIONS = int(os.environ.get("CONNECTIONS", "400"))


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while line := await reader.readline():
        writer.write(line)
    writer.close()


def _resident_mib() -> float:
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize() / MEGABYTE


def test_many_connections_at_once_echo_and_cost_no_descriptor():
    async def scenario(pods: TwoPods) -> None:
        # The client's ephemeral ports suffice, and the listener's queue is as long as they are.
        await asyncio.start_server(_echo, "0.0.0.0", 7, backlog=CONNECTIONS)
        pods.use(pods.client)
        descriptors, memory = len(os.listdir("/proc/self/fd")), _resident_mib()
        began = time.monotonic()
        opened = []
        for _ in range(0, CONNECTIONS, 200):
            calls = (asyncio.open_connection(SERVER, 7) for _ in range(min(200, CONNECTIONS)))
            opened += await asyncio.gather(*calls)
        connected = time.monotonic()
        assert len(os.listdir("/proc/self/fd")) <= descriptors + 1
        for number, (_, writer) in enumerate(opened):
            writer.write(b"%d\n" % number)
        lines = await asyncio.gather(*(reader.readline() for reader, _ in opened))
        assert lines == [b"%d\n" % number for number in range(len(opened))]
        echoed, grown = time.monotonic(), _resident_mib() - memory
        print(
            f"{len(opened)} connections, both ends in one process: open in"
            f" {connected - began:.2f} s, echoed in {echoed - connected:.2f} s, {grown:.0f} MiB"
        )
        assert grown < len(opened) * 0.1, "100 KiB for both ends of an idle one are too much"
        for _, writer in opened:
            writer.close()
        await asyncio.gather(*(writer.wait_closed() for _, writer in opened))

    TwoPods().run(scenario, 120)


def test_slow_readers_bound_the_memory_of_both_pods():
    """Ten writers without an end, nobody reads: two buffers of the stacks and the write limit."""

    async def scenario(pods: TwoPods) -> None:
        held = []
        await asyncio.start_server(lambda *pair: held.append(pair), "0.0.0.0", 9, limit=4096)
        pods.use(pods.client)
        memory = _resident_mib()
        writers = [(await asyncio.open_connection(SERVER, 9))[1] for _ in range(10)]
        written = [0] * len(writers)

        async def write(at: int) -> None:
            while True:
                writers[at].write(bytes(128 * 1024))
                await writers[at].drain()
                written[at] += 128 * 1024

        tasks = [pods.loop.create_task(write(at)) for at in range(len(writers))]
        before = -1
        while before != sum(written):  # Until nothing moves any more.
            before = sum(written)
            await asyncio.sleep(0.1)
        grown = _resident_mib() - memory
        print(f"{sum(written) / MEGABYTE:.0f} MiB written, {grown:.0f} MiB of memory")
        assert all(MEGABYTE <= each <= 4 * MEGABYTE for each in written)
        assert grown < 60
        for task in tasks:
            task.cancel()
        for each in writers:
            each.transport.abort()
        for _, each in held:
            each.transport.abort()

    TwoPods().run(scenario)


def test_a_full_backlog_drops_syns_and_the_peers_try_again():
    async def scenario(pods: TwoPods) -> None:
        server = await pods.loop.create_server(
            asyncio.Protocol, "0.0.0.0", 80, backlog=2, start_serving=False
        )
        listening = server._bound[0]
        listening.listen(2)  # Nobody accepts yet.
        pods.use(pods.client)
        calls = [pods.loop.create_task(asyncio.open_connection(SERVER, 80)) for _ in range(8)]
        drops = pods.server_interface.host.drops
        while not drops[DropReason.TCP_ACCEPT_QUEUE_FULL]:
            await asyncio.sleep(0.01)
        await server.start_serving()
        opened = await asyncio.gather(*calls)  # A second later, when SYNs are repeated.
        assert len(opened) == 8
        for _, writer in opened:
            writer.close()

    TwoPods().run(scenario)


def test_a_bulk_stream_does_not_starve_the_others():
    async def scenario(pods: TwoPods) -> None:
        async def sink(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while await reader.read(65536):
                pass
            writer.close()

        await asyncio.start_server(sink, "0.0.0.0", 9)
        await asyncio.start_server(_echo, "0.0.0.0", 7)
        pods.use(pods.client)
        _, bulk = await asyncio.open_connection(SERVER, 9)
        reader, writer = await asyncio.open_connection(SERVER, 7)
        sent = 0

        async def flood() -> None:
            nonlocal sent
            while True:
                bulk.write(bytes(256 * 1024))
                await bulk.drain()
                sent += 256 * 1024

        flooding = pods.loop.create_task(flood())
        delays = []
        for number in range(50):
            began = time.monotonic()
            writer.write(b"%d\n" % number)
            await reader.readline()
            delays.append(time.monotonic() - began)
        flooding.cancel()
        assert sent > MEGABYTE, "the bulk stream ran meanwhile"
        assert sorted(delays)[25] < 0.2
        bulk.transport.abort()
        writer.close()

    TwoPods().run(scenario)


def test_silent_peers_hang_nobody():
    """A peer that vanishes: writing fails in the end, and close returns at once."""

    async def scenario(pods: TwoPods) -> None:
        await asyncio.start_server(_echo, "0.0.0.0", 7)
        pods.use(pods.client)
        _, writer = await asyncio.open_connection(SERVER, 7)
        pods.dropping = True
        writer.write(b"into the void\n")
        writer.close()
        async with asyncio.timeout(1):
            await writer.wait_closed()

    TwoPods().run(scenario)
