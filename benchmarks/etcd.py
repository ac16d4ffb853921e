"""The store over one real etcd, as an API server uses it: one process, one event loop.

etcd writes through to the disk (fsync), so the rate of writes is the disk's as much as ours. Not
measured where no etcd is installed.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import uvloop

from benchmarks.row import Row
from componentbase.tasks import Tasks
from controlplane.storage.interface import Put, Store
from controlplane.storage.open import open_store

_ADDRESS: Final = "127.0.0.96"
_WRITERS, _READERS = 64, 64
_WRITES, _READS, _LISTED, _EVENTS = 6_000, 6_000, 5_000, 500
_VALUE: Final = bytes(1_000)


def run() -> Iterator[Row]:
    """Measure and yield the rows."""
    if shutil.which("etcd") is None:
        yield Row("the store of etcd", "not measured: etcd is not installed")
        return
    with tempfile.TemporaryDirectory() as directory, _etcd(Path(directory)) as endpoint:
        yield from uvloop.run(_measure(endpoint))


@contextmanager
def _etcd(directory: Path) -> Iterator[str]:
    client, peer = (f"http://{_ADDRESS}:{_free_port()}" for _ in range(2))
    command = ["etcd", "--data-dir", str(directory / "data"), "--log-level", "error"]
    command += ["--logger", "zap", "--listen-client-urls", client, "--listen-peer-urls", peer]
    command += ["--advertise-client-urls", client, "--initial-advertise-peer-urls", peer]
    command += ["--initial-cluster", f"default={peer}"]
    with (directory / "log").open("wb") as log, subprocess.Popen(command, stderr=log) as process:
        yield client.removeprefix("http://")
        process.kill()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_ADDRESS, 0))
        return int(probe.getsockname()[1])


async def _measure(endpoint: str) -> list[Row]:
    store = await open_store(store_path="", etcd_endpoints=[endpoint])
    try:
        return [
            await _puts(store),
            await _gets(store),
            await _revisions(store),
            await _list(store),
            await _watch(store),
        ]
    finally:
        await store.close()


async def _rate(count: int, clients: int, work: Callable[[int], Awaitable[object]]) -> str:
    numbers = iter(range(count))

    async def client() -> None:
        for number in numbers:
            await work(number)

    began, computed = time.monotonic(), time.process_time()
    await asyncio.gather(*(client() for _ in range(clients)))
    each_ms = (time.process_time() - computed) / count * 1e3
    return f"{count / (time.monotonic() - began):.0f} /s, {each_ms:.2f} ms of CPU each"


async def _puts(store: Store) -> Row:
    async def put(number: int) -> None:
        assert (await store.txn(Put(f"/registry/b/{number:05}", _VALUE, 0))).succeeded

    return Row(f"creations of 1 kB, {_WRITERS} writers", await _rate(_WRITES, _WRITERS, put))


async def _gets(store: Store) -> Row:
    async def get(number: int) -> None:
        assert await store.get(f"/registry/b/{number:05}") is not None

    return Row(f"linearizable reads, {_READERS} readers", await _rate(_READS, _READERS, get))


async def _revisions(store: Store) -> Row:
    async def ask(_: int) -> None:
        await store.revision()

    rate = await _rate(10 * _READS, _READERS, ask)
    note = "those who ask at once share a question"
    return Row(f"newest revision asked, {_READERS} readers", rate, note=note)


async def _list(store: Store) -> Row:
    began = time.monotonic()
    found = await store.range("/registry/b/", limit=_LISTED)
    assert len(found.items) == _LISTED
    return Row(f"a range of {_LISTED} keys of 1 kB", f"{(time.monotonic() - began) * 1e3:.0f} ms")


async def _watch(store: Store) -> Row:
    """How long after the writer is answered does the watcher know: it may know first."""
    watch = await store.watch("/registry/w/", after=await store.revision())
    seen: dict[int, float] = {}

    async def read() -> None:
        while len(seen) < _EVENTS:
            batch = await watch.next()
            seen.update((event.revision, time.monotonic()) for event in batch.events)

    reading, sent = Tasks().spawn(read(), name="watcher"), dict[int, float]()
    for number in range(_EVENTS):
        began = time.monotonic()
        sent[(await store.txn(Put(f"/registry/w/{number}", _VALUE, 0))).revision] = began
    await reading
    watch.close()
    took_ms = sorted((seen[revision] - began) * 1e3 for revision, began in sent.items())
    p50, p99 = statistics.median(took_ms), took_ms[int(0.99 * len(took_ms))]
    return Row("write sent to event told, one writer", f"p50 {p50:.1f} ms, p99 {p99:.1f} ms")
