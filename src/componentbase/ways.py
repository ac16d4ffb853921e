"""The two ways of a connection, carried side by side until there is no more to carry.

That a peer has gone is how connections end, no fault: it ends both ways and is not an error.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from componentbase.tasks import Tasks

log = logging.getLogger(__name__)

Way = Coroutine[Any, Any, object]


async def until_first_ends(*ways: Way) -> None:
    """Run *ways* until one has ended; the others are cancelled."""
    await _run(ways, whole=False)


async def until_all_end(*ways: Way) -> None:
    """Run *ways* until all have ended, or one because its peer has gone."""
    await _run(ways, whole=True)


async def _run(ways: tuple[Way, ...], *, whole: bool) -> None:
    tasks = Tasks()
    pending = {tasks.spawn(_carried(way), name="way") for way in ways}
    try:
        while pending:
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            if not whole or not all(task.result() for task in done):
                return
    finally:
        await tasks.close()


async def _carried(way: Way) -> bool:
    """Carry one way to its end; tell whether it was a good one."""
    try:
        await way
    except (OSError, ValueError, asyncio.IncompleteReadError) as error:
        log.debug("a way ended: %s", error)
        return False
    return True
