"""What can happen between an API server and etcd: deaths, lost answers, foreign data, limits."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from componentbase.tasks import Tasks
from controlplane.storage.etcd import mark, members
from controlplane.storage.etcd.members import STATUS, TXN, Member
from controlplane.storage.etcd.refusal import Kind, Refusal
from controlplane.storage.etcd.rpc_pb2 import StatusRequest
from controlplane.storage.etcd.store import EtcdStore
from controlplane.storage.interface import (
    Delete,
    Event,
    Put,
    StorageDamaged,
    StorageDenied,
    StorageError,
    StorageForeign,
    StorageFull,
    StorageUnavailable,
    ValueTooLarge,
)

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(90)]

_WRITERS = 6
#: On a busy machine etcd takes its time to start.
START_S = 30.0


@asynccontextmanager
async def opened(endpoints: list[str], **options: str) -> AsyncIterator[EtcdStore]:
    store = await EtcdStore.open(endpoints, patience_s=START_S, **options)
    try:
        yield store
    finally:
        await store.close()


async def leader_of(store: EtcdStore) -> int:
    """Return which of the store's members leads."""
    async with asyncio.timeout(20):
        while True:
            for index, member in enumerate(store._members._members):
                try:
                    status = await member.call(STATUS, StatusRequest(), 1.0)
                except Refusal:
                    continue
                if status.leader == status.header.member_id:
                    return index
            await asyncio.sleep(0.05)


class Stream:
    """Writers that never stop, and a watch that must see each of their writes once."""

    def __init__(self, store: EtcdStore) -> None:
        self.store, self.acknowledged = store, dict[int, tuple[str, bytes]]()
        self.events: list[Event] = []
        self.failures: list[StorageError] = []
        self._stopped = False

    async def write(self, worker: int) -> None:
        number, expected = 0, 0
        while not self._stopped:
            key, value = f"/k/{worker}", f"{worker}.{number}".encode()
            result = await self.store.txn(Put(key, value, expected))
            assert result.succeeded, f"{key} is nobody else's"
            self.acknowledged[result.revision] = (key, value)
            number, expected = number + 1, result.revision

    async def watch(self, after: int) -> None:
        watch = await self.store.watch("/k/", after=after)
        while True:
            batch = await watch.next()
            self.events += batch.events

    async def more(self, count: int) -> None:
        """Wait for further acknowledgements."""
        wanted = len(self.acknowledged) + count
        async with asyncio.timeout(20):
            while len(self.acknowledged) < wanted:
                await asyncio.sleep(0.01)

    async def run(self, disturb: Callable[[Stream], object]) -> None:
        before, tasks = await self.store.revision(), Tasks()
        watching = tasks.spawn(self.watch(before), name="watch")
        writing = [tasks.spawn(self.write(i), name="write") for i in range(_WRITERS)]
        await self.more(50)
        await disturb(self)
        self._stopped = True
        await asyncio.gather(*writing)
        newest = max(self.acknowledged)
        async with asyncio.timeout(20):
            while not self.events or self.events[-1].revision < newest:
                assert not watching.done()
                await asyncio.sleep(0.01)
        await tasks.close()
        told = [(e.revision, (e.key, e.current.value)) for e in self.events]
        # Every acknowledged write, and nothing else: a writer goes on only when it is certain.
        assert told == sorted(self.acknowledged.items())
        held = {i.key: i.value for i in (await self.store.range("/k/")).items}
        assert held == dict(self.acknowledged[r] for r in sorted(self.acknowledged))


@pytest.mark.parametrize("victim", ["leader", "follower"])
async def test_a_killed_member_costs_no_write_and_no_event(make_etcd, victim):
    etcd = make_etcd(3)
    async with opened(etcd.endpoints) as store:
        leader = await leader_of(store)

        async def kill_and_return(stream: Stream) -> None:
            # The one that is asked is the one that dies: the harder case for both roles.
            index = leader if victim == "leader" else (leader + 1) % 3
            store._members.current = store._members._members[index]
            await stream.more(20)
            etcd.members[index].kill()
            await stream.more(200)
            etcd.members[index].start(etcd.members)
            await stream.more(50)

        await Stream(store).run(kill_and_return)


