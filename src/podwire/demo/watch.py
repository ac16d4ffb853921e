"""The demo's eyes: the cluster's journals, told line by line as they grow."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from componentbase import clock
from componentbase.journal import Note
from componentbase.tasks import Tasks
from podwire.timeline.condense import Condenser, Line
from podwire.timeline.follow import POLL_S, Folder

Condition = Callable[[Sequence[Note]], bool]


class Watch:
    """Follows the journals in one folder."""

    def __init__(self, folder: Path, tell: Callable[[Line], None]) -> None:
        self.notes: list[Note] = []
        self._folder, self._tell = Folder(folder), tell
        self._condenser = Condenser()
        self._tasks = Tasks()

    def start(self) -> None:
        self._tasks.spawn(self._follow(), name="journals")

    async def _follow(self) -> None:
        while True:
            self.look()
            await asyncio.sleep(POLL_S)

    def look(self) -> None:
        """Take in what is new."""
        new = self._folder.read_settled()
        self.notes += new
        for note in new:
            for line in self._condenser.add(note):
                self._tell(line)
        for line in self._condenser.due(clock.monotonic()):
            self._tell(line)

    async def until(self, condition: Condition, *, timeout_s: float) -> bool:
        """Wait until the notes fulfil *condition*; return whether they did."""
        try:
            async with asyncio.timeout(timeout_s):
                while not condition(self.notes):
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            return False
        return True

    async def close(self) -> None:
        await self._tasks.close()
        for line in self._condenser.flush():
            self._tell(line)
