"""Whether the store answers (upstream: the `etcd` check of /readyz), asked twice a second.

What is lost and what comes back is noted in the journal: a cluster's timeline shows when its
control plane could not write.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from componentbase.clock import Clock
from componentbase.journal import Journal
from controlplane.storage.interface import StorageError, Store

log = logging.getLogger(__name__)

_LOOK_S: Final = 0.5
#: An answer that takes longer is none (upstream: --etcd-readycheck-timeout, 2 s). A server that is
#: cut off must be seen and left before the nodes that use it count as lost, after 5 s in the lab.
_ANSWER_S: Final = 1.5


class StoreHealth:
    """Asks the store, remembers the answer, notes the changes."""

    def __init__(self, store: Store, journal: Journal, clock: Clock) -> None:
        self._store, self._journal, self._clock = store, journal, clock
        self.is_well = True

    async def run(self) -> None:
        lost_at = 0.0
        while True:
            began = self._clock()
            why = await self._look()
            if why and self.is_well:
                lost_at, self.is_well = began, False
                await self._tell(why)
            elif not why and not self.is_well:
                away_s = round(self._clock() - lost_at, 3)
                log.info("the store answers again after %.1f s", away_s)
                self._journal.note("store-back", "store", away_s=away_s)
            self.is_well = not why
            await asyncio.sleep(max(0.0, began + _LOOK_S - self._clock()))

    async def _tell(self, why: str) -> None:
        """Note that the store is lost, with what those say of themselves who keep it."""
        report = await self._store.report()
        error = f"{why} ({report})" if report else why
        log.warning("the store does not answer: %s", error)
        self._journal.note("store-lost", "store", error=error)

    async def _look(self) -> str:
        """Return what is wrong; empty when nothing is."""
        try:
            async with asyncio.timeout(_ANSWER_S):
                await self._store.revision()
        except TimeoutError:
            return f"no answer in {_ANSWER_S:g} s"
        except StorageError as error:
            return str(error)
        return ""
