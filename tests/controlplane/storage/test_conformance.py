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
    LeaseNotFound,
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


async def test_a_lease_that_nobody_keeps_alive_takes_its_keys_along(store):
    lease = await store.grant(1)
    watch = await store.watch("/k/", after=await store.revision())
    created = (await store.txn(Put("/k/leased", b"v", 0, lease))).revision
    await put(store, "/k/lasting", "v")
    assert (await store.get("/k/leased")).lease == lease
    events: list[Event] = []
    async with asyncio.timeout(15):
        while len(events) < 3:
            events += (await watch.next()).events
    gone = events[2]
    assert (gone.key, gone.current, gone.previous.mod_revision) == ("/k/leased", None, created)
    assert await store.get("/k/leased") is None
    assert (await store.get("/k/lasting")).lease == 0
    with pytest.raises(LeaseNotFound):
        await store.keep_alive(lease)
    with pytest.raises(LeaseNotFound):
        await store.txn(Put("/k/late", b"v", lease=lease))
    watch.close()


async def test_a_lease_that_is_kept_alive_outlives_its_time(store):
    kept, left = await store.grant(2), await store.grant(2)
    watch = await store.watch("/k/", after=await store.revision())
    await store.txn(Put("/k/kept", b"v", lease=kept))
    await store.txn(Put("/k/left", b"v", lease=left))

    async def keep() -> None:
        while True:
            await store.keep_alive(kept)
            await asyncio.sleep(0.2)

    keeping = Tasks().spawn(keep(), name="keep")
    events: list[Event] = []
    async with asyncio.timeout(15):
        while len(events) < 3:
            events += (await watch.next()).events
    keeping.cancel()
    assert (events[2].key, events[2].current) == ("/k/left", None)
    assert (await store.get("/k/kept")).lease == kept
    await store.keep_alive(kept)
    watch.close()


async def test_a_revoked_lease_ends_at_once(store):
    lease = await store.grant(60)
    for key in ("/k/a", "/k/b", "/k/c"):
        await store.txn(Put(key, b"v", lease=lease))
    await put(store, "/k/b", "no longer leased")
    await store.revoke(lease)
    assert [item.key for item in (await store.range("/k/")).items] == ["/k/b"]
    with pytest.raises(LeaseNotFound):
        await store.revoke(lease)


async def test_two_leases_differ(store):
    first, second = await store.grant(60), await store.grant(60)
    assert first != second
    await store.revoke(first)
    await store.keep_alive(second)
    await store.revoke(second)


async def test_a_lease_outlives_a_restart_and_then_expires(store, reopen):
    lease = await store.grant(2)
    before = (await store.txn(Put("/k/leased", b"v", 0, lease))).revision
    store = await reopen()
    watch = await store.watch("/k/", after=before)
    assert (await store.get("/k/leased")).lease == lease
    async with asyncio.timeout(15):
        events = []
        while not events:
            events = (await watch.next()).events
    assert (events[0].key, events[0].current) == ("/k/leased", None)
    watch.close()


@pytest.mark.parametrize("key", ["/k/ünï", "/k/日本", "/k/𐍈", "/k/ ", "/k/a/b", "/k/%2F\\"])
async def test_keys_are_any_text(store, key):
    watch = await store.watch("/k/", after=await store.revision())
    revision = await put(store, key, "v")
    assert (await store.get(key)).mod_revision == revision
    assert [item.key for item in (await store.range("/k/")).items] == [key]
    assert [item.key for item in (await store.range(key)).items] == [key]
    assert [event.key for event in await read_until(watch, revision)] == [key]
    watch.close()


async def test_unicode_keys_sort_by_code_point(store):
    keys = sorted(["/k/z", "/k/é", "/k/￿", "/k/𐍈", "/k/日"])
    for key in reversed(keys):
        await put(store, key, "v")
    assert [item.key for item in (await store.range("/k/")).items] == keys
    page = await store.range("/k/", start="/k/日", limit=2)
    assert [item.key for item in page.items] == ["/k/日", "/k/￿"]


async def test_the_empty_prefix_is_everything(store):
    watch = await store.watch("", after=await store.revision())
    for key in ("a", "/k", "￿"):
        await put(store, key, "v")
    found = {item.key for item in (await store.range("")).items}
    assert {"a", "/k", "￿"} <= found
    events = await read_until(watch, await store.revision())
    assert [event.key for event in events] == ["a", "/k", "￿"]
    watch.close()


async def test_a_range_of_many_keys_is_one_state(store):
    """More than a page, while somebody writes."""
    for start in range(0, 1_300, 100):
        await asyncio.gather(*(put(store, f"/k/{i:04}", "0") for i in range(start, start + 100)))
    stopped = False

    async def churn() -> None:
        for i in range(10_000):
            await put(store, f"/k/{i % 1_300:04}", str(i + 1))
            await put(store, f"/k/new/{i:04}", "v")
            if stopped:
                return

    writing = Tasks().spawn(churn(), name="churn")
    found = await store.range("/k/")
    limited = await store.range("/k/", limit=1_100, revision=found.revision)
    stopped = True
    await writing
    again = await store.range("/k/", revision=found.revision)
    assert again.items == found.items
    assert len(found.items) >= 1_300
    assert limited.items == found.items[:1_100]
    assert (found.remaining, limited.remaining) == (0, len(found.items) - 1_100)
    assert max(item.mod_revision for item in found.items) <= found.revision