async def test_a_frozen_member_costs_no_write_and_no_event(make_etcd, monkeypatch):
    monkeypatch.setattr(members, "CALL_S", 0.7)
    etcd = make_etcd(3)
    async with opened(etcd.endpoints) as store:
        leader = await leader_of(store)

        async def freeze(stream: Stream) -> None:
            store._members.current = store._members._members[leader]
            await stream.more(20)
            etcd.members[leader].process.send_signal(signal.SIGSTOP)
            await stream.more(200)
            etcd.members[leader].process.send_signal(signal.SIGCONT)
            await stream.more(100)

        await Stream(store).run(freeze)


async def test_a_watch_that_nobody_waits_for_leaves_a_frozen_member(make_etcd):
    etcd = make_etcd(3)
    async with opened(etcd.endpoints) as store:
        watch = await store.watch("/k", after=await store.revision())
        await store.txn(Put("/k", b"seen"))
        assert (await watch.next()).events[0].current.value == b"seen"
        frozen = etcd.endpoints.index(store._members.current.endpoint)
        others = [e for e in etcd.endpoints if e != store._members.current.endpoint]
        async with opened(others) as other:
            etcd.members[frozen].process.send_signal(signal.SIGSTOP)
            await other.txn(Put("/k", b"unseen"))
            async with asyncio.timeout(20):
                assert (await watch.next()).events[0].current.value == b"unseen"


async def test_a_lost_quorum_refuses_with_a_reason_and_heals(make_etcd):
    etcd = make_etcd(3)
    async with opened(etcd.endpoints) as store:
        store._members._patience_s = 1.0  # The members have started: no need to be patient.
        watch = await store.watch("/k/", after=await store.revision())
        await store.txn(Put("/k/before", b"v"))
        for member in etcd.members[1:]:
            member.kill()
        with pytest.raises(StorageUnavailable, match="has no quorum: 1 of 3 members answers"):
            await store.txn(Put("/k/refused", b"v", 0))
        report = await store.report()
        assert all(f"{endpoint}: " in report for endpoint in etcd.endpoints)
        assert report.count("refused") == 2
        with pytest.raises(StorageUnavailable):
            await store.revision()
        etcd.members[1].start(etcd.members)
        async with asyncio.timeout(30):
            while True:
                try:
                    after = await store.txn(Put("/k/after", b"v"))
                    break
                except StorageUnavailable:
                    pass
        seen: list[str] = []
        async with asyncio.timeout(10):
            while "/k/after" not in seen:
                seen += [event.key for event in (await watch.next()).events]
        assert seen[0] == "/k/before"
        assert len(seen) == len(set(seen))
        assert after.succeeded


async def test_nobody_there_is_said_so():
    with pytest.raises(StorageUnavailable, match=r"127\.0\.0\.1:1 does not answer: .*refused"):
        await EtcdStore.open(["127.0.0.1:1"], patience_s=0.3)


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:2379", "127.0.0.1", ":2379", "a:b"])
async def test_what_is_no_endpoint_is_refused(endpoint):
    with pytest.raises(StorageError, match="give HOST:PORT"):
        await EtcdStore.open([endpoint])


class Lossy:
    """Lets calls through to a member and loses what the test says."""

    def __init__(self, member: Member, monkeypatch: pytest.MonkeyPatch) -> None:
        self.lost: list[str] = []
        self._call = member.call
        monkeypatch.setattr(type(member), "call", self._lossy)

    async def _lossy(self, method, request, timeout_s):
        loses = method is TXN and self.lost
        what = self.lost.pop(0) if loses else ""
        if what == "request":
            raise Refusal(Kind.IN_DOUBT, "lost")
        answer = await self._call(method, request, timeout_s)
        if what == "answer":
            raise Refusal(Kind.IN_DOUBT, "lost")
        return answer


