"""Supervised tasks: failures are heard, ends are complete."""

from __future__ import annotations

import asyncio
import logging
import sys

import pytest

from componentbase.tasks import Raised, Tasks, attempted, attempted_async, failure_of, guarded, told

pytestmark = pytest.mark.asyncio


async def fail() -> None:
    raise ValueError("broken")


async def test_a_failure_is_logged_with_the_tasks_name(caplog) -> None:
    tasks = Tasks()
    with caplog.at_level(logging.ERROR):
        await asyncio.wait([tasks.spawn(fail(), name="the worker")])
    assert "the worker" in caplog.text
    assert "broken" in caplog.text
    assert len(tasks) == 0


async def test_the_end_of_an_essential_task_ends_the_wait() -> None:
    tasks = Tasks()

    async def end() -> None:
        await asyncio.sleep(0)

    tasks.spawn(end(), name="short", essential=True)
    with pytest.raises(RuntimeError, match="short"):
        await tasks.wait()
    tasks.spawn(fail(), name="failing", essential=True)
    with pytest.raises(ValueError, match="broken"):
        await tasks.wait()


async def test_an_essential_task_that_ended_before_the_wait_ends_it_too() -> None:
    tasks = Tasks()
    await asyncio.wait([tasks.spawn(fail(), name="early", essential=True)])
    with pytest.raises(ValueError, match="broken"):
        await asyncio.wait_for(tasks.wait(), 5)


async def test_close_waits_until_each_task_has_cleaned_up() -> None:
    tasks, cleaned = Tasks(), []

    async def clean_slowly(n: int) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.append(n)

    for n in range(3):
        tasks.spawn(clean_slowly(n), name=str(n))
    await asyncio.sleep(0)
    await tasks.close()
    assert sorted(cleaned) == [0, 1, 2]
    await tasks.close()


async def test_a_failure_is_handed_to_who_tells_of_it_in_another_way(caplog) -> None:
    assert str(await failure_of(fail)) == "broken"

    async def succeed() -> None:
        pass

    assert await failure_of(succeed) is None
    assert isinstance(told([].remove, "absent"), ValueError)
    assert told([].append, "one") is None
    assert not caplog.records


async def test_guarded_reports_a_failure_and_returns(caplog) -> None:
    assert not await guarded("the sync", fail)
    assert "the sync failed" in caplog.text

    async def succeed() -> None: ...

    assert await guarded("the sync", succeed)


def leave():
    sys.exit("enough")


async def test_what_foreign_code_raises_is_a_value(caplog) -> None:
    assert attempted("theirs", lambda: 1) == 1
    assert attempted("theirs", lambda: {}["key"]) == Raised("KeyError: 'key'")
    assert attempted("theirs", leave) == Raised("SystemExit: enough")
    assert "theirs failed" in caplog.text


async def test_what_foreign_code_raises_while_it_is_awaited_is_a_value() -> None:
    async def succeed() -> int:
        return 1

    assert await attempted_async("theirs", succeed) == 1
    assert isinstance(await attempted_async("theirs", fail), Raised)
