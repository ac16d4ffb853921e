"""What every store promises, whichever implementation it is (see conftest.STORES)."""

from __future__ import annotations

import asyncio
import random

import pytest

from componentbase.tasks import Tasks
from controlplane.storage.interface import (
    Compacted,
    Delete,
    Event,
    FutureRevision,
    Put,
    StorageUnavailable,
    Store,
)

pytestmark = pytest.mark.asyncio


async def put(store: Store, key: str, value: str, expected: int | None = None) -> int:
    result = await store.txn(Put(key, value.encode(), expected))
    assert result.succeeded
    return result.revision


async def read_until(watch, revision: int) -> list[Event]:
    events: list[Event] = []
    async with asyncio.timeout(5):
        while True:
            batch = await watch.next()
            events += batch.events
            if batch.revision >= revision:
                return events


def shown(events: list[Event]) -> list[tuple[int, str, bytes | None]]:
    return [(e.revision, e.key, e.current and e.current.value) for e in events]


async def test_every_write_gets_the_next_revision(store):
    before = await store.revision()
    revisions = [await put(store, f"/k{i}", "v") for i in range(3)]
    assert revisions == [before + 1, before + 2, before + 3]
    assert await store.revision() == before + 3


async def test_get_shows_value_and_revisions(store):
    created = await put(store, "/k", "one")
    changed = await put(store, "/k", "two")
    held = await store.get("/k")
    assert (held.value, held.create_revision, held.mod_revision) == (b"two", created, changed)
    assert await store.get("/other") is None


async def test_create_of_an_existing_key_fails_and_says_what_is_there(store):
    revision = await put(store, "/k", "one", expected=0)
    result = await store.txn(Put("/k", b"two", expected=0))
    assert not result.succeeded
    assert (result.current.value, result.current.mod_revision) == (b"one", revision)
    assert (await store.get("/k")).value == b"one"


async def test_write_with_an_old_mod_revision_fails(store):
    old = await put(store, "/k", "one")
    new = await put(store, "/k", "two", expected=old)
    for operation in (Put("/k", b"three", old), Delete("/k", old)):
        result = await store.txn(operation)
        assert not result.succeeded
        assert result.current.mod_revision == new


async def test_delete_removes_and_counts_as_a_write(store):
    revision = await put(store, "/k", "v")
    result = await store.txn(Delete("/k", revision))
    assert (result.succeeded, result.revision, result.current) == (True, revision + 1, None)
    assert await store.get("/k") is None


async def test_delete_of_a_missing_key_fails_without_a_revision(store):
    before = await store.revision()
    result = await store.txn(Delete("/missing"))
    assert (result.succeeded, result.current) == (False, None)
    assert await store.revision() == before


async def test_a_key_that_comes_back_has_a_new_create_revision(store):
    await put(store, "/k", "v")
    await store.txn(Delete("/k"))
    revision = await put(store, "/k", "w", expected=0)
    assert (await store.get("/k")).create_revision == revision


async def test_of_many_writers_with_one_expectation_one_wins(store):
    revision = await put(store, "/k", "v")
    results = await asyncio.gather(*(store.txn(Put("/k", b"%d" % i, revision)) for i in range(20)))
    assert [r.succeeded for r in results].count(True) == 1
    winner = next(r for r in results if r.succeeded)
    assert {r.current.mod_revision for r in results} == {winner.revision}


async def test_range_is_ordered_and_keeps_to_the_prefix(store):
    for key in ("/b/2", "/a/1", "/b/1", "/b", "/c/1", "/b/10"):
        await put(store, key, key)
    found = await store.range("/b/")
    assert [item.key for item in found.items] == ["/b/1", "/b/10", "/b/2"]
    assert found.revision == await store.revision()


async def test_range_with_a_limit_says_how_many_remain(store):
    for i in range(5):
        await put(store, f"/k/{i}", "v")
    first = await store.range("/k/", limit=2)
    assert ([i.key for i in first.items], first.remaining) == (["/k/0", "/k/1"], 3)
    rest = await store.range("/k/", start="/k/2", limit=3)
    assert ([i.key for i in rest.items], rest.remaining) == (["/k/2", "/k/3", "/k/4"], 0)


async def test_range_at_a_revision_shows_the_past(store):
    await put(store, "/k/a", "1")
    await put(store, "/k/b", "1")
    then = await store.revision()
    await put(store, "/k/a", "2")
    await store.txn(Delete("/k/b"))
    await put(store, "/k/c", "1")
    past = await store.range("/k/", revision=then)
    assert [(i.key, i.value) for i in past.items] == [("/k/a", b"1"), ("/k/b", b"1")]
    assert past.revision == then
    page = await store.range("/k/", start="/k/b", limit=1, revision=then)
    assert [i.key for i in page.items] == ["/k/b"]