@pytest.mark.parametrize(
    "lost", [["answer"], ["request"], ["answer", "answer"], ["request", "answer"]]
)
async def test_a_write_whose_answer_is_lost_happens_once_and_is_known(
    shared_etcd, monkeypatch, lost
):
    async with opened(shared_etcd.endpoints) as store:
        key = f"/doubt/{len(lost)}{lost[0]}"
        await store.txn(Delete(key))
        network = Lossy(store._members.current, monkeypatch)
        watch = await store.watch(key, after=await store.revision())
        network.lost = list(lost)
        created = await store.txn(Put(key, b"one", 0))
        network.lost = list(lost)
        updated = await store.txn(Put(key, b"two", created.revision))
        network.lost = list(lost)
        deleted = await store.txn(Delete(key, updated.revision))
        assert created.succeeded
        assert updated.succeeded
        assert updated.current.create_revision == created.revision
        assert deleted.succeeded
        events: list[Event] = []
        while len(events) < 3:
            events += (await watch.next()).events
        told = [event.revision for event in events]
        assert told == [created.revision, updated.revision, deleted.revision]


async def test_a_write_that_stays_in_doubt_is_said_to_be(shared_etcd, monkeypatch):
    async with opened(shared_etcd.endpoints) as store:
        store._members._patience_s = 0.2
        Lossy(store._members.current, monkeypatch).lost = ["answer"] * 100
        with pytest.raises(StorageUnavailable, match="whether /doubt/on was written is not known"):
            await store.txn(Put("/doubt/on", b"v", 0))
        assert (await store.get("/doubt/on")).value == b"v"


async def test_a_lost_request_that_somebody_else_overtakes_is_a_conflict(shared_etcd, monkeypatch):
    async with opened(shared_etcd.endpoints) as store, opened(shared_etcd.endpoints) as other:
        base = await store.txn(Put("/doubt/race", b"base"))
        network = Lossy(store._members.current, monkeypatch)
        theirs = await other.txn(Put("/doubt/race", b"theirs", base.revision))
        network.lost = ["request"]
        result = await store.txn(Put("/doubt/race", b"ours", base.revision))
        assert not result.succeeded
        assert result.current.mod_revision == theirs.revision


async def test_an_answer_that_is_lost_before_somebody_overwrites_it_is_still_found(
    shared_etcd, monkeypatch
):
    async with opened(shared_etcd.endpoints) as store, opened(shared_etcd.endpoints) as other:
        base = await store.txn(Put("/doubt/over", b"base"))
        network = Lossy(store._members.current, monkeypatch)
        call = network._call

        async def then_overwritten(method, request, timeout_s):
            answer = await call(method, request, timeout_s)
            network._call = call
            await other.txn(Put("/doubt/over", b"theirs"))
            return answer

        network._call = then_overwritten
        network.lost = ["answer"]
        result = await store.txn(Put("/doubt/over", b"ours", base.revision))
        assert result.succeeded
        assert (await store.get("/doubt/over")).value == b"theirs"
        assert (await store.get("/doubt/over")).mod_revision > result.revision


async def test_three_that_start_at_once_mark_an_empty_etcd_once(make_etcd):
    etcd = make_etcd()
    stores = await asyncio.gather(
        *(
            EtcdStore.open(
                etcd.endpoints, cluster_uid="u-1", cluster_name="lab", patience_s=START_S
            )
            for _ in range(3)
        )
    )
    held = await stores[0].get(mark.KEY.decode())
    assert held.value == b'{"name":"lab","uid":"u-1"}'
    assert held.create_revision == held.mod_revision
    for store in stores:
        await store.close()


async def test_another_clusters_etcd_is_refused(make_etcd):
    etcd = make_etcd()
    async with opened(etcd.endpoints, cluster_uid="u-1", cluster_name="first"):
        with pytest.raises(StorageForeign, match=r"belongs to cluster 'first'.*not to 'second'"):
            await EtcdStore.open(etcd.endpoints, cluster_uid="u-2", cluster_name="second")
    async with opened(etcd.endpoints, cluster_uid="u-1", cluster_name="first") as store:
        assert [item.key for item in (await store.range("")).items] == [mark.KEY.decode()]


