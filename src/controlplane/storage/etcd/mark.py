"""Whose etcd this is: one key names the Podwire cluster that everything in it belongs to.

An etcd that holds objects without that key is a real Kubernetes cluster's, or one of an older
program, and one with another uid is another cluster's: both are refused before anything is read
or written. The key and the emptiness of `/registry/` are tested in one transaction, so
that of several API servers that start at once one marks an empty etcd and all agree.
"""

from __future__ import annotations

from typing import Final

import msgspec

from componentbase.decoding import UNREADABLE
from controlplane.storage.etcd import messages, rpc_pb2
from controlplane.storage.etcd.members import TXN, Members
from controlplane.storage.interface import StorageForeign

KEY: Final = b"/podwire/cluster"
_OBJECTS: Final = "/registry/"


class Mark(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the key holds, as JSON."""

    name: str
    uid: str


async def claim(members: Members, ours: Mark) -> None:
    """Mark an empty etcd as *ours*; raises StorageForeign when it is somebody else's."""
    first, end = messages.bounds(_OBJECTS)
    empty = rpc_pb2.Compare(target="CREATE", key=first, range_end=end, create_revision=0)
    unmarked = rpc_pb2.Compare(target="CREATE", key=KEY, create_revision=0)
    put = rpc_pb2.PutRequest(key=KEY, value=msgspec.json.encode(ours))
    mark = rpc_pb2.RangeRequest(key=KEY)
    objects = rpc_pb2.RangeRequest(key=first, range_end=end, limit=1)
    request = rpc_pb2.TxnRequest(
        compare=[unmarked, empty],
        success=[rpc_pb2.RequestOp(request_put=put)],
        failure=[rpc_pb2.RequestOp(request_range=wanted) for wanted in (mark, objects)],
    )
    answer = await members.call(TXN, request)  # Repeatable: the mark is then found.
    if not answer.succeeded:
        marks, held = (response.response_range.kvs for response in answer.responses)
        _check(ours, marks[0].value if marks else None, held[0] if held else None)


def _check(ours: Mark, mark: bytes | None, held: rpc_pb2.KeyValue | None) -> None:
    if mark is None:
        assert held is not None
        raise StorageForeign(
            f"etcd: it holds {messages.text_of(held.key)} and other keys that no Podwire cluster"
            " wrote; name an empty etcd, or empty this one: etcdctl del --prefix /registry/"
        )
    try:
        theirs = msgspec.json.decode(mark, type=Mark)
    except UNREADABLE:
        raise StorageForeign(
            f"etcd: {KEY.decode()} is not a mark of this program; name another etcd"
        ) from None
    if theirs.uid != ours.uid:
        raise StorageForeign(
            f"etcd: it belongs to cluster {theirs.name!r} (uid {theirs.uid}), not to"
            f" {ours.name!r} (uid {ours.uid}); name another etcd, or, if that cluster is gone,"
            " empty this one: etcdctl del --prefix /"
        )
    if held is not None:
        messages.key_value(held)  # Raises when a Kubernetes wrote it.
