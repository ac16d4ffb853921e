"""The cacher over a real store: what is forgotten, who lags, who waits."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from componentbase.tasks import Tasks
from controlplane.apiserver import keys, watch_cache
from controlplane.apiserver.cacher import Cacher, WriteConflict
from controlplane.apiserver.kinds.kind import Kind
from controlplane.apiserver.negotiation import Accepted
from controlplane.apiserver.registry.pages import parse_page_request, read_page
from controlplane.apiserver.registry.watch import (
    WatchStream,
    open_watch,
    parse_watch_request,
)
from controlplane.apiserver.rendering import Form
from controlplane.apiserver.selection import Selection, parse_selection
from controlplane.apiserver.stored import encode
from controlplane.apiserver.watch_cache import seen_through
from controlplane.storage.embedded import EmbeddedStore
from controlplane.storage.interface import Delete, Put, StorageUnavailable, Store
from kubeapi.resources import CONFIGMAPS, Resource
from kubeapi.status import StatusError

pytestmark = pytest.mark.asyncio

KIND = Kind(resource=CONFIGMAPS, singular="configmap")
ALL = keys.prefix(CONFIGMAPS)
FORM = Form(kind=KIND, accepted=Accepted(), wall=lambda: 0.0)


@pytest_asyncio.fixture
async def store(tmp_path) -> AsyncIterator[Store]:
    opened = await EmbeddedStore.open(tmp_path / "podwire.db")
    yield opened
    await opened.close()


@pytest_asyncio.fixture
async def cacher(store) -> AsyncIterator[Cacher]:
    made, tasks = Cacher((KIND,), store), Tasks()
    await made.load()
    tasks.spawn(made.run(), name="cacher")
    await made.wait_until_fresh()
    yield made
    await tasks.close()


async def put(cacher: Cacher, name: str, expected: int = 0, **labels: str) -> int:
    obj = {"metadata": {"name": name, "namespace": "d", "labels": labels}}
    stored = await cacher.put(KIND, keys.key(CONFIGMAPS, "d", name), obj, expected=expected)
    return stored.revision


def everything() -> Selection:
    return parse_selection(KIND, ALL, {})


async def test_what_was_written_can_be_read_at_once(cacher):
    revision = await put(cacher, "a")
    held = cacher.cache(CONFIGMAPS).get(keys.key(CONFIGMAPS, "d", "a"))
    assert held.object["metadata"]["resourceVersion"] == str(revision)
    assert held.json.startswith(b'{"metadata":{"name":"a"')
    with pytest.raises(WriteConflict) as conflict:
        await put(cacher, "a")
    assert conflict.value.current == revision


async def test_the_stored_octets_have_no_revision(cacher, store):
    await put(cacher, "a")
    held = await store.get(keys.key(CONFIGMAPS, "d", "a"))
    assert b"resourceVersion" not in held.value


async def test_a_copy_may_be_changed(cacher):
    await put(cacher, "a", x="1")
    held = cacher.cache(CONFIGMAPS).get(keys.key(CONFIGMAPS, "d", "a"))
    held.copy()["metadata"]["labels"]["x"] = "2"
    assert held.labels == {"x": "1"}


async def test_history_is_there_after_a_restart(cacher, store):
    first = await put(cacher, "a")
    await put(cacher, "b")
    await cacher.delete(keys.key(CONFIGMAPS, "d", "a"), expected=first)
    again, tasks = Cacher((KIND,), store), Tasks()
    await again.load()
    tasks.spawn(again.run(), name="cacher")
    await again.wait_until_fresh()
    request = parse_watch_request({"resourceVersion": str(first)}, random.Random(1))
    watch = await open_watch(again, FORM, everything(), request)
    assert [event.type for event in watch.queue] == ["ADDED", "DELETED"]
    await tasks.close()


async def test_a_forgotten_revision_is_410(cacher, store, monkeypatch):
    monkeypatch.setattr(watch_cache, "EVENTS_MAX", 3)
    first = await put(cacher, "a0")
    for i in range(1, 6):
        await put(cacher, f"a{i}")
    request = parse_watch_request({"resourceVersion": str(first)}, random.Random(1))
    watch = await open_watch(cacher, FORM, everything(), request)
    stream = WatchStream(cacher, FORM, watch, request, 0.0)
    told = json.loads(stream.take(0.0))
    assert (told["type"], told["object"]["code"], told["object"]["reason"]) == (
        "ERROR",
        410,
        "Expired",
    )
    assert stream.ended
    assert cacher.terminated.values == {}


async def test_large_events_are_forgotten_sooner(cacher, monkeypatch):
    monkeypatch.setattr(watch_cache, "EVENTS_OCTETS_MAX", 500)
    revisions = [await put(cacher, f"a{number}") for number in range(20)]
    cache = cacher.cache(CONFIGMAPS)
    assert revisions[0] < cache.oldest < revisions[-1]
    watch = cache.open(everything())
    cache.replay(watch, cache.oldest)
    assert watch.queue[-1].stored.revision == revisions[-1]
    assert sum(len(event.stored.raw) for event in watch.queue) <= 500


async def test_an_old_continue_token_is_410(cacher, store):
    for i in range(4):
        await put(cacher, f"a{i}")
    page = await read_page(cacher, KIND, everything(), parse_page_request({"limit": "1"}))
    await put(cacher, "a4")
    await store.compact(await store.revision())
    query = {"limit": "1", "continue": page.continue_}
    with pytest.raises(StatusError) as gone:
        await read_page(cacher, KIND, everything(), parse_page_request(query))
    assert (gone.value.code, gone.value.reason) == (410, "Expired")


async def test_a_list_that_is_forgotten_may_go_on_at_the_newest_revision(cacher, store):
    for name in ("a", "b", "c"):
        await put(cacher, name)
    first = await read_page(cacher, KIND, everything(), parse_page_request({"limit": "1"}))
    await put(cacher, "bb")
    await store.compact(await store.revision())
    query = {"limit": "2", "continue": first.continue_}
    with pytest.raises(StatusError) as gone:
        await read_page(cacher, KIND, everything(), parse_page_request(query))
    query["continue"] = gone.value.to_object()["metadata"]["continue"]
    second = await read_page(cacher, KIND, everything(), parse_page_request(query))
    assert second.revision == await store.revision()
    await put(cacher, "ca")  # What comes now is not seen: from here on it is one state again.
    query["continue"] = second.continue_
    third = await read_page(cacher, KIND, everything(), parse_page_request(query))
    found = [item.key.removeprefix(f"{ALL}d/") for item in (*second.items, *third.items)]
    assert found == ["b", "bb", "c"]
    assert third.revision == second.revision


@pytest.mark.parametrize("garbage", [b"", b"garbage", b'{"metadata": {"name": "x"}}', b"\x80"])
async def test_what_somebody_else_put_into_the_store_harms_nobody(cacher, store, garbage, caplog):
    revision = await put(cacher, "a")
    watch = cacher.cache(CONFIGMAPS).open(everything())
    await store.txn(Put(f"{ALL}d/foreign", garbage))
    await put(cacher, "b")
    again = Cacher((KIND,), store)
    await again._load(await store.revision())
    past = await cacher.at_revision(KIND, ALL, "", 0, await store.revision())
    for items in (again.cache(CONFIGMAPS).below(ALL), cacher.cache(CONFIGMAPS).below(ALL), past):
        assert [item.key for item in items] == [f"{ALL}d/a", f"{ALL}d/b"]
    assert "podwire etcdctl del /registry/configmaps/d/foreign" in caplog.text
    await store.txn(Put(f"{ALL}d/a", garbage, revision))  # Who overwrites an object deletes it.
    await store.txn(Delete(f"{ALL}d/foreign"))
    await put(cacher, "c")
    seen = [(event.type, event.stored.key.removeprefix(f"{ALL}d/")) for event in watch.queue]
    assert seen == [("ADDED", "b"), ("DELETED", "a"), ("ADDED", "c")]


async def test_several_keys_may_change_at_one_revision(cacher):
    """As with `etcdctl del --prefix`, or when a lease ends."""
    cache = cacher.cache(CONFIGMAPS)
    before = [await put(cacher, name) for name in ("a", "b")][-1]
    watch = cache.open(everything())
    for name in ("a", "b"):
        cache.delete(keys.key(CONFIGMAPS, "d", name), before + 1)
    later = cache.open(everything())
    cache.replay(later, before)
    for queue in (watch.queue, later.queue):
        assert [event.type for event in queue] == ["DELETED", "DELETED"]


async def test_a_watcher_that_lags_is_ended(cacher, monkeypatch):
    monkeypatch.setattr(watch_cache, "QUEUE_MAX", 2)
    watch = cacher.cache(CONFIGMAPS).open(everything())
    for i in range(3):
        await put(cacher, f"a{i}")
    assert "too slow" in watch.failure
    assert not watch.queue
    assert cacher.cache(CONFIGMAPS).watches == 0


async def test_waiting_for_what_does_not_come_ends(cacher, monkeypatch):
    monkeypatch.setattr("controlplane.apiserver.cacher.FRESH_WAIT_S", 0.01)
    with pytest.raises(TimeoutError):
        await cacher.wait_for(cacher.revision + 1)


async def test_news_that_come_with_the_deadline_are_in_time(cacher, monkeypatch):
    monkeypatch.setattr("controlplane.apiserver.cacher.FRESH_WAIT_S", 0)
    wanted = cacher.revision + 1
    async with asyncio.TaskGroup() as group:
        group.create_task(cacher.wait_for(wanted))
        await asyncio.sleep(0)  # It waits, and its deadline is what the loop does next.
        cacher.revision = wanted


async def test_watching_equals_listing_again_for_any_selector(cacher):
    """Follow a selector through random changes; the followed state is always the listed one."""
    rng, revisions = random.Random(5), {}
    selection = parse_selection(KIND, ALL, {"labelSelector": "x in (1,2)"})
    cache = cacher.cache(CONFIGMAPS)
    watch, followed = cache.open(selection), {}
    for _ in range(300):
        name = f"o{rng.randrange(6)}"
        key = keys.key(CONFIGMAPS, "d", name)
        if name in revisions and rng.random() < 0.3:
            await cacher.delete(key, expected=revisions.pop(name))
        else:
            x = str(rng.randrange(4))
            revisions[name] = await put(cacher, name, revisions.get(name, 0), x=x)
        while watch.queue:
            event = watch.queue.popleft()
            known = event.stored.key in followed
            assert known is (event.type != "ADDED")
            if event.type == "DELETED":
                del followed[event.stored.key]
            else:
                followed[event.stored.key] = event.stored
        listed = {s.key: s for s in cache.below(ALL) if selection.matches(s)}
        assert followed == listed


async def test_frames_of_all_forms_say_the_same(cacher):
    await put(cacher, "a")
    stored = next(iter(cacher.cache(CONFIGMAPS).below(ALL)))
    plain = FORM.frame("ADDED", stored, first=True)
    assert plain == b'{"type":"ADDED","object":' + stored.json + b"}\n"
    change = watch_cache.Change(stored.revision, stored, None, deleted=False)
    event = seen_through(everything(), change)
    assert event is not None
    assert (event.type, event.stored) == ("ADDED", stored)


class BreakingStore:
    """A store whose watch can be broken, and not be opened for a while."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.open = True
        self.watches: list = []

    async def watch(self, prefix: str, *, after: int):
        if not self.open:
            raise StorageUnavailable("away")
        self.watches.append(await self._store.watch(prefix, after=after))
        return self.watches[-1]

    def break_watch(self) -> None:
        self.open = False
        self.watches[-1].fail(StorageUnavailable("the connection broke"))

    def __getattr__(self, name: str):
        return getattr(self._store, name)


