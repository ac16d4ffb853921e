"""Tells processes what the launcher wants of them, now or when they live again.

Level-triggered: a process is told its whole table as it is then, so nothing is lost when it was
paused, dead or restarted meanwhile. Nobody waits for a target that does not answer longer than
a person would, and a target that is dead or paused is not asked again until it is started.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any, Final

from componentbase import rpc
from componentbase.tasks import Tasks

log = logging.getLogger(__name__)

#: How long a person waits for targets; the messages go on being delivered after that.
SETTLE_S: Final = 2.0
ANSWER_S: Final = 5.0
_START_S: Final = 20.0  # From a process's fork to its socket, on a machine that is busy.
_RETRY_S: Final = 1.0

Message = Callable[[rpc.Client], Awaitable[None]]


class Line:
    """The way to one process: what it was told last, and what it should be told."""

    def __init__(self, socket: Path, message: Message, is_up: Callable[[], bool]) -> None:
        self._socket, self._message, self.is_up = socket, message, is_up
        self._wanted = self._told = 0
        self._wake = asyncio.Event()
        self._done = asyncio.Event()

    def tell(self) -> None:
        """Have the process told again."""
        self._wanted += 1
        self._done.clear()
        self._wake.set()

    def look(self) -> None:
        """Try again at once, if there is something to tell."""
        self._wake.set()

    async def settled(self) -> None:
        """Wait until the process has heard everything."""
        if self._told != self._wanted:
            await self._done.wait()

    async def run(self) -> None:
        """Deliver messages until cancelled."""
        while True:
            again_s = _RETRY_S if self._told != self._wanted and self.is_up() else None
            try:
                async with asyncio.timeout(again_s):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            if self._told != self._wanted and self.is_up():
                await self._deliver()

    async def _deliver(self) -> None:
        version = self._wanted
        try:
            client = await rpc.connect_retrying(self._socket, timeout_s=_START_S)
            try:
                await self._message(client)
            finally:
                await client.close()
        except (rpc.RpcError, OSError) as error:
            log.warning("%s was not told: %s", self._socket, error)
            return
        self._told = version
        if self._told == self._wanted:
            self._done.set()


class Messenger:
    """The lines to all processes that have ever had something to hear."""

    def __init__(self, tasks: Tasks, make_line: Callable[[str], Line]) -> None:
        self._tasks, self._make_line = tasks, make_line
        self._lines: dict[str, Line] = {}
        self._running: dict[str, asyncio.Task[None]] = {}

    def tell(self, process: str) -> None:
        """Have *process* told its tables."""
        line = self._lines.get(process)
        if line is None:
            line = self._lines[process] = self._make_line(process)
            self._running[process] = self._tasks.spawn(line.run(), name=f"tell {process}")
        line.tell()

    def look(self, process: str) -> None:
        """*process* may hear again: it was resumed."""
        line = self._lines.get(process)
        if line is not None:
            line.look()

    def forget(self, process: str) -> None:
        """*process* is no more."""
        if self._lines.pop(process, None) is not None:
            self._running.pop(process).cancel()

    async def settle(self, processes: Iterable[str], timeout_s: float = SETTLE_S) -> list[str]:
        """Wait until *processes* have heard; return those that have not in time.

        Nobody waits for one that is dead or paused.
        """
        names = list(processes)
        lines = [self._lines[name] for name in names]
        heard = await asyncio.gather(
            *(_within(line.settled(), timeout_s if line.is_up() else 0.0) for line in lines)
        )
        return [name for name, done in zip(names, heard, strict=True) if not done]


async def _within(wait: Awaitable[None], timeout_s: float) -> bool:
    try:
        async with asyncio.timeout(timeout_s):
            await wait
    except TimeoutError:
        return False
    return True


async def ask(socket: Path, method: str, timeout_s: float = SETTLE_S) -> Any:
    """Return a process's answer, or None when it gives none in time."""
    try:
        async with asyncio.timeout(timeout_s):
            client = await rpc.Client.connect(socket)
            try:
                return await client.call(method, timeout_s=timeout_s)
            finally:
                await client.close()
    except (rpc.RpcError, OSError, TimeoutError):
        return None
