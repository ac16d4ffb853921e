"""The launcher's zygote, and its successor when it dies or hangs.

A fork that was asked of a zygote that died is asked again of the next one: a child begins only
when its pid was reported (componentbase.zygote), so none is started twice. The children of a
dead zygote become the launcher's own, since it is a subreaper: it reaps them itself.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Final

from componentbase.zygote import Zygote

log = logging.getLogger(__name__)

#: A zygote that is silent so long is frozen or broken. A fresh one imports everything first.
FORK_TIMEOUT_S: Final = 20.0
_RESPAWN_FIRST_S: Final = 0.1
_RESPAWN_MAX_S: Final = 5.0


class Forker:
    """Forks through a zygote, whichever it is at the moment. Needs a running event loop."""

    def __init__(
        self,
        zygote: Zygote,
        respawn: Callable[[], Zygote],
        *,
        on_exit: Callable[[int, int], None],
        on_lost: Callable[[], None],
    ) -> None:
        self._zygote, self._respawn = zygote, respawn
        self._on_exit, self._on_lost = on_exit, on_lost
        self._respawn_after_s = 0.0
        self._ready = asyncio.Event()
        self._attach(zygote)

    def _attach(self, zygote: Zygote) -> None:
        self._zygote = zygote
        zygote.attach(self._on_exit, self._lost)
        self._ready.set()

    @property
    def pid(self) -> int:
        return self._zygote.pid

    async def fork(
        self, entry: str, argv: list[str], *, group: int | None, output: Path, timeout_s: float
    ) -> int:
        """Start *entry* in a new process, as `Zygote.fork` does, however many zygotes it takes."""
        while True:
            await self._ready.wait()
            zygote = self._zygote
            try:
                async with asyncio.timeout(timeout_s):
                    pid = await zygote.fork(entry, argv, group=group, output=output)
            except ConnectionError:
                await asyncio.sleep(0)  # Its end of file is about to be read.
                continue
            except TimeoutError:
                log.error("the zygote (pid %d) does not answer: killed", zygote.pid)
                _kill(zygote.pid)
                self._ready.clear()
                continue
            self._respawn_after_s = 0.0
            return pid

    def _lost(self) -> None:
        """Start another zygote: at once, then later and later while each dies before a fork."""
        log.error("the zygote (pid %d) died; starting another", self._zygote.pid)
        self._ready.clear()
        self._on_lost()
        asyncio.get_running_loop().call_later(self._respawn_after_s, self._start_another)
        self._respawn_after_s = min(
            max(2 * self._respawn_after_s, _RESPAWN_FIRST_S), _RESPAWN_MAX_S
        )

    def _start_another(self) -> None:
        try:
            self._attach(self._respawn())
        except OSError as error:
            log.error("no zygote: %s", error)
            asyncio.get_running_loop().call_later(_RESPAWN_MAX_S, self._start_another)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass  # It went by itself.
