"""A program that runs beside a container's main one: `exec`, once or with streams.

It is no PID 1: a signal that it does not handle ends it, as 128 and the signal's number. What it
has started ends with it, which is simpler than Linux, where a background job would go on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from podruntime.images.process import Process
from podruntime.sandbox.owner import Owner

#: How often a program is told to die (each `await` of it) before it counts as hung.
KILLS_MAX: Final = 20
KILL_EVERY_S: Final = 0.05
#: The exit status of who was ended by a signal is this and its number.
SIGNALLED: Final = 128


class Execution:
    """One program under way."""

    def __init__(
        self,
        process: Process,
        owner: Owner,
        task: asyncio.Task[int],
        status: Callable[[asyncio.Task[int], Process], int],
    ) -> None:
        self.task, self._process, self._owner, self._status = task, process, owner, status

    def signal(self, number: int) -> None:
        """Deliver a signal; one without a handler ends the program."""
        process = self._process
        if self._owner.signals.deliver(number):
            return
        if process.on_terminate is not None:
            process.on_terminate()
            return
        process.terminated_with = SIGNALLED + number
        self.task.cancel()

    @property
    def status(self) -> int:
        """Return the exit status of the ended program."""
        return self._status(self.task, self._process)

    def cancel(self) -> None:
        """Begin to kill what still runs, and go on."""
        self.task.cancel()
        self._owner.release()

    async def end(self) -> None:
        """Kill what still runs."""
        for _ in range(KILLS_MAX):
            if self.task.done():
                break
            self.task.cancel()
            await asyncio.wait([self.task], timeout=KILL_EVERY_S)
        self._owner.release()
