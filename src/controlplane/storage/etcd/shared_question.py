"""One question for many who ask at once.

Who asks while a question is under way shares the next one, never the one under way: its answer
may be older than what the asker has already seen happen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine

from componentbase.tasks import Tasks
from controlplane.storage.interface import StorageError, StorageUnavailable

_Answer = int | StorageError


class SharedQuestion:
    """Asks *question* for its askers; an error is everyone's who shared it."""

    def __init__(
        self, question: Callable[[], Coroutine[None, None, _Answer]], tasks: Tasks
    ) -> None:
        self._question, self._tasks = question, tasks
        self._asked: asyncio.Task[_Answer] | None = None
        self._next: asyncio.Task[_Answer] | None = None

    async def ask(self) -> int:
        """Return the answer to a question that was not asked before now."""
        if self._next is not None:
            task = self._next
        elif self._asked is None or self._asked.done():
            task = self._asked = self._tasks.spawn(self._question(), name="question")
        else:
            task = self._next = self._tasks.spawn(self._after(self._asked), name="next question")
        await asyncio.wait([task])  # An asker who goes away takes nobody's answer along.
        if task.cancelled():
            raise StorageUnavailable("the store was closed")
        answer = task.result()
        if isinstance(answer, StorageError):
            raise answer
        return answer

    async def _after(self, other: asyncio.Task[_Answer]) -> _Answer:
        await asyncio.wait([other])
        self._asked, self._next = self._next, None
        return await self._question()
