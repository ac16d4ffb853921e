"""What can happen to the embedded store's file and its process."""

from __future__ import annotations

import asyncio
import random
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from componentbase.tasks import Tasks
from controlplane.storage import sqlite_log, watch_queue
from controlplane.storage.embedded import EmbeddedStore
from controlplane.storage.interface import (
    Delete,
    Put,
    StorageDamaged,
    StorageError,
    StorageFull,
    StorageInUse,
    StorageUnavailable,
    WatchLagged,
)
from controlplane.storage.sqlite_log import SqliteLog

pytestmark = pytest.mark.asyncio


def output_of(code: str, path: Path) -> str:
    command = [sys.executable, "-c", code, str(path)]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout


async def test_a_second_process_is_refused(tmp_path: Path):
    path = tmp_path / "podwire.db"
    store = await EmbeddedStore.open(path)
    code = (
        "import asyncio, sys; from pathlib import Path\n"
        "from controlplane.storage.embedded import EmbeddedStore\n"
        "from controlplane.storage.interface import StorageInUse\n"
        "try: asyncio.run(EmbeddedStore.open(Path(sys.argv[1])))\n"
        "except StorageInUse as error: print(error)\n"
    )
    assert f"store {path}: another process uses it" in output_of(code, path)
    await store.close()


async def test_a_second_store_in_the_same_process_is_refused(tmp_path: Path):
    store = await EmbeddedStore.open(tmp_path / "podwire.db")
    with pytest.raises(StorageInUse):
        await EmbeddedStore.open(tmp_path / "podwire.db")
    await store.close()


async def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path):
    path = tmp_path / "podwire.db"
    path.write_bytes(b"this is no database" * 1000)
    with pytest.raises(StorageDamaged, match="not a database"):
        await EmbeddedStore.open(path)
    assert path.read_bytes() == b"this is no database" * 1000


async def test_another_programs_database_is_refused(tmp_path: Path):
    path = tmp_path / "podwire.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE theirs (x)")
    database.close()
    with pytest.raises(StorageDamaged, match="another program's database"):
        await EmbeddedStore.open(path)


async def test_a_damaged_database_is_refused(tmp_path: Path):
    path = tmp_path / "podwire.db"
    store = await EmbeddedStore.open(path)
    for i in range(200):
        await store.txn(Put(f"/k/{i}", b"x" * 500))
    await store.close()
    octets = bytearray(path.read_bytes())
    octets[4096 * 3 : 4096 * 8] = b"\xa5" * (4096 * 5)
    path.write_bytes(octets)
    with pytest.raises(StorageDamaged, match="damaged"):
        await EmbeddedStore.open(path)


async def test_a_directory_that_is_missing_is_said_so(tmp_path: Path):
    with pytest.raises(StorageUnavailable, match="cannot be opened"):
        await EmbeddedStore.open(tmp_path / "missing" / "podwire.db")


async def test_a_full_disk_refuses_writes_and_loses_nothing(tmp_path: Path):
    path = tmp_path / "podwire.db"
    log = SqliteLog(path)
    store = EmbeddedStore(log, log.load())
    kept = await store.txn(Put("/kept", b"v"))
    limit = log._database.execute("PRAGMA page_count").fetchone()[0] + 8
    log._database.execute(f"PRAGMA max_page_count={limit}")
    results = await asyncio.gather(
        *(store.txn(Put(f"/big/{i}", b"x" * 50_000)) for i in range(20)), return_exceptions=True
    )
    refused = [r for r in results if isinstance(r, StorageFull)]
    assert refused
    assert "the disk is full" in str(refused[0])
    written = {f"/big/{i}" for i, r in enumerate(results) if not isinstance(r, BaseException)}
    found = await store.range("/big/")
    assert {item.key for item in found.items} == written
    assert (await store.get("/kept")).mod_revision == kept.revision
    log._database.execute("PRAGMA max_page_count=1000000")
    after = await store.txn(Put("/after", b"v"))
    assert after.succeeded
    assert after.revision == await store.revision()
    await store.close()
    again = await EmbeddedStore.open(path)
    assert {item.key for item in (await again.range("/big/")).items} == written
    assert await again.revision() == after.revision
    await again.close()