async def test_values_of_a_megabyte_come_back_whole(store):
    values = [random.Random(i).randbytes(1_000_000) for i in range(8)]
    watch = await store.watch("/k/", after=await store.revision())
    for i, value in enumerate(values):
        last = (await store.txn(Put(f"/k/{i}", value))).revision
    assert [item.value for item in (await store.range("/k/")).items] == values
    assert [event.current.value for event in await read_until(watch, last)] == values
    watch.close()


async def test_an_empty_value_is_a_value(store):
    revision = await put(store, "/k", "")
    assert (await store.get("/k")).value == b""
    assert (await store.txn(Put("/k", b"", revision))).succeeded


async def test_an_update_keeps_the_create_revision(store):
    created = await put(store, "/k", "one", expected=0)
    result = await store.txn(Put("/k", b"two", created))
    assert result.current.create_revision == created
    assert result.current == await store.get("/k")


async def test_a_delete_that_expects_nothing_there_does_nothing(store):
    revision = await put(store, "/k", "v")
    result = await store.txn(Delete("/k", 0))
    assert not result.succeeded
    assert result.current.mod_revision == revision


async def test_counters_that_many_writers_share_lose_no_increment(store):
    async def increment(times: int) -> None:
        done = 0
        while done < times:
            held = await store.get("/k/counter")
            number, expected = (int(held.value), held.mod_revision) if held else (0, 0)
            result = await store.txn(Put("/k/counter", str(number + 1).encode(), expected))
            done += result.succeeded

    await asyncio.gather(*(increment(5) for _ in range(8)))
    assert (await store.get("/k/counter")).value == b"40"


async def test_concurrent_writes_are_told_once_each_in_order(store):
    """Watchers that come at any time replay to the same state."""
    before = await store.revision()
    written: dict[str, int] = {}

    async def write(worker: int) -> None:
        for i in range(40):
            key = f"/k/{worker}/{i % 7}"
            written[key] = await put(store, key, str(i))

    early = await store.watch("/k/", after=before)
    await asyncio.gather(*(write(worker) for worker in range(6)))
    newest = await store.revision()
    for watch in (early, await store.watch("/k/", after=before)):
        events = await read_until(watch, newest)
        revisions = [event.revision for event in events]
        assert len(revisions) == 240
        assert revisions == sorted(set(revisions))
        assert {e.key: e.revision for e in events} == written
        watch.close()


async def test_a_watch_resumes_where_it_was_told_to(store):
    revisions = [await put(store, f"/k/{i}", "v") for i in range(10)]
    for told in (revisions[0], revisions[4], revisions[9]):
        watch = await store.watch("/k/", after=told)
        revisions.append(await put(store, "/k/last", str(told)))
        events = await read_until(watch, revisions[-1])
        assert [event.revision for event in events] == [r for r in revisions if r > told]
        watch.close()


async def test_a_watch_from_the_future_is_refused(store):
    newest = await store.revision()
    with pytest.raises(FutureRevision) as caught:
        await store.watch("/", after=newest + 5)
    assert (caught.value.asked, caught.value.newest) == (newest + 5, newest)


async def test_errors_of_compaction_name_the_revisions(store):
    old = await put(store, "/k", "1")
    await put(store, "/k", "2")
    kept = await put(store, "/k", "3")
    await store.compact(kept)
    with pytest.raises(Compacted) as caught:
        await store.range("/k", revision=old)
    assert (caught.value.asked, caught.value.oldest) == (old, kept)
    with pytest.raises(Compacted) as caught:
        await store.watch("/k", after=old)
    assert (caught.value.asked, caught.value.oldest) == (old, kept)
    await store.compact(kept)  # Nothing is left to forget: no error.


async def test_an_open_watch_survives_compaction(store):
    watch = await store.watch("/k", after=await store.revision())
    first = await put(store, "/k", "1")
    second = await put(store, "/k", "2")
    assert shown(await read_until(watch, second))[-1] == (second, "/k", b"2")
    await store.compact(second)
    third = await put(store, "/k", "3")
    events = await read_until(watch, third)
    assert shown(events) == [(third, "/k", b"3")]
    assert events[0].previous.mod_revision == second > first
    watch.close()


async def test_a_waiter_for_the_newest_revision_is_served_though_nothing_of_its_own_happens(store):
    """What an API server does before a consistent read (cacher.wait_until_fresh)."""
    watch = await store.watch("/registry/", after=await store.revision())
    for i in range(5):
        await put(store, f"/elsewhere/{i}", "v")
        assert await read_until(watch, await store.revision()) == []
    told = await store.revision()
    await store.compact(told)
    newest = await store.revision()
    assert newest == told or await read_until(watch, newest) == []
    watch.close()


async def test_many_ask_for_the_newest_revision_at_once(store):
    async def write_and_ask(i: int) -> None:
        written = await put(store, f"/k/{i}", "v")
        assert await store.revision() >= written

    await asyncio.gather(*(write_and_ask(i) for i in range(50)))
