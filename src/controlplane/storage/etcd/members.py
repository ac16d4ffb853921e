"""The way to etcd's members: one channel each, and which of them is asked.

A call goes to the current member. When that one cannot be reached or does not answer in time the
next becomes current, and a call that may be repeated goes there; others are given back `in doubt`.
gRPC's own balancing and retries are off: they would hide what happened to a write. A member
that knows of no leader is told to say so at once (`hasleader`) instead of waiting for one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Generic, Protocol, TypeVar, cast

import grpc
import grpc.aio
from google.protobuf.message import Message

from componentbase.clock import monotonic
from controlplane.storage.etcd import rpc_pb2
from controlplane.storage.etcd.quorum import Health, describe
from controlplane.storage.etcd.refusal import Kind, Refusal, judge
from controlplane.storage.interface import (
    StorageDamaged,
    StorageError,
    StorageForeign,
    StorageUnavailable,
)

log = logging.getLogger(__name__)

#: How long one member may take to answer, and how long a call may go from one to the next: an
#: election takes 1 to 2 s. When the call before found nobody, the next is not as patient.
CALL_S: Final = 2.0
PATIENCE_S: Final = 6.0
_DOWN_PATIENCE_S: Final = 1.0
PAUSE_S: Final = 0.05
_HEALTH_S: Final = 1.0
_OCTETS_MAX: Final = (1 << 31) - 1
#: etcd shuts out who pings more often than every 5 s.
_PING_EVERY_MS, _PING_ANSWER_MS = 6_000, 3_000
_LEADER_ONLY: Final = (("hasleader", "true"),)
_OPTIONS: Final = (
    ("grpc.max_receive_message_length", _OCTETS_MAX),
    ("grpc.max_send_message_length", _OCTETS_MAX),
    ("grpc.keepalive_time_ms", _PING_EVERY_MS),
    ("grpc.keepalive_timeout_ms", _PING_ANSWER_MS),
    ("grpc.http2.ping_timeout_ms", _PING_ANSWER_MS),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.dns_min_time_between_resolutions_ms", 1_000),
    ("grpc.enable_retries", 0),
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),
)


class _Answer(Protocol):
    @property
    def header(self) -> rpc_pb2.ResponseHeader: ...


Q = TypeVar("Q", bound=Message)
A = TypeVar("A", bound=_Answer)


@dataclass(frozen=True, slots=True)
class Method(Generic[Q, A]):
    """One of etcd's methods."""

    path: str
    request: type[Q]
    answer: type[A]


RANGE: Final = Method("/etcdserverpb.KV/Range", rpc_pb2.RangeRequest, rpc_pb2.RangeResponse)
TXN: Final = Method("/etcdserverpb.KV/Txn", rpc_pb2.TxnRequest, rpc_pb2.TxnResponse)
COMPACT: Final = Method(
    "/etcdserverpb.KV/Compact", rpc_pb2.CompactionRequest, rpc_pb2.CompactionResponse
)
GRANT: Final = Method(
    "/etcdserverpb.Lease/LeaseGrant", rpc_pb2.LeaseGrantRequest, rpc_pb2.LeaseGrantResponse
)
REVOKE: Final = Method(
    "/etcdserverpb.Lease/LeaseRevoke", rpc_pb2.LeaseRevokeRequest, rpc_pb2.LeaseRevokeResponse
)
KEEP_ALIVE: Final = Method(
    "/etcdserverpb.Lease/LeaseKeepAlive",
    rpc_pb2.LeaseKeepAliveRequest,
    rpc_pb2.LeaseKeepAliveResponse,
)
WATCH: Final = Method("/etcdserverpb.Watch/Watch", rpc_pb2.WatchRequest, rpc_pb2.WatchResponse)
STATUS: Final = Method(
    "/etcdserverpb.Maintenance/Status", rpc_pb2.StatusRequest, rpc_pb2.StatusResponse
)


@dataclass(frozen=True, slots=True)
class Credentials:
    """Files of PEM; *server_name* is what members' certificates carry. No *ca*: no TLS."""

    ca: str = ""
    certificate: str = ""
    private_key: str = ""
    server_name: str = ""

    def channel(self, endpoint: str) -> grpc.aio.Channel:
        """Return a channel to *endpoint*, not connected yet; raises OSError."""
        if not self.ca:
            return grpc.aio.insecure_channel(endpoint, options=_OPTIONS)
        credentials = grpc.ssl_channel_credentials(
            Path(self.ca).read_bytes(),
            Path(self.private_key).read_bytes() if self.private_key else None,
            Path(self.certificate).read_bytes() if self.certificate else None,
        )
        name = self.server_name
        named = (("grpc.ssl_target_name_override", name),) if name else ()
        return grpc.aio.secure_channel(endpoint, credentials, options=(*_OPTIONS, *named))