async def test_what_was_decided_on_a_lost_write_is_lost_too(tmp_path: Path):
    """The n-th commit fails, for several n: acknowledged and stored are the same set."""
    for failing in range(4):
        path = tmp_path / f"{failing}.db"
        log = SqliteLog(path)
        store = EmbeddedStore(log, log.load())
        append, count = log.append, 0

        def flaky(rows, append=append, failing=failing):
            nonlocal count
            count += 1
            if count == failing + 1:
                raise StorageFull("the disk is full")
            append(rows)

        log.append = flaky
        acknowledged: dict[str, bytes] = {}

        async def write(i: int, store=store, acknowledged=acknowledged) -> None:
            key, value = f"/k/{i % 5}", str(i).encode()
            try:
                await store.txn(Put(key, value))
            except StorageError:
                return
            acknowledged[key] = value

        for start in range(0, 30, 10):
            await asyncio.gather(*(write(i) for i in range(start, start + 10)))
        await store.close()
        again = await EmbeddedStore.open(path)
        held = {item.key: item.value for item in (await again.range("/k/")).items}
        assert held == acknowledged
        await again.close()


async def test_a_cancelled_writer_disturbs_nobody(tmp_path: Path):
    store = await EmbeddedStore.open(tmp_path / "podwire.db")
    first = Tasks().spawn(store.txn(Put("/k", b"1")), name="first")
    second = Tasks().spawn(store.txn(Put("/k", b"2", expected=0)), name="second")
    await asyncio.sleep(0)
    first.cancel()
    result = await second
    assert not result.succeeded
    assert result.current.value == b"1"
    await store.close()


