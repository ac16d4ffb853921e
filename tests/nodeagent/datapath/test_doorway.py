"""A listening socket that closes keeps whom the kernel has let in, and lets nobody in any more."""

from __future__ import annotations

import asyncio
import socket

import pytest
import uvloop

from componentbase.tasks import Tasks
from nodeagent.datapath.doorway import Doorway

WAITING = 20


class Greeter(asyncio.Protocol):
    def connection_made(self, transport):
        transport.write(b"welcome")
        transport.close()


def free_port(address):
    with socket.socket() as probe:
        probe.bind((address, 0))
        return probe.getsockname()[1]


async def greeting(client):
    async with asyncio.timeout(5):
        return await asyncio.get_running_loop().sock_recv(client, 100)


def connected(address, port):
    """Return a socket that the kernel has connected, although nobody accepts."""
    client = socket.create_connection((address, port), timeout=5)
    client.setblocking(False)
    return client


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_who_was_let_in_is_served_after_the_close(new_loop):
    async def story():
        tasks, address = Tasks(), "127.0.0.1"
        door, port = Doorway(Greeter, tasks), free_port(address)
        await door.open(address, port, shared=False)
        waiting = [connected(address, port) for _ in range(WAITING)]
        gone = waiting.pop()
        gone.close()
        door.close()  # Nobody was accepted yet: the event loop has had no turn.
        door.close()
        assert [await greeting(client) for client in waiting] == [b"welcome"] * len(waiting)
        for client in waiting:
            client.close()
        with pytest.raises(ConnectionRefusedError):
            connected(address, port)
        await tasks.close()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(story())


@pytest.mark.asyncio
async def test_of_two_that_share_an_address_one_closes_and_the_other_serves():
    tasks, address = Tasks(), "127.0.0.1"
    doors, port = [Doorway(Greeter, tasks) for _ in range(2)], free_port(address)
    for door in doors:
        await door.open(address, port, shared=True)
    waiting = [connected(address, port) for _ in range(WAITING)]
    doors[0].close()
    waiting += [connected(address, port) for _ in range(WAITING)]
    assert [await greeting(client) for client in waiting] == [b"welcome"] * len(waiting)
    for client in waiting:
        client.close()
    doors[1].close()
    await tasks.close()


@pytest.mark.asyncio
async def test_a_port_that_is_taken_is_an_error_and_nothing_stays_open():
    tasks = Tasks()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        door = Doorway(Greeter, tasks)
        with pytest.raises(OSError, match="in use"):
            await door.open("127.0.0.1", taken.getsockname()[1], shared=False)
        door.close()
    await tasks.close()
