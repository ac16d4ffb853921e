"""Who may change a network at one time: GC alone, or any number of ADD and DEL (SPEC.md §3)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Gate:
    """GC excludes ADD and DEL, which do not exclude each other."""

    def __init__(self) -> None:
        self._inside = 0
        self._changed = asyncio.Condition()
        self._closed = False

    @asynccontextmanager
    async def shared(self) -> AsyncIterator[None]:
        """Be one of several inside."""
        async with self._changed:
            await self._changed.wait_for(lambda: not self._closed)
            self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1
            async with self._changed:
                self._changed.notify_all()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Be the only one inside; who comes meanwhile waits."""
        async with self._changed:
            await self._changed.wait_for(lambda: not self._closed)
            self._closed = True
            await self._changed.wait_for(lambda: not self._inside)
        try:
            yield
        finally:
            self._closed = False
            async with self._changed:
                self._changed.notify_all()
