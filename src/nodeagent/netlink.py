"""Carries the wanted tables to the datapath, and reads back what it knows (contracts.md §3).

After each new connection the datapath's tables are listed first, so that a datapath that kept
running sees only differences and one that restarted gets everything again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from componentbase.rpc import RpcError
from kubeapi.objects import Object
from nodeagent.peer import CONNECTION_CODES, Caller, Peer
from nodeagent.tables import KEYS, Change, Tables

log = logging.getLogger(__name__)

_RETRY_S: Final = 0.2


class Netlink:
    """The node's one writer to `netlink.sock`."""

    def __init__(self, peer: Peer, settings: Object, *, tables: Tables) -> None:
        self._peer = peer
        self._peer.on_state = self._state_changed
        self._settings = settings
        self.tables = tables
        self._dirty = asyncio.Event()
        self._settled = asyncio.Event()
        tables.on_dirty = self._wake
        self.on_state: Callable[[bool], None] = lambda _connected: None

    @property
    def connected(self) -> bool:
        """Tell whether the datapath is reachable."""
        return self._peer.connected

    @property
    def pid(self) -> int:
        """Return the datapath's process, 0 while it is not reachable."""
        return self._peer.pid

    def _wake(self) -> None:
        self._settled.clear()
        self._dirty.set()

    def _state_changed(self, connected: bool) -> None:
        self._wake()
        self.on_state(connected)

    async def settled(self, timeout_s: float) -> bool:
        """Wait until everything wanted is in the datapath; return False after *timeout_s*."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._settled.wait()
        except TimeoutError:
            return False
        return True

    async def change_settings(self, **changes: object) -> None:
        """Have other settings, now and whenever the datapath begins anew."""
        self._settings = {**self._settings, **changes}
        if self._peer.connected:
            try:
                await self._peer.call("settings", self._settings)
            except RpcError as error:
                if error.code not in CONNECTION_CODES:
                    log.error("the datapath refused settings %s: %s", self._settings, error)

    async def run_connection(self) -> None:
        """Keep the connection for ever."""
        await self._peer.run(self._greet)

    async def _greet(self, client: Caller) -> None:
        await client.call("settings", self._settings)
        for table in KEYS:
            rows = await client.call(f"{table}_list", {})
            assert isinstance(rows, list)
            self.tables.observed(table, rows)

    async def run_tables(self) -> None:
        """Carry changes for ever, each as soon as it is known."""
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            if self._peer.connected and not await self._flush():
                await asyncio.sleep(_RETRY_S)
                self._dirty.set()

    async def _flush(self) -> bool:
        changes = self.tables.changes()
        for change in changes:
            if not await self._apply(change):
                return False
        if not self._dirty.is_set():
            self._settled.set()
        return True

    async def _apply(self, change: Change) -> bool:
        method, params = change.call()
        try:
            await self._peer.call(method, params)
        except RpcError as error:
            if error.code in CONNECTION_CODES:
                return False
            if len(change.entries) > 1:
                return await self._apply_one_by_one(change)
            log.error("the datapath refused %s %s: %s", method, params, error)
        self.tables.applied(change)
        return True

    async def _apply_one_by_one(self, change: Change) -> bool:
        """Let one bad entry not keep its whole batch out."""
        for key, entry in change.entries.items():
            one = Change(table=change.table, entries={key: entry}, deleted=())
            if not await self._apply(one):
                return False
        return True
