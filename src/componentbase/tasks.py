"""Supervised tasks: none is lost, none dies in silence.

The one place where a broad except is allowed, and the one place that creates tasks; code that
is not ours is called through it. A task
that must live as long as its process is *essential*: its death ends the process with a log
line, and the launcher starts a new one (crashes are normal; half-dead processes are not).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Raised:
    """What foreign code has raised instead of giving an answer."""

    text: str


class Tasks:
    """The tasks of one owner, ended together by `close`."""

    def __init__(self) -> None:
        self._tasks: dict[asyncio.Task[Any], bool] = {}
        self._failure: BaseException | None = None
        self._failed = asyncio.Event()

    def __len__(self) -> int:
        return len(self._tasks)

    def spawn(
        self, coroutine: Coroutine[Any, Any, T], *, name: str, essential: bool = False
    ) -> asyncio.Task[T]:
        """Run *coroutine* in the background; a failure is logged, and ends `wait` if essential."""
        task = asyncio.get_running_loop().create_task(coroutine, name=name)
        self._tasks[task] = essential
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        essential = self._tasks.pop(task, False)
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            log.error("task %s failed", task.get_name(), exc_info=error)
        if essential and self._failure is None:
            self._failure = error or RuntimeError(f"task {task.get_name()} ended")
            self._failed.set()

    async def wait(self) -> None:
        """Wait for ever; raise what ended an essential task, be it before or during the wait."""
        await self._failed.wait()
        assert self._failure is not None
        failure, self._failure = self._failure, None
        self._failed.clear()
        raise failure

    async def close(self) -> None:
        """Cancel every task and wait until each has ended."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


async def guarded(what: str, call: Callable[[], Awaitable[None]]) -> bool:
    """Await *call*; log a failure and return False, so that a loop of such calls goes on."""
    try:
        await call()
    except Exception:
        log.exception("%s failed", what)
        return False
    return True


def attempted(what: str, call: Callable[[], T], *, level: int = logging.WARNING) -> T | Raised:
    """Call foreign code, such as a user's plugin; it may raise anything, and may want to exit."""
    try:
        return call()
    except (Exception, SystemExit) as error:
        return _raised(what, error, level)


async def attempted_async(what: str, call: Callable[[], Awaitable[T]]) -> T | Raised:
    """Await foreign code, likewise."""
    try:
        return await call()
    except (Exception, SystemExit) as error:
        return _raised(what, error, logging.WARNING)


def _raised(what: str, error: BaseException, level: int) -> Raised:
    log.log(level, "%s failed", what, exc_info=error)
    return Raised(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)


async def failure_of(call: Callable[[], Awaitable[None]]) -> Exception | None:
    """Await *call*; return what went wrong, for a caller that tells of it in its own way."""
    try:
        await call()
    except Exception as error:
        return error
    return None


def told(listener: Callable[..., None], *arguments: object) -> Exception | None:
    """Call *listener*; return what went wrong, so that the next one is told all the same."""
    try:
        listener(*arguments)
    except Exception as error:
        return error
    return None