class Exchange(Generic[Q, A]):
    """A call that is a conversation; every failure is a Refusal."""

    def __init__(self, call: grpc.aio.StreamStreamCall) -> None:
        self._call = call

    async def say(self, message: Q) -> None:
        """Send *message*."""
        try:
            await self._call.write(message)
        except grpc.aio.AioRpcError as error:
            raise judge(error.code().name, error.details() or "") from None
        except asyncio.InvalidStateError:  # The call has ended: hear why.
            await self.hear()

    async def hear(self) -> A:
        """Return the next answer."""
        try:
            answer = await self._call.read()
        except grpc.aio.AioRpcError as error:
            raise judge(error.code().name, error.details() or "") from None
        if answer is grpc.aio.EOF:
            raise Refusal(Kind.IN_DOUBT, "the member ended the call")
        return cast(A, answer)

    def end(self) -> None:
        """Let go of the call."""
        self._call.cancel()


class Member:
    """One member of the etcd cluster."""

    def __init__(self, endpoint: str, channel: grpc.aio.Channel) -> None:
        self.endpoint = endpoint
        self._channel = channel

    async def call(self, method: Method[Q, A], request: Q, timeout_s: float) -> A:
        """Ask once; raises Refusal."""
        ask = self._channel.unary_unary(
            method.path, method.request.SerializeToString, _parser(method.answer)
        )
        try:
            answer = await ask(request, timeout=timeout_s, metadata=_metadata(method))
        except grpc.aio.AioRpcError as error:
            raise judge(error.code().name, error.details() or "") from None
        return cast(A, answer)

    def converse(self, method: Method[Q, A]) -> Exchange[Q, A]:
        """Begin a conversation; the caller ends it."""
        begin = self._channel.stream_stream(
            method.path, method.request.SerializeToString, _parser(method.answer)
        )
        return Exchange(begin(metadata=_metadata(method)))

    async def health(self) -> Health:
        """Ask the member how it is."""
        try:
            status = await self.call(STATUS, rpc_pb2.StatusRequest(), _HEALTH_S)
        except Refusal as refusal:
            return Health(self.endpoint, str(refusal))
        return Health(self.endpoint, "", bool(status.leader), list(status.errors))

    async def close(self) -> None:
        await self._channel.close()


def _parser(answer: type[_Answer]) -> object:
    return cast(type[Message], answer).FromString


def _metadata(method: object) -> Sequence[tuple[str, str]]:
    return () if method is STATUS else _LEADER_ONLY


class Members:
    """All members, and the one that is asked now."""

    def __init__(
        self, endpoints: Sequence[str], credentials: Credentials, patience_s: float
    ) -> None:
        try:
            self._members = [Member(e, credentials.channel(e)) for e in endpoints]
        except OSError as error:
            raise StorageError(f"etcd: {error.filename}: {error.strerror}") from None
        self.current = self._members[0]
        self.revision = 0  # The newest that any answer has named.
        self._cluster = 0
        self._patience_s, self._down = patience_s, False

    def give_up_at(self) -> float:
        """Return until when a call that begins now is tried."""
        patience_s = min(_DOWN_PATIENCE_S, self._patience_s) if self._down else self._patience_s
        return monotonic() + patience_s

    def leave(self, member: Member, why: str) -> None:
        """Ask another than *member* from now on."""
        if member is not self.current:
            return
        index = self._members.index(member) + 1
        self.current = self._members[index % len(self._members)]
        log.debug("etcd: %s: %s", member.endpoint, why)

    async def call(self, method: Method[Q, A], request: Q, *, repeatable: bool = True) -> A:
        """Ask until a member answers; raises Refusal, or StorageUnavailable when none does.

        A call that is not *repeatable* is asked again only while it certainly did not happen;
        else it raises a Refusal of kind IN_DOUBT.
        """
        give_up_at = self.give_up_at()
        while True:
            member, newest = self.current, self.revision
            try:
                answer = await member.call(method, request, CALL_S)
            except Refusal as refusal:
                if refusal.kind not in (Kind.UNREACHABLE, Kind.IN_DOUBT):
                    raise
                self.leave(member, str(refusal))
                if refusal.kind is Kind.IN_DOUBT and not repeatable:
                    raise
                failure = refusal
            else:
                self._check(member, answer.header, newest)
                return answer
            if monotonic() >= give_up_at:
                raise await self.unavailable(failure)
            await asyncio.sleep(PAUSE_S)

    def _check(self, member: Member, header: rpc_pb2.ResponseHeader, newest: int) -> None:
        """Notice an etcd that was replaced by another, or by an older copy of itself."""
        if self._cluster not in (0, header.cluster_id):
            raise StorageForeign(
                f"etcd: {member.endpoint} belongs to another etcd cluster than before"
                f" ({header.cluster_id:x}, not {self._cluster:x}); check the endpoints"
            )
        if header.revision < newest:
            raise StorageDamaged(
                f"etcd: {member.endpoint} is at revision {header.revision} and was at {newest}:"
                " its data was replaced; restart what uses it"
            )
        self._cluster, self._down = header.cluster_id, False
        self.revision = max(self.revision, header.revision)

    async def unavailable(self, failure: Refusal) -> StorageUnavailable:
        """Ask everyone how they are; return what to tell about *failure*."""
        self._down = True
        return StorageUnavailable(describe(await self.healths(), str(failure)))

    async def healths(self) -> list[Health]:
        """Ask everyone how they are."""
        return await asyncio.gather(*(member.health() for member in self._members))

    async def close(self) -> None:
        """Let go of the connections."""
        await asyncio.gather(*(member.close() for member in self._members))