@pytest_asyncio.fixture
async def breaking(store) -> AsyncIterator[tuple[BreakingStore, Cacher]]:
    wrapped = BreakingStore(store)
    made, tasks = Cacher((KIND,), wrapped), Tasks()
    await made.load()
    tasks.spawn(made.run(), name="cacher")
    await made.wait_until_fresh()
    yield wrapped, made
    await tasks.close()


async def test_a_broken_watch_goes_on_and_nobody_notices(breaking, cacher):
    wrapped, broken = breaking
    watch = broken.cache(CONFIGMAPS).open(everything())
    first = await put(cacher, "a")
    await broken.wait_for(first)
    wrapped.break_watch()
    revision = await put(cacher, "b")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await broken.wait_for(revision)
    assert not broken.following
    wrapped.open = True
    await broken.wait_for(revision)
    assert [event.stored.revision for event in watch.queue] == [first, revision]
    assert not watch.failure


async def test_what_the_store_forgot_meanwhile_is_read_anew(breaking, cacher, store):
    wrapped, broken = breaking
    first = await put(cacher, "gone")
    await broken.wait_for(first)
    watch = broken.cache(CONFIGMAPS).open(everything())
    wrapped.break_watch()
    await cacher.delete(keys.key(CONFIGMAPS, "d", "gone"), expected=first)
    revision = await put(cacher, "new")
    await store.compact(revision)
    wrapped.open = True
    await broken.wait_for(revision)
    held = [stored.object["metadata"]["name"] for stored in broken.cache(CONFIGMAPS).below(ALL)]
    assert held == ["new"]
    assert watch.failure  # Its client is told 410, and lists again.
    assert broken.cache(CONFIGMAPS).oldest == revision


