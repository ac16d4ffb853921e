"""What waits between who follows the store and who reads."""

from __future__ import annotations

import pytest

from controlplane.storage import watch_queue
from controlplane.storage.interface import Event, StorageUnavailable, WatchLagged
from controlplane.storage.watch_queue import WatchQueue

pytestmark = pytest.mark.asyncio


def event(revision: int) -> Event:
    return Event(revision, "/k", None, None)


async def test_offers_are_told_together_and_once():
    queue = WatchQueue(3, on_end=lambda _: None)
    queue.offer([event(4)], 4)
    queue.offer([], 5)
    queue.offer([event(6)], 6)
    batch = await queue.next()
    assert (batch.revision, batch.events) == (6, [event(4), event(6)])
    queue.offer([], 7)
    batch = await queue.next()
    assert (batch.revision, batch.events) == (7, [])


async def test_it_ends_once_and_says_why():
    ended: list[WatchQueue] = []
    queue = WatchQueue(3, on_end=ended.append)
    queue.offer([event(4)], 4)
    queue.close()
    queue.fail(WatchLagged("too late to matter"))
    with pytest.raises(StorageUnavailable, match="the watch is closed"):
        await queue.next()
    assert ended == [queue]


async def test_more_than_it_holds_is_a_lag(monkeypatch):
    monkeypatch.setattr(watch_queue, "_EVENTS_MAX", 2)
    queue = WatchQueue(0, on_end=lambda _: None)
    queue.offer([event(1), event(2)], 2)
    queue.offer([event(3)], 3)
    with pytest.raises(WatchLagged, match="3 events"):
        await queue.next()