async def test_past_states_equal_a_naive_model(store):
    rng = random.Random(7)
    states: dict[int, dict[str, bytes]] = {}
    model: dict[str, bytes] = {}
    for step in range(200):
        key = f"/k/{rng.randrange(12)}"
        if key in model and rng.random() < 0.4:
            revision = (await store.txn(Delete(key))).revision
            del model[key]
        else:
            revision = await put(store, key, str(step))
            model[key] = str(step).encode()
        states[revision] = dict(model)
    for revision, state in states.items():
        found = await store.range("/k/", revision=revision)
        assert {item.key: item.value for item in found.items} == state


async def test_range_at_a_future_revision_fails(store):
    with pytest.raises(FutureRevision):
        await store.range("/", revision=await store.revision() + 1)


async def test_watch_tells_what_happened_and_what_happens(store):
    before = await store.revision()
    first = await put(store, "/k/a", "1")
    watch = await store.watch("/k/", after=before)
    await put(store, "/other", "x")
    second = await put(store, "/k/a", "2")
    third = (await store.txn(Delete("/k/a"))).revision
    events = await read_until(watch, third)
    assert shown(events) == [(first, "/k/a", b"1"), (second, "/k/a", b"2"), (third, "/k/a", None)]
    assert [e.previous and e.previous.value for e in events] == [None, b"1", b"2"]
    watch.close()


async def test_watch_reports_progress_without_events(store):
    watch = await store.watch("/k/", after=await store.revision())
    revision = await put(store, "/other", "x")
    assert await read_until(watch, revision) == []
    watch.close()


async def test_watch_sees_a_write_before_the_writer_is_answered_or_soon_after(store):
    watch = await store.watch("/", after=await store.revision())
    writes = [Tasks().spawn(put(store, f"/k{i}", "v"), name="put") for i in range(50)]
    revisions = [await write for write in writes]
    events = await read_until(watch, max(revisions))
    assert [e.revision for e in events] == sorted(revisions)
    watch.close()


async def test_a_closed_watch_wakes_its_reader(store):
    watch = await store.watch("/", after=await store.revision())
    reading = Tasks().spawn(watch.next(), name="read")
    await asyncio.sleep(0)
    watch.close()
    with pytest.raises(StorageUnavailable):
        await reading


async def test_compaction_forgets_the_past_and_keeps_the_present(store):
    old = await put(store, "/k/a", "1")
    await put(store, "/k/b", "1")
    await store.txn(Delete("/k/b"))
    kept = await put(store, "/k/a", "2")
    await put(store, "/k/a", "3")
    await store.compact(kept)
    assert await store.oldest_revision() == kept
    found = await store.range("/k/", revision=kept)
    assert [(i.key, i.value) for i in found.items] == [("/k/a", b"2")]
    with pytest.raises(Compacted):
        await store.range("/k/", revision=old)
    with pytest.raises(Compacted):
        await store.watch("/k/", after=old)
    with pytest.raises(Compacted):
        await store.compact(old)
    with pytest.raises(FutureRevision):
        await store.compact(await store.revision() + 1)
    assert (await store.get("/k/a")).value == b"3"


async def test_everything_is_there_after_a_restart(store, reopen):
    await put(store, "/k/a", "1")
    then = await put(store, "/k/b", "1")
    await put(store, "/k/a", "2")
    last = (await store.txn(Delete("/k/b"))).revision
    store = await reopen()
    assert await store.revision() == last
    held = await store.get("/k/a")
    assert (held.value, held.mod_revision) == (b"2", last - 1)
    past = await store.range("/k/", revision=then)
    assert [(i.key, i.value) for i in past.items] == [("/k/a", b"1"), ("/k/b", b"1")]
    watch = await store.watch("/k/", after=then)
    assert shown(await read_until(watch, last)) == [
        (last - 1, "/k/a", b"2"),
        (last, "/k/b", None),
    ]
    assert await put(store, "/k/c", "1") == last + 1
    watch.close()


async def test_revisions_grow_after_a_restart_of_an_emptied_compacted_store(store, reopen):
    await put(store, "/k", "v")
    last = (await store.txn(Delete("/k"))).revision
    await store.compact(last)
    newest = await store.revision()  # A compaction may be a write of the store's own.
    store = await reopen()
    assert await store.revision() == newest
    assert await store.oldest_revision() == last
    with pytest.raises(Compacted):
        await store.watch("/", after=last - 1)
    assert await put(store, "/k", "w") == newest + 1


async def test_a_closed_store_refuses_and_ends_its_watches(store):
    watch = await store.watch("/", after=await store.revision())
    await store.close()
    with pytest.raises(StorageUnavailable):
        await store.txn(Put("/k", b"v"))
    with pytest.raises(StorageUnavailable):
        await watch.next()
