"""Work that one API server does for all."""

from __future__ import annotations

import pytest
import pytest_asyncio

from componentbase.tasks import Tasks
from controlplane.apiserver import housekeeping, masters
from controlplane.apiserver.masters import Masters
from controlplane.storage import compaction
from controlplane.storage.embedded import EmbeddedStore
from controlplane.storage.interface import KeyValue, Put, StorageUnavailable

from .several import eventually

pytestmark = pytest.mark.asyncio


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(housekeeping, "_COMPACTION_LOOK_S", 0.01)
    monkeypatch.setattr(housekeeping, "_REPAIR_LOOK_S", 0.01)
    monkeypatch.setattr(compaction, "REVISIONS_MAX", 5)
    monkeypatch.setattr(compaction, "_REVISIONS_KEPT", 3)


@pytest_asyncio.fixture
async def store(tmp_path):
    opened = await EmbeddedStore.open(tmp_path / "podwire.db")
    for number in range(20):
        await opened.txn(Put("/registry/a", b"%d" % number))
    yield opened
    await opened.close()


@pytest_asyncio.fixture
async def tasks():
    made = Tasks()
    yield made
    await made.close()


def known(own):
    made = Masters(own)
    made.load([KeyValue(masters.key(address), b"{}", 1, 1) for address in ("10.0.0.1", "10.0.0.2")])
    return made


class Looking:
    """A store that counts how often somebody looks, and fails when it is told to."""

    def __init__(self, store):
        self._store, self.looks, self.away = store, 0, False

    async def oldest_revision(self):
        self.looks += 1
        if self.away:
            raise StorageUnavailable("away")
        return await self._store.oldest_revision()

    def __getattr__(self, name):
        return getattr(self._store, name)


async def test_only_the_first_compacts(store, tasks, monkeypatch):
    monkeypatch.setattr(housekeeping, "_COMPACTION_REVISIONS", 1)
    second, first = Looking(store), Looking(store)
    tasks.spawn(housekeeping.compact(second, known("10.0.0.2")), name="second")
    await eventually(lambda: second.looks > 2)
    assert await store.oldest_revision() == 1
    first.away = True
    tasks.spawn(housekeeping.compact(first, known("10.0.0.1")), name="first")
    await eventually(lambda: first.looks > 2)
    assert await store.oldest_revision() == 1
    first.away = False  # It goes on where it was.
    await eventually(lambda: _is_compacted(store))
    assert await store.oldest_revision() == await store.revision() - 3


async def _is_compacted(store):
    return await store.oldest_revision() > 1


async def test_little_is_forgotten_rarely(store, tasks):
    looking = Looking(store)
    tasks.spawn(housekeeping.compact(looking, known("10.0.0.1")), name="first")
    await eventually(lambda: looking.looks > 3)
    assert await store.oldest_revision() == 1


async def test_repair_goes_on_over_absences_and_frees_at_the_first_only(tasks):
    asked = []

    class Services:
        async def repair(self, *, may_free):
            asked.append(may_free)
            if len(asked) == 1:
                raise StorageUnavailable("away")

    tasks.spawn(housekeeping.repair_claims(Services(), known("10.0.0.1")), name="first")
    await eventually(lambda: len(asked) > 2)
    assert set(asked) == {True}
    asked.clear()
    await tasks.close()
    tasks.spawn(housekeeping.repair_claims(Services(), known("10.0.0.2")), name="second")
    await eventually(lambda: len(asked) > 2)
    assert set(asked) == {False}
