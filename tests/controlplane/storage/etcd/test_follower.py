"""A watch that goes from member to member: what a scripted member says, and what is told."""

from __future__ import annotations

import asyncio

import pytest

from componentbase.tasks import Tasks
from controlplane.storage.etcd import follower, rpc_pb2
from controlplane.storage.etcd.follower import Follower
from controlplane.storage.etcd.refusal import Kind, Refusal
from controlplane.storage.interface import Compacted, StorageDenied, StorageForeign
from controlplane.storage.watch_queue import WatchQueue

pytestmark = pytest.mark.asyncio

Answer = rpc_pb2.WatchResponse | Refusal


class Script:
    """An exchange whose answers are written down; after them it is silent."""

    def __init__(self, member: ScriptedMember, answers: list[Answer]) -> None:
        self._member, self._answers = member, answers

    async def say(self, message: rpc_pb2.WatchRequest) -> None:
        self._member.asked.append(message.create_request.start_revision)

    async def hear(self) -> rpc_pb2.WatchResponse:
        if not self._answers:
            await asyncio.Event().wait()
        answer = self._answers.pop(0)
        if isinstance(answer, Refusal):
            raise answer
        return answer

    def end(self) -> None:
        self._member.ended += 1


class ScriptedMember:
    def __init__(self, *scripts: list[Answer]) -> None:
        self.endpoint, self._scripts = "scripted", list(scripts)
        self.asked: list[int] = []
        self.ended = 0

    def converse(self, method: object) -> Script:
        return Script(self, self._scripts.pop(0))


class ScriptedMembers:
    """All members are one."""

    def __init__(self, *scripts: list[Answer]) -> None:
        self.current = ScriptedMember(*scripts)
        self.left: list[str] = []

    def leave(self, member: ScriptedMember, why: str) -> None:
        self.left.append(why)


def created() -> rpc_pb2.WatchResponse:
    return rpc_pb2.WatchResponse(created=True)


def puts(*revisions: int, key: bytes = b"/k") -> rpc_pb2.WatchResponse:
    kvs = (
        rpc_pb2.KeyValue(key=key, value=b"v", create_revision=r, mod_revision=r) for r in revisions
    )
    return rpc_pb2.WatchResponse(events=[rpc_pb2.Event(type="PUT", kv=kv) for kv in kvs])


def lost() -> Refusal:
    return Refusal(Kind.IN_DOUBT, "Socket closed")


def following(*scripts: list[Answer]) -> tuple[WatchQueue, Follower, ScriptedMembers]:
    members = ScriptedMembers(*scripts)
    queue = WatchQueue(10, on_end=lambda _: None)
    return queue, Follower(members, "/k", queue, Tasks()), members


async def told(queue: WatchQueue, upto: int) -> list[int]:
    revisions: list[int] = []
    async with asyncio.timeout(5):
        while queue.revision < upto or not revisions:
            revisions += [event.revision for event in (await queue.next()).events]
    return revisions


async def test_it_asks_for_what_follows_and_picks_its_prefix():
    queue, watching, members = following([created(), puts(11, 12), puts(13, key=b"/other")])
    assert await told(queue, 13) == [11, 12]
    assert queue.revision == 13
    assert members.current.asked == [11]
    watching.stop()


async def test_after_a_break_it_goes_on_where_it_was_and_drops_what_comes_twice():
    queue, watching, members = following(
        [created(), puts(11, 12), lost()], [created(), puts(12, 13), puts(14)]
    )
    assert await told(queue, 14) == [11, 12, 13, 14]
    assert members.current.asked == [11, 13]
    assert members.left == ["Socket closed"]
    assert members.current.ended == 1
    watching.stop()


async def test_a_break_before_it_is_confirmed_loses_nothing():
    queue, watching, members = following([lost()], [created(), lost()], [created(), puts(11)])
    assert await told(queue, 11) == [11]
    assert members.current.asked == [11, 11, 11]
    watching.stop()


async def test_that_nobody_answers_is_told_once_and_again_after_an_answer(monkeypatch, caplog):
    monkeypatch.setattr(follower, "PAUSE_S", 0.0)
    silence = [[lost()] for _ in range(20)]
    with caplog.at_level("INFO", follower.log.name):
        queue, watching, members = following(*silence, [created(), lost()], [created(), puts(11)])
        assert await told(queue, 11) == [11]
    assert len(members.left) == 21
    assert len(caplog.records) == 2
    watching.stop()


async def test_a_revision_that_is_late_is_sought_elsewhere(monkeypatch):
    monkeypatch.setattr(follower, "_LATE_S", 0.05)
    queue, watching, members = following([created(), puts(11)], [created(), puts(12)])
    assert await told(queue, 11) == [11]
    watching.expect(11)  # It is there: no reason to leave.
    watching.expect(12)
    assert await told(queue, 12) == [12]
    assert members.left == ["its watch is late"]
    watching.stop()


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (rpc_pb2.WatchResponse(compact_revision=20, canceled=True), Compacted),
        (
            rpc_pb2.WatchResponse(canceled=True, cancel_reason="rpc error: PermissionDenied"),
            StorageDenied,
        ),
        (
            rpc_pb2.WatchResponse(
                events=[
                    rpc_pb2.Event(
                        kv=rpc_pb2.KeyValue(
                            key=b"/k", value=b"k8s\0", create_revision=11, mod_revision=11
                        )
                    )
                ]
            ),
            StorageForeign,
        ),
        (
            rpc_pb2.WatchResponse(
                events=[
                    rpc_pb2.Event(type="DELETE", kv=rpc_pb2.KeyValue(key=b"/k", mod_revision=11))
                ]
            ),
            Compacted,
        ),
    ],
)
async def test_what_cannot_be_mended_ends_the_watch(answer, error):
    queue, watching, members = following([created(), answer])
    with pytest.raises(error):
        await told(queue, 11)
    assert members.left == []
    watching.stop()


async def test_a_member_that_cancels_is_left():
    cancelled = rpc_pb2.WatchResponse(canceled=True, cancel_reason="no leader")
    queue, watching, members = following([created(), cancelled], [created(), puts(11)])
    assert await told(queue, 11) == [11]
    assert members.left == ["no leader"]
    watching.stop()
