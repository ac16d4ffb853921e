"""Sending a watch: at once, in order, and only as fast as the client reads."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import pytest

from componentbase.clock import monotonic
from componentbase.series import Counter
from componentbase.tasks import Tasks
from controlplane.apiserver import keys, watch_cache
from controlplane.apiserver.kinds.kind import Kind
from controlplane.apiserver.negotiation import Accepted
from controlplane.apiserver.registry.watch import WatchRequest, WatchStream
from controlplane.apiserver.rendering import Form
from controlplane.apiserver.selection import parse_selection
from controlplane.apiserver.stored import StoredObject, encode
from controlplane.apiserver.watch_cache import WatchCache
from controlplane.apiserver.watch_sender import WatchSender
from kubeapi.resources import CONFIGMAPS

KIND = Kind(resource=CONFIGMAPS, singular="configmap")
EVERYTHING = parse_selection(KIND, keys.prefix(CONFIGMAPS), {})
STALL_S = 0.05


class Cache:
    """As much of a cacher as a stream asks for."""

    def __init__(self) -> None:
        self.cache, self.frames, self.revision = WatchCache(KIND, 0), None, 0
        self.sent = Counter("sent", "", ("group", "version", "kind"))
        self.terminated = Counter("terminated", "", ("resource",))

    def put(self, name: str, size: int = 0) -> None:
        self.revision += 1
        obj = {"metadata": {"name": name, "namespace": "d"}, "data": {"k": "x" * size}}
        key = keys.key(CONFIGMAPS, "d", name)
        self.cache.put(StoredObject(KIND, key, encode(obj), self.revision))


class Connection:
    """A transport that is full after so many octets, and the flow that says so."""

    def __init__(self, room: int = 1 << 30) -> None:
        self.room, self.written = room, b""
        self.is_full = False
        self.on_room: Callable[[], None] | None = None

    def set_write_buffer_limits(self, high: int) -> None:
        pass

    def is_closing(self) -> bool:
        return False

    def write(self, octets: bytes) -> None:
        self.written += octets
        self.is_full = len(self.written) > self.room

    def read(self) -> list[str]:
        """Take all that was written, as a client that wakes up."""
        events = [json.loads(line) for line in self.written.splitlines()]
        self.written, self.is_full = b"", False
        if self.on_room is not None:
            self.on_room()
        return [f"{e['type']} {e['object']['metadata'].get('name', '')}".strip() for e in events]


def sending(cache: Cache, connection: Connection, **request: object) -> tuple[WatchSender, object]:
    watch = cache.cache.open(EVERYTHING)
    form = Form(kind=KIND, accepted=Accepted(), wall=lambda: 0.0)
    asked = WatchRequest(**{"timeout_s": 60.0, **request})
    stream = WatchStream(cache, form, watch, asked, monotonic())
    return WatchSender(stream, connection, connection, monotonic), watch


@pytest.mark.asyncio
async def test_what_comes_is_written_at_once():
    cache, connection, tasks = Cache(), Connection(), Tasks()
    sender, watch = sending(cache, connection)
    tasks.spawn(sender.run(chunked=False, stall_max_s=STALL_S), name="sender")
    await asyncio.sleep(0)
    cache.put("a")
    cache.put("b")
    watch.on_ready()
    assert connection.read() == ["ADDED a", "ADDED b"]
    await tasks.close()
    assert cache.cache.watches == 0


@pytest.mark.asyncio
async def test_a_full_connection_waits_in_the_queue_and_goes_on_in_order():
    cache, connection, tasks = Cache(), Connection(room=500), Tasks()
    sender, watch = sending(cache, connection)
    tasks.spawn(sender.run(chunked=False, stall_max_s=5.0), name="sender")
    await asyncio.sleep(0)
    seen = []
    for number in range(100):
        cache.put(f"a{number:03}", size=300)
        watch.on_ready()
    assert len(watch.queue) > 50
    while watch.queue or connection.written:
        seen += connection.read()
    assert seen == [f"ADDED a{number:03}" for number in range(100)]
    await tasks.close()


@pytest.mark.asyncio
async def test_who_reads_nothing_while_more_waits_is_given_up():
    cache, connection = Cache(), Connection(room=10)
    sender, _watch = sending(cache, connection)
    cache.put("a", size=10_000)
    cache.put("b", size=10_000)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(sender.run(chunked=False, stall_max_s=STALL_S), 5)
    assert cache.cache.watches == 0


@pytest.mark.asyncio
async def test_who_has_too_much_to_read_is_ended_with_410(monkeypatch):
    monkeypatch.setattr(watch_cache, "QUEUE_OCTETS_MAX", 10_000)
    cache, connection = Cache(), Connection(room=10)
    sender, _watch = sending(cache, connection)
    other = cache.cache.open(EVERYTHING)
    tasks = Tasks()
    task = tasks.spawn(sender.run(chunked=False, stall_max_s=5.0), name="sender")
    cache.put("a")
    await asyncio.sleep(0)
    for number in range(8):
        cache.put(f"b{number}", size=2_000)
        other.queue.clear()
    assert [connection.read(), connection.read()] == [["ADDED a"], ["ERROR"]]
    await asyncio.wait_for(task, 5)
    assert cache.cache.watches == 1  # The other has read, and stays.
    assert not other.failure
    assert cache.terminated.values == {("configmaps",): 1}


@pytest.mark.asyncio
async def test_large_events_go_out_in_chunks_of_http():
    cache, connection = Cache(), Connection()
    sender, _watch = sending(cache, connection, timeout_s=0.05)
    cache.put("a", size=50_000)
    await asyncio.wait_for(sender.run(chunked=True, stall_max_s=5.0), 5)
    left, body = connection.written, b""
    while left:
        size, _, left = left.partition(b"\r\n")
        assert int(size, 16) <= 16 * 1024
        body, left = body + left[: int(size, 16)], left[int(size, 16) + 2 :]
    assert json.loads(body)["object"]["metadata"]["name"] == "a"


@pytest.mark.asyncio
async def test_a_fault_in_one_watch_is_told_to_it_alone(monkeypatch):
    cache, connection, well, tasks = Cache(), Connection(), Connection(), Tasks()
    sender, watch = sending(cache, connection)
    other, healthy = sending(cache, well)
    running = asyncio.gather(sender.run(chunked=False, stall_max_s=5.0), return_exceptions=True)
    tasks.spawn(other.run(chunked=False, stall_max_s=5.0), name="sender")
    await asyncio.sleep(0)
    cache.put("a")
    monkeypatch.setattr(sender._stream, "take", lambda _now: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        watch.tell()
    healthy.tell()
    assert well.read() == ["ADDED a"]
    [ended] = await asyncio.wait_for(running, 5)
    assert isinstance(ended, ConnectionAbortedError)
    await tasks.close()
    assert cache.cache.watches == 0


def frames(stream: WatchStream, now: float) -> list[str]:
    return [json.loads(line)["type"] for line in stream.take(now).splitlines()]


def test_the_bookmark_of_the_start_stands_between_what_was_and_what_comes():
    cache = Cache()
    cache.put("a")
    watch = cache.cache.open(EVERYTHING)
    stored = next(iter(cache.cache.below("/")))
    watch.queue.append(watch_cache.WatchEvent("ADDED", stored))
    form = Form(kind=KIND, accepted=Accepted(), wall=lambda: 0.0)
    asked = WatchRequest(timeout_s=100, initial_bookmark=True, bookmarks=True)
    stream = WatchStream(cache, form, watch, asked, 0.0)
    cache.put("b")
    assert frames(stream, 0.0) == ["ADDED", "BOOKMARK", "ADDED"]


def test_idle_watches_get_bookmarks_and_end_with_one():
    cache = Cache()
    watch = cache.cache.open(EVERYTHING)
    form = Form(kind=KIND, accepted=Accepted(), wall=lambda: 0.0)
    stream = WatchStream(cache, form, watch, WatchRequest(timeout_s=100, bookmarks=True), 0.0)
    assert stream.deadline() == 30
    assert stream.handle_deadline(29.0) == b""
    assert b"BOOKMARK" in stream.handle_deadline(30.0)
    cache.put("a")
    assert frames(stream, 45.0) == ["ADDED"]
    assert stream.deadline() == 75
    assert not stream.ended
    assert b"BOOKMARK" in stream.handle_deadline(100.0)
    assert stream.ended
