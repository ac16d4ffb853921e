"""Messages to processes that may be dead, paused or restarted: all is heard in the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from componentbase import rpc
from componentbase.tasks import Tasks
from podwire.launcher import messenger
from podwire.launcher.messenger import Line, Messenger, ask

BOUND_S = 10.0


class Target:
    """A process that is told a number; it can be dead, up, or up and silent."""

    def __init__(self, path: Path) -> None:
        self.path, self.heard = path, asyncio.Queue[int]()
        self.up = self.silent = False
        self._server: rpc.Server | None = None

    async def start(self) -> None:
        self._server = rpc.Server(self.path, {"number": self._on_number})
        await self._server.start()
        self.up = True

    async def stop(self) -> None:
        self.up = False
        if self._server is not None:
            await self._server.close()

    async def _on_number(self, _connection: rpc.Connection, params: rpc.Params) -> object:
        if self.silent:
            raise rpc.RpcError("Unavailable", "busy")
        self.heard.put_nowait(params["value"])
        return None

    async def next(self) -> int:
        async with asyncio.timeout(BOUND_S):
            return await self.heard.get()


class World:
    def __init__(self, path: Path) -> None:
        self.target, self.value, self.tasks = Target(path), 0, Tasks()
        self.messenger = Messenger(self.tasks, self._line)

    def _line(self, _process: str) -> Line:
        async def message(client: rpc.Client) -> None:
            await client.call("number", {"value": self.value})

        return Line(self.target.path, message, lambda: self.target.up)

    def say(self, value: int) -> None:
        self.value = value
        self.messenger.tell("it")


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path / "it.sock")
    yield made
    await made.tasks.close()
    await made.target.stop()


@pytest.mark.asyncio
async def test_one_that_lives_hears_at_once(world: World) -> None:
    await world.target.start()
    world.say(7)
    assert await world.messenger.settle(["it"], BOUND_S) == []
    assert await world.target.next() == 7


@pytest.mark.asyncio
async def test_one_that_is_dead_hears_the_latest_when_it_lives(world: World) -> None:
    for value in (1, 2, 3):
        world.say(value)
    assert await world.messenger.settle(["it"], BOUND_S) == ["it"]
    await world.target.start()
    world.messenger.look("it")
    assert await world.messenger.settle(["it"], BOUND_S) == []
    assert await world.target.next() == 3
    assert world.target.heard.empty()


@pytest.mark.asyncio
async def test_one_that_refuses_is_asked_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messenger, "_RETRY_S", 0.01)
    await world.target.start()
    world.target.silent = True
    world.say(5)
    assert await world.messenger.settle(["it"], 0.05) == ["it"]
    world.target.silent = False
    assert await world.target.next() == 5


@pytest.mark.asyncio
async def test_one_that_is_no_more_is_told_nothing(world: World) -> None:
    world.say(1)
    world.messenger.forget("it")
    world.messenger.look("it")
    await world.target.start()
    world.say(2)
    assert await world.target.next() == 2


@pytest.mark.asyncio
async def test_asking_who_does_not_answer_is_none(world: World) -> None:
    assert await ask(world.target.path, "number", 0.1) is None
    await world.target.start()
    world.target.silent = True
    assert await ask(world.target.path, "number", BOUND_S) is None
