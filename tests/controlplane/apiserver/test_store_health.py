"""What is noted when a store goes and comes back."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from componentbase import journal
from componentbase.clock import monotonic
from componentbase.journal import Journal
from componentbase.tasks import Tasks
from controlplane.apiserver import store_health
from controlplane.apiserver.store_health import StoreHealth
from controlplane.storage.embedded import EmbeddedStore
from controlplane.storage.interface import StorageUnavailable

pytestmark = pytest.mark.asyncio


class Moody(EmbeddedStore):
    """A store that is away when it is told to be: silent, or with an error."""

    mood = "well"

    async def revision(self) -> int:
        if self.mood == "silent":
            await asyncio.Event().wait()
        if self.mood == "away":
            raise StorageUnavailable("etcd has no quorum")
        return await super().revision()

    async def report(self) -> str:
        return "a:2379: connection refused"


async def until(health: StoreHealth, *, well: bool) -> None:
    async with asyncio.timeout(30):
        while health.is_well is not well:
            await asyncio.sleep(0.005)


@pytest.mark.parametrize(
    ("mood", "error"), [("away", "etcd has no quorum"), ("silent", "no answer in 0.05 s")]
)
async def test_a_lost_store_is_noted_once_with_its_members_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mood: str, error: str
) -> None:
    monkeypatch.setattr(store_health, "_LOOK_S", 0.01)
    monkeypatch.setattr(store_health, "_ANSWER_S", 0.05)
    store = await Moody.open(tmp_path / "podwire.db")
    assert isinstance(store, Moody)
    notes = Journal(str(tmp_path / "journal" / "apiserver.jsonl"), "apiserver")
    health = StoreHealth(store, notes, monotonic)
    tasks = Tasks()
    tasks.spawn(health.run(), name="store health")
    store.mood = mood
    await until(health, well=False)
    await asyncio.sleep(0.2)  # Many looks find the same: that is not told again.
    store.mood = "well"
    await until(health, well=True)
    await tasks.close()
    notes.close()
    await store.close()
    lost, back = journal.read(tmp_path / "journal")
    assert (lost.what, lost.details["error"]) == (
        "store-lost", f"{error} (a:2379: connection refused)"
    )  # fmt: skip
    assert back.what == "store-back"
    assert back.details["away_s"] >= 0.1
