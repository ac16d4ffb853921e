"""Who shares a question with whom."""

from __future__ import annotations

import asyncio

import pytest

from componentbase.tasks import Tasks
from controlplane.storage.etcd.shared_question import SharedQuestion
from controlplane.storage.interface import StorageError, StorageUnavailable

pytestmark = pytest.mark.asyncio


class Oracle:
    """Answers when told to."""

    def __init__(self) -> None:
        self.asked: list[asyncio.Future[int | StorageError]] = []
        self.tasks = Tasks()
        self.question = SharedQuestion(self._ask, self.tasks)

    async def _ask(self) -> int | StorageError:
        self.asked.append(asyncio.get_running_loop().create_future())
        return await self.asked[-1]

    def ask(self) -> asyncio.Task[int]:
        return Tasks().spawn(self.question.ask(), name="asker")

    async def until_asked(self, times: int) -> None:
        async with asyncio.timeout(5):
            while len(self.asked) < times:
                await asyncio.sleep(0)


async def test_those_who_ask_meanwhile_share_the_next_one():
    oracle = Oracle()
    first = oracle.ask()
    await oracle.until_asked(1)
    later = [oracle.ask() for _ in range(5)]
    await asyncio.sleep(0)
    oracle.asked[0].set_result(7)
    assert await first == 7
    await oracle.until_asked(2)
    latest = oracle.ask()  # After the second was sent: only the third will do.
    await asyncio.sleep(0)
    oracle.asked[1].set_result(8)
    assert await asyncio.gather(*later) == [8] * 5
    await oracle.until_asked(3)
    oracle.asked[2].set_result(9)
    assert await latest == 9


async def test_an_error_is_everyones_and_ends_with_its_question():
    oracle = Oracle()
    askers = [oracle.ask(), oracle.ask()]
    await oracle.until_asked(1)
    oracle.asked[0].set_result(StorageUnavailable("no quorum"))
    await oracle.until_asked(2)
    oracle.asked[1].set_result(8)
    with pytest.raises(StorageUnavailable, match="no quorum"):
        await askers[0]
    assert await askers[1] == 8


async def test_an_asker_who_leaves_takes_nothing_along():
    oracle = Oracle()
    first = oracle.ask()
    await oracle.until_asked(1)
    leaving, staying = oracle.ask(), oracle.ask()
    await asyncio.sleep(0)
    first.cancel()
    leaving.cancel()
    oracle.asked[0].set_result(7)
    await oracle.until_asked(2)
    oracle.asked[1].set_result(8)
    assert await staying == 8


async def test_a_store_that_closes_answers_nobody():
    oracle = Oracle()
    asker = oracle.ask()
    await oracle.until_asked(1)
    await oracle.tasks.close()
    with pytest.raises(StorageUnavailable):
        await asker