async def test_a_watcher_that_does_not_read_is_told_so(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(watch_queue, "_EVENTS_MAX", 10)
    store = await EmbeddedStore.open(tmp_path / "podwire.db")
    watch = await store.watch("/", after=await store.revision())
    for i in range(11):
        await store.txn(Put(f"/k{i}", b"v"))
    with pytest.raises(WatchLagged):
        await watch.next()
    await store.close()


async def test_the_weight_of_the_past_is_known_and_compacted_away(tmp_path: Path):
    store = await EmbeddedStore.open(tmp_path / "podwire.db")
    await store.txn(Put("/k", b"one"))
    last = (await store.txn(Put("/k", b"three"))).revision
    assert await store.history_octets() == 8
    await store.compact(last)
    assert await store.history_octets() == 0
    await store.close()


async def test_compaction_shrinks_the_log(tmp_path: Path):
    path = tmp_path / "podwire.db"
    store = await EmbeddedStore.open(path)
    for i in range(100):
        await store.txn(Put("/k", b"%d" % i))
    await store.txn(Put("/gone", b"v"))
    await store.txn(Delete("/gone"))
    await store.compact(await store.revision())
    await store.close()
    with sqlite3.connect(path) as database:
        rows = database.execute("SELECT key FROM log").fetchall()
    database.close()
    assert rows == [("/k",)]


async def test_an_unknown_layout_is_refused(tmp_path: Path):
    path = tmp_path / "podwire.db"
    await (await EmbeddedStore.open(path)).close()
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version=9")
    database.close()
    with pytest.raises(StorageDamaged, match=f"layout is 9, ours is {sqlite_log._LAYOUT}"):
        await EmbeddedStore.open(path)


async def test_a_database_from_before_leases_is_brought_up_to_date(tmp_path: Path):
    path = tmp_path / "podwire.db"
    with sqlite3.connect(path) as database:
        for statement in sqlite_log._CREATE.split(";"):
            database.execute(statement)
        database.execute("INSERT INTO compaction VALUES (1)")
        database.execute("INSERT INTO log VALUES (2, '/k', 2, 0, 'v')")
        database.execute(f"PRAGMA application_id={sqlite_log._APPLICATION}")
        database.execute("PRAGMA user_version=1")
    database.close()
    store = await EmbeddedStore.open(path)
    assert (await store.get("/k")).lease == 0
    lease = await store.grant(60)
    await store.txn(Put("/k", b"w", lease=lease))
    await store.close()
    again = await EmbeddedStore.open(path)
    assert (await again.get("/k")).lease == lease
    await again.close()


async def test_keys_with_their_group_are_brought_up_to_date(tmp_path: Path):
    path = tmp_path / "podwire.db"
    old_and_new = {
        "/registry/core/pods/default/web-1": "/registry/pods/default/web-1",
        "/registry/core/nodes/node-1": "/registry/nodes/node-1",
        "/registry/apps/deployments/apps/web": "/registry/deployments/apps/web",
        "/registry/coordination.k8s.io/leases/a/b": "/registry/leases/a/b",
        "/registry/discovery.k8s.io/endpointslices/a/b": "/registry/endpointslices/a/b",
        "/registry/configmaps/core/apps": "/registry/configmaps/core/apps",
        "/elsewhere/core/x": "/elsewhere/core/x",
    }
    store = await EmbeddedStore.open(path)
    oldest = await store.revision()
    for old in old_and_new:
        await store.txn(Put(old, old.encode()))
    await store.txn(Delete("/registry/core/nodes/node-1"))
    await store.close()
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version=2")
    database.close()
    store = await EmbeddedStore.open(path)
    held = {item.key: item.value.decode() for item in (await store.range("/")).items}
    del old_and_new["/registry/core/nodes/node-1"]
    assert held == {new: old for old, new in old_and_new.items()}
    watch = await store.watch("/registry/nodes/", after=oldest)
    events = (await watch.next()).events
    assert [(event.key, event.current is None) for event in events] == [
        ("/registry/nodes/node-1", False),
        ("/registry/nodes/node-1", True),
    ]
    watch.close()
    await store.close()
    again = await EmbeddedStore.open(path)  # What was brought up to date stays as it is.
    assert len((await again.range("/")).items) == len(old_and_new)
    await again.close()


_WRITER = """
import asyncio, sys
from pathlib import Path
from controlplane.storage.embedded import EmbeddedStore
from controlplane.storage.interface import Put

async def write(store, worker):
    number = 0
    while True:
        result = await store.txn(Put(f"/k/{worker}/{number % 7}", b"%d" % number))
        print(worker, number % 7, number, result.revision, flush=True)
        number += 1

async def main():
    store = await EmbeddedStore.open(Path(sys.argv[1]))
    print("ready", flush=True)
    await asyncio.gather(*(write(store, worker) for worker in range(8)))

asyncio.run(main())
"""


def lines_of_a_killed_writer(path: Path, wanted: int) -> list[str]:
    """Start writers, kill them after *wanted* acknowledgements, return all that came out."""
    command = [sys.executable, "-c", _WRITER, str(path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    lines = [process.stdout.readline() for _ in range(wanted)]
    process.send_signal(signal.SIGKILL)
    lines += process.stdout.readlines()
    process.stdout.close()
    process.wait(10)
    return lines


async def test_sigkill_loses_nothing_that_was_acknowledged(tmp_path: Path):
    path, rng = tmp_path / "podwire.db", random.Random(11)
    newest: dict[str, tuple[int, int]] = {}
    for _ in range(4):
        lines = lines_of_a_killed_writer(path, rng.randrange(20, 400))
        for line in lines:
            if line.endswith("\n"):
                worker, slot, number, revision = map(int, line.split())
                newest[f"/k/{worker}/{slot}"] = (revision, number)
        store = await EmbeddedStore.open(path)
        for key, (revision, number) in newest.items():
            held = await store.get(key)
            # What was written later and not heard of may be there too.
            assert held.mod_revision >= revision
            if held.mod_revision == revision:
                assert held.value == b"%d" % number
        assert await store.revision() >= max(revision for revision, _ in newest.values())
        await store.close()