async def test_an_etcd_with_objects_of_nobody_is_refused_and_left_alone(make_etcd):
    etcd = make_etcd()
    async with opened(etcd.endpoints) as store:
        await store.txn(Put("/registry/pods/default/a", b"k8s\0\n\x0c\n\x02v1"))
        await store.txn(Delete(mark.KEY.decode()))
        before = await store.revision()
        with pytest.raises(StorageForeign, match=r"holds /registry/pods/default/a .*empty etcd"):
            await EtcdStore.open(etcd.endpoints, cluster_uid="u-1")
        assert await store.revision() == before


async def test_values_of_a_real_kubernetes_are_noticed(make_etcd):
    etcd = make_etcd()
    async with opened(etcd.endpoints) as store:
        watch = await store.watch("/registry/", after=await store.revision())
        await store.txn(Put("/registry/pods/default/a", b"k8s\0\n\x0c\n\x02v1"))
        with pytest.raises(StorageForeign, match="Kubernetes API server"):
            await store.range("/registry/")
        with pytest.raises(StorageForeign, match="Kubernetes API server"):
            await watch.next()
        with pytest.raises(StorageForeign, match="Kubernetes API server"):
            await EtcdStore.open(etcd.endpoints)


async def test_an_etcd_whose_data_was_replaced_is_noticed(make_etcd):
    etcd = make_etcd()
    async with opened(etcd.endpoints) as store:
        for i in range(5):
            await store.txn(Put(f"/k/{i}", b"v"))
        [member] = etcd.members
        member.kill()
        member.directory /= "empty"
        member.directory.mkdir()
        etcd.start()
        with pytest.raises(StorageDamaged, match="its data was replaced"):
            await store.revision()


async def test_endpoints_of_two_etcds_are_noticed(make_etcd):
    etcds = {etcd.endpoints[0]: etcd for etcd in (make_etcd(), make_etcd())}
    async with opened(list(etcds)) as store:
        etcds[store._members.current.endpoint].kill()
        with pytest.raises(StorageForeign, match="belongs to another etcd cluster than before"):
            await store.get("/k")


async def test_a_value_beyond_etcds_limit_is_refused_by_name(shared_etcd):
    async with opened(shared_etcd.endpoints) as store:
        for octets in (2_000_000, 5_000_000):
            with pytest.raises(ValueTooLarge, match="too large"):
                await store.txn(Put("/k/big", b"x" * octets))
        assert await store.get("/k/big") is None


async def fill(store: EtcdStore) -> None:
    for i in range(40):
        await store.txn(Put(f"/k/{i}", bytes(1_000_000)))


async def test_a_used_up_quota_refuses_writes_and_serves_reads(make_etcd):
    etcd = make_etcd(arguments=("--quota-backend-bytes", "5000000"))
    async with opened(etcd.endpoints) as store:
        with pytest.raises(StorageFull, match="its space quota is used up"):
            await fill(store)
        assert len((await store.range("/k/")).items) >= 2
        newest = await store.revision()
        await store.compact(newest)
        assert await store.oldest_revision() == newest


async def test_of_several_that_compact_at_once_one_does(shared_etcd):
    async with opened(shared_etcd.endpoints) as store, opened(shared_etcd.endpoints) as other:
        for i in range(10):
            last = (await store.txn(Put("/k/c", b"%d" % i))).revision
        before = await store.get("compact_rev_key")
        await asyncio.gather(store.compact(last - 1), other.compact(last - 1))
        after = await store.get("compact_rev_key")
        assert await other.oldest_revision() == last - 1
        assert after.value == str(last - 1).encode()
        assert before is None or after.mod_revision > before.mod_revision


async def test_access_that_etcd_denies_is_said_so(shared_etcd, monkeypatch):
    async with opened(shared_etcd.endpoints) as store:

        async def denied(self, method, request, timeout_s):
            raise Refusal(Kind.DENIED, "etcdserver: permission denied")

        monkeypatch.setattr(Member, "call", denied)
        with pytest.raises(StorageDenied, match="permission denied"):
            await store.txn(Put("/k", b"v", 0))
