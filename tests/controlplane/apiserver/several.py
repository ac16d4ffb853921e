"""Several API servers in one process on one store, which a test may hold up or take away."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from controlplane.apiserver.config import Config
from controlplane.apiserver.run import running
from controlplane.storage.interface import StorageUnavailable, Store, Watch, WatchBatch
from kubeapi.client import RestClient

from .conftest import Authority, RunningServer, free_port

BOUND_S = 10.0


class HeldWatch:
    """A watch that tells nothing while its store is held."""

    def __init__(self, store: HeldStore, watch: Watch) -> None:
        self._store, self._watch = store, watch

    async def next(self) -> WatchBatch:
        batch = await self._watch.next()
        await self._store.told.wait()
        self._store.check()
        return batch

    def close(self) -> None:
        self._watch.close()


class HeldStore:
    """The store as one server sees it: `told` cleared, it lags; `away` set, nothing answers."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.told = asyncio.Event()
        self.told.set()
        self.away = False
        self.asked: list[str] = []

    def check(self) -> None:
        if self.away:
            raise StorageUnavailable("etcd 127.0.0.1:1: no member answers")

    async def watch(self, prefix: str, *, after: int) -> HeldWatch:
        self.check()
        return HeldWatch(self, await self._store.watch(prefix, after=after))

    async def report(self) -> str:
        return "127.0.0.1:1: held by the test" if self.away else ""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        async def call(*arguments: Any, **named: Any) -> Any:
            self.check()
            self.asked.append(name)
            return await getattr(self._store, name)(*arguments, **named)

        return call


@dataclass
class Member:
    """One of the servers."""

    config: Config
    store: HeldStore
    client: RestClient
    files: RunningServer
    stop: Callable[[], Any]


def config_of(files: RunningServer, number: int) -> Config:
    whole = json.loads(files.config().read_text())
    return Config(
        **{
            **whole,
            "name": f"apiserver-{number}",
            "advertise_address": f"192.168.64.{250 + number}",
            "control_socket": str(files.directory / "control.sock"),
            "journal": str(files.directory / "apiserver.jsonl"),
        }
    )


@asynccontextmanager
async def member(files: RunningServer, store: Store, number: int) -> AsyncIterator[Member]:
    """Run server *number* on *store* inside the block, or until it is stopped."""
    files.directory.mkdir()
    held, config = HeldStore(store), config_of(files, number)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(running(config, held))
        client = RestClient.from_kubeconfig(files.kubeconfig(), user_agent="test")
        stack.push_async_callback(client.close)
        stack.callback(files.disconnect)
        yield Member(config, held, client, files, stack.pop_all().aclose)


@asynccontextmanager
async def members(
    authority: Authority, directory: Path, store: Store, count: int
) -> AsyncIterator[list[Member]]:
    """Start *count* servers at once on *store*."""
    port = free_port()  # One for all, as their list has one port.
    contexts = [
        member(
            RunningServer(
                authority, directory / f"server-{number}", port, address=f"127.0.0.{number}"
            ),
            store,
            number,
        )
        for number in range(1, count + 1)
    ]
    started = await asyncio.gather(*(context.__aenter__() for context in contexts))
    try:
        yield started
    finally:
        for one in started:
            one.store.away = False
            one.store.told.set()
            await one.stop()


async def eventually(look: Callable[[], Any], *, bound_s: float = BOUND_S) -> Any:
    """Look until the answer is true; awaits it when it is a coroutine."""
    async with asyncio.timeout(bound_s):
        while True:
            found = look()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return found
            await asyncio.sleep(0.02)
