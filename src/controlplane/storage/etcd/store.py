"""See interface.Store: the store of an etcd cluster, shared by several API servers.

Reads are linearizable, so `revision` and `get` see what any API server was acknowledged. What
every write does when its answer is lost says `doubt`.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from componentbase.clock import monotonic
from componentbase.tasks import Tasks
from controlplane.storage.etcd import doubt, mark, messages, quorum, rpc_pb2
from controlplane.storage.etcd.explain import explain, unknown
from controlplane.storage.etcd.follower import Follower
from controlplane.storage.etcd.members import (
    CALL_S,
    COMPACT,
    GRANT,
    KEEP_ALIVE,
    PATIENCE_S,
    PAUSE_S,
    RANGE,
    REVOKE,
    TXN,
    A,
    Credentials,
    Member,
    Members,
    Method,
    Q,
)
from controlplane.storage.etcd.refusal import Kind, Refusal
from controlplane.storage.etcd.shared_question import SharedQuestion
from controlplane.storage.interface import (
    Compacted,
    Delete,
    Event,
    FutureRevision,
    KeyValue,
    LeaseNotFound,
    Put,
    RangeResult,
    StorageError,
    StorageFull,
    StorageUnavailable,
    TxnResult,
)
from controlplane.storage.watch_queue import WatchQueue

#: How many keys one answer brings; a range of more is read page by page at one revision.
_PAGE: Final = 500
#: Upstream's name: who writes this record may compact (storage/etcd3/compact.go).
_COMPACTION_KEY: Final = "compact_rev_key"
_LEASE_IDS: Final = 1 << 63
_CLOSED: Final = "etcd: the store is closed"


class EtcdStore:
    """See interface.Store."""

    def __init__(self, members: Members, rng: random.Random) -> None:
        self._members, self._rng = members, rng
        self._tasks = Tasks()
        self._followers: dict[WatchQueue, Follower] = {}
        self._newest = SharedQuestion(self._ask_revision, self._tasks)
        self._oldest = 1
        self._open = True

    @classmethod
    async def open(
        cls,
        endpoints: Sequence[str],
        *,
        credentials: Credentials | None = None,
        cluster_uid: str = "",
        cluster_name: str = "",
        patience_s: float = PATIENCE_S,
    ) -> EtcdStore:
        """Connect to *endpoints* and claim the etcd; raises a StorageError that says what to do.

        A call goes from member to member for *patience_s* before it is given up.
        """
        for endpoint in endpoints:
            host, _, port = endpoint.rpartition(":")
            if not host or "/" in host or not port.isdecimal():
                raise StorageError(f"etcd: {endpoint!r} is no endpoint: give HOST:PORT")
        members = Members(endpoints, credentials or Credentials(), patience_s)
        store = cls(members, random.Random())  # Lease ids must differ from other processes'.
        try:
            await mark.claim(members, mark.Mark(name=cluster_name, uid=cluster_uid))
        except (Refusal, StorageError) as error:
            await store.close()
            raise explain(error) if isinstance(error, Refusal) else error from None
        return store

    async def _call(self, method: Method[Q, A], request: Q, *, repeatable: bool = True) -> A:
        if not self._open:
            raise StorageUnavailable(_CLOSED)
        return await self._members.call(method, request, repeatable=repeatable)

    async def revision(self) -> int:
        """See Store."""
        if not self._open:
            raise StorageUnavailable(_CLOSED)
        return await self._newest.ask()

    async def _ask_revision(self) -> int | StorageError:
        request = rpc_pb2.RangeRequest(key=mark.KEY, count_only=True)
        try:
            answer = await self._call(RANGE, request)
        except Refusal as refusal:
            return explain(refusal)
        except StorageError as error:
            return error
        self._expect(answer.header.revision)
        return answer.header.revision

    def _expect(self, revision: int) -> None:
        for follower in self._followers.values():
            follower.expect(revision)

    async def report(self) -> str:
        """See Store."""
        return quorum.report(await self._members.healths()) if self._open else _CLOSED

    async def history_octets(self) -> int:
        """See Store: the past is etcd's."""
        return 0

    async def oldest_revision(self) -> int:
        """See Store. etcd tells it only to a watch that it refuses."""
        try:
            await self._call(RANGE, _look_at(self._oldest))
        except Refusal as refusal:
            if refusal.kind is not Kind.COMPACTED:
                raise explain(refusal) from None
        else:
            return self._oldest
        watch = self._follow("", self._oldest - 1)
        try:
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    await watch.next()
        except Compacted as compacted:
            self._oldest = max(self._oldest, compacted.oldest)
            return self._oldest
        except TimeoutError:
            raise StorageUnavailable("etcd: no member says what it has compacted") from None
        finally:
            watch.close()

    async def _check_revision(self, revision: int) -> None:
        """Raise Compacted or FutureRevision unless the state at *revision* is held."""
        if revision < 1:
            raise Compacted(revision, await self.oldest_revision())
        try:
            await self._call(RANGE, _look_at(revision))
        except Refusal as refusal:
            raise await self._at(revision, refusal) from None

    async def _at(self, revision: int, refusal: Refusal) -> StorageError:
        if refusal.kind is Kind.COMPACTED:
            return Compacted(revision, await self.oldest_revision())
        if refusal.kind is Kind.FUTURE:
            return FutureRevision(revision, await self.revision())
        return explain(refusal)

    async def get(self, key: str) -> KeyValue | None:
        """See Store."""
        return (await self._get(key))[1]

    async def _get(self, key: str) -> tuple[int, KeyValue | None]:
        try:
            answer = await self._call(RANGE, rpc_pb2.RangeRequest(key=messages.octets_of(key)))
        except Refusal as refusal:
            raise explain(refusal) from None
        return answer.header.revision, messages.key_value(answer.kvs[0]) if answer.kvs else None

    async def range(
        self, prefix: str, *, start: str = "", limit: int = 0, revision: int = 0
    ) -> RangeResult:
        """See Store."""
        key, end = messages.bounds(prefix, start)
        items: list[KeyValue] = []
        while True:
            page = min(_PAGE, limit - len(items)) if limit else _PAGE
            request = rpc_pb2.RangeRequest(key=key, range_end=end, limit=page, revision=revision)
            try:
                answer = await self._call(RANGE, request)
            except Refusal as refusal:
                raise await self._at(revision, refusal) from None
            items += map(messages.key_value, answer.kvs)
            revision = revision or answer.header.revision
            remaining = answer.count - len(answer.kvs)
            if not remaining or not answer.kvs or len(items) == limit:
                return RangeResult(revision, items, remaining)
            key = messages.after(answer.kvs[-1].key)

    async def txn(self, operation: Put | Delete) -> TxnResult:
        """See Store."""
        if isinstance(operation, Delete) and operation.expected == 0:
            return TxnResult(False, *await self._get(operation.key))
        if operation.expected is not None:
            return await self._write(operation)
        while True:
            revision, held = await self._get(operation.key)
            if held is None and isinstance(operation, Delete):
                return TxnResult(False, revision, None)
            expected = 0 if held is None else held.mod_revision
            result = await self._write(replace(operation, expected=expected))
            if result.succeeded:
                return result

    async def _write(self, operation: Put | Delete) -> TxnResult:
        """Write until it is certain what happened; *operation* has an expectation."""
        since, give_up_at = self._members.revision, self._members.give_up_at()
        request, doubts = messages.transaction(operation), 0
        while True:
            try:
                answer = await self._call(TXN, request, repeatable=False)
            except Refusal as refusal:
                if refusal.kind is not Kind.IN_DOUBT:
                    raise explain(refusal) from None
                doubts += 1
                if monotonic() >= give_up_at:
                    raise unknown(operation, await self._members.unavailable(refusal)) from None
                await asyncio.sleep(PAUSE_S)
            except StorageUnavailable as error:
                raise unknown(operation, error) if doubts else error from None
            else:
                break
        revision, current = messages.outcome(operation, answer)
        self._expect(revision)
        if doubts and not answer.succeeded:
            found = doubt.find(operation, await self._events(operation.key, since, revision))
            if found is not None:
                return found
        return TxnResult(answer.succeeded, revision, current)

    async def _events(self, key: str, after: int, upto: int) -> list[Event]:
        """Return what happened to *key* after one revision up to another."""
        watch = self._follow(key, after)
        events: list[Event] = []
        try:
            async with asyncio.timeout(PATIENCE_S):
                while watch.revision < upto:
                    events += (await watch.next()).events
        except (TimeoutError, Compacted):
            raise StorageUnavailable(
                f"etcd: no member tells what became of {key}; look before writing it again"
            ) from None
        finally:
            watch.close()
        return events

    async def grant(self, ttl_s: int) -> int:
        """See Store; etcd's shortest lease lasts 2 s."""
        lease = self._rng.randrange(1, _LEASE_IDS)
        try:
            await self._call(GRANT, rpc_pb2.LeaseGrantRequest(ID=lease, TTL=ttl_s))
        except Refusal as refusal:
            if refusal.kind is not Kind.LEASE_EXISTS:  # Ours: the answer was lost.
                raise explain(refusal, lease) from None
        return lease

    async def keep_alive(self, lease: int) -> None:
        """See Store."""
        give_up_at = self._members.give_up_at()
        while True:
            member = self._members.current
            try:
                ttl_s = await _renew(member, lease)
            except Refusal as refusal:
                if refusal.kind not in (Kind.UNREACHABLE, Kind.IN_DOUBT):
                    raise explain(refusal, lease) from None
                self._members.leave(member, str(refusal))
                if monotonic() >= give_up_at:
                    raise await self._members.unavailable(refusal) from None
                await asyncio.sleep(PAUSE_S)
            else:
                break
        if ttl_s <= 0:
            raise LeaseNotFound(lease)

    async def revoke(self, lease: int) -> None:
        """See Store."""
        try:
            await self._call(REVOKE, rpc_pb2.LeaseRevokeRequest(ID=lease))
        except Refusal as refusal:
            raise explain(refusal, lease) from None

    async def watch(self, prefix: str, *, after: int) -> WatchQueue:
        """See Store."""
        await self._check_revision(after)
        watch = self._follow(prefix, after)
        self._followers[watch].expect(self._members.revision)
        return watch

    def _follow(self, prefix: str, after: int) -> WatchQueue:
        watch = WatchQueue(after, on_end=self._unfollow)
        self._followers[watch] = Follower(self._members, prefix, watch, self._tasks)
        return watch

    def _unfollow(self, watch: WatchQueue) -> None:
        self._followers.pop(watch).stop()

    async def compact(self, revision: int) -> None:
        """See Store. Of several API servers that decide so at once, one compacts."""
        await self._check_revision(revision)
        held = await self.get(_COMPACTION_KEY)
        expected = 0 if held is None else held.mod_revision
        record = Put(_COMPACTION_KEY, str(revision).encode(), expected)
        try:
            if not (await self.txn(record)).succeeded:
                return
        except StorageFull:
            pass  # A full etcd takes no record, and needs compaction more than ever.
        try:
            await self._call(COMPACT, rpc_pb2.CompactionRequest(revision=revision))
        except Refusal as refusal:
            if refusal.kind is not Kind.COMPACTED:
                raise explain(refusal) from None

    async def close(self) -> None:
        """See Store."""
        self._open = False
        for watch in list(self._followers):
            watch.fail(StorageUnavailable(_CLOSED))
        await self._tasks.close()
        await self._members.close()


def _look_at(revision: int) -> rpc_pb2.RangeRequest:
    """Return the cheapest read that needs *revision*."""
    return rpc_pb2.RangeRequest(key=mark.KEY, count_only=True, revision=revision)


async def _renew(member: Member, lease: int) -> int:
    """Keep *lease* alive once; return its time to live, 0 when it is gone."""
    exchange = member.converse(KEEP_ALIVE)
    try:
        async with asyncio.timeout(CALL_S):
            await exchange.say(rpc_pb2.LeaseKeepAliveRequest(ID=lease))
            return (await exchange.hear()).TTL
    except TimeoutError:
        raise Refusal(Kind.IN_DOUBT, "no answer in time") from None
    finally:
        exchange.end()