async def test_a_read_that_cannot_become_fresh_says_so(breaking, cacher, monkeypatch):
    wrapped, broken = breaking
    monkeypatch.setattr("controlplane.apiserver.cacher.FRESH_WAIT_S", 0.05)
    wrapped.break_watch()
    await put(cacher, "a")
    with pytest.raises(StorageUnavailable, match="has told of 1 only"):
        await broken.wait_until_fresh()
    revision = await put(broken, "b")  # Written all the same, and acknowledged.
    assert await wrapped.revision() == revision


WIDGETS = Resource("example.com", "v1", "widgets", "Widget", True, custom=True)
WIDGET = Kind(resource=WIDGETS, singular="widget")


class SlowRange:
    """A store whose ranges wait until they are let go."""

    def __init__(self, store: Store) -> None:
        self._store, self.asked, self.let_go = store, asyncio.Event(), asyncio.Event()

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    async def range(self, *arguments: object, **options: object) -> object:
        found = await self._store.range(*arguments, **options)
        self.asked.set()
        await self.let_go.wait()
        return found


async def put_widget(store: Store, name: str) -> None:
    key = keys.key(WIDGETS, "d", name)
    await store.txn(Put(key, encode({"metadata": {"name": name, "namespace": "d"}}), 0))


async def test_a_kind_that_comes_later_misses_nothing(cacher, store, monkeypatch):
    await put_widget(store, "before")
    await cacher.wait_until_fresh()
    slow = SlowRange(store)
    monkeypatch.setattr(cacher, "_store", slow)
    tasks = Tasks()
    serving = tasks.spawn(cacher.serve(WIDGET), name="serve")
    await slow.asked.wait()
    await put_widget(store, "meanwhile")
    await store.txn(Delete(keys.key(WIDGETS, "d", "before")))
    await cacher.wait_until_fresh()
    slow.let_go.set()
    await serving
    await put_widget(store, "after")
    await cacher.wait_until_fresh()
    held = [stored.object["metadata"]["name"] for stored in cacher.cache(WIDGETS).below(keys.ROOT)]
    assert held == await names_in(store) == ["after", "meanwhile"]


async def names_in(store: Store) -> list[str]:
    found = await store.range(keys.prefix(WIDGETS))
    return [item.key.rpartition("/")[2] for item in found.items]


async def test_a_kind_that_goes_ends_its_watches(cacher):
    await cacher.serve(WIDGET)
    form = Form(kind=WIDGET, accepted=Accepted(), wall=lambda: 0.0)
    selection = parse_selection(WIDGET, keys.prefix(WIDGETS), {})
    asked = parse_watch_request({}, random.Random(1))
    watch = await open_watch(cacher, form, selection, asked)
    cacher.withdraw(WIDGETS)
    cacher.withdraw(WIDGETS)
    assert "not served" in watch.failure
    with pytest.raises(StatusError):
        cacher.cache(WIDGETS)
