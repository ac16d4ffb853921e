"""Our requests as etcd's messages, and etcd's answers as the store's values."""

from __future__ import annotations

from typing import Final

from controlplane.storage.etcd import rpc_pb2
from controlplane.storage.interface import Delete, Event, KeyValue, Put, StorageForeign

#: As `range_end` with the key before all keys: everything.
FIRST: Final = b"\0"
LAST: Final = b"\0"
#: What Kubernetes' own API server begins a value with: protobuf, or encrypted.
_KUBERNETES: Final = (b"k8s\0", b"k8s:enc:")


def octets_of(key: str) -> bytes:
    """Return *key* as etcd has it; undoes text_of."""
    return key.encode("utf-8", "surrogateescape")


def text_of(key: bytes) -> str:
    """Return etcd's *key* as a text; any octets have one."""
    return key.decode("utf-8", "surrogateescape")


def after(key: bytes) -> bytes:
    """Return the first key that sorts after *key*."""
    return key + b"\0"


def bounds(prefix: str, start: str = "") -> tuple[bytes, bytes]:
    """Return the first key, and the first that is none any more, below *prefix* from *start*."""
    low = octets_of(prefix)
    head = low.rstrip(b"\xff")
    end = head[:-1] + bytes([head[-1] + 1]) if head else LAST
    return max(low, octets_of(start)) or FIRST, end


def key_value(message: rpc_pb2.KeyValue) -> KeyValue:
    """Return what a key holds; raises StorageForeign when Kubernetes wrote it."""
    key = text_of(message.key)
    if message.value.startswith(_KUBERNETES):
        raise StorageForeign(
            f"etcd: {key} holds a value of a Kubernetes API server; use an etcd of its own"
        )
    return KeyValue(
        key, message.value, message.create_revision, message.mod_revision, message.lease
    )


def event(message: rpc_pb2.Event) -> Event | None:
    """Return a change, or None when compaction took what it changed before it could be told."""
    kv = message.kv
    previous = key_value(message.prev_kv) if message.HasField("prev_kv") else None
    if message.type == rpc_pb2.Event.DELETE:
        if previous is None:
            return None
        return Event(kv.mod_revision, text_of(kv.key), None, previous)
    if previous is None and kv.create_revision != kv.mod_revision:
        return None
    return Event(kv.mod_revision, text_of(kv.key), key_value(kv), previous)


def transaction(operation: Put | Delete) -> rpc_pb2.TxnRequest:
    """Return *operation*, which has an expectation, as a transaction.

    Where it succeeds it tells the key's create revision, where it fails what stands against it.
    """
    assert operation.expected is not None
    key = octets_of(operation.key)
    held = rpc_pb2.Compare(target="MOD", key=key, mod_revision=operation.expected)
    read = rpc_pb2.RequestOp(request_range=rpc_pb2.RangeRequest(key=key))
    if isinstance(operation, Delete):
        remove = rpc_pb2.RequestOp(request_delete_range=rpc_pb2.DeleteRangeRequest(key=key))
        return rpc_pb2.TxnRequest(compare=[held], success=[remove], failure=[read])
    put = rpc_pb2.PutRequest(key=key, value=operation.value, lease=operation.lease)
    success = [rpc_pb2.RequestOp(request_put=put)]
    if operation.expected:
        revisions = rpc_pb2.RangeRequest(key=key, keys_only=True)
        success.append(rpc_pb2.RequestOp(request_range=revisions))
    return rpc_pb2.TxnRequest(compare=[held], success=success, failure=[read])


def outcome(operation: Put | Delete, answer: rpc_pb2.TxnResponse) -> tuple[int, KeyValue | None]:
    """Return the revision of *answer* and what the key of *operation* holds by it."""
    revision = answer.header.revision
    if not answer.succeeded:
        kvs = answer.responses[0].response_range.kvs
        return revision, key_value(kvs[0]) if kvs else None
    if isinstance(operation, Delete):
        return revision, None
    created = revision
    if operation.expected:
        created = answer.responses[1].response_range.kvs[0].create_revision
    return revision, KeyValue(operation.key, operation.value, created, revision, operation.lease)
