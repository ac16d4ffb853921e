"""What happens to connections, told to those who watch (`conntrack -E`; Linux nf_conntrack_ecache).

While nobody watches the table has no watcher, and a connection calls nobody. What one turn of the
event loop brings is told at once, one event for each state that a connection enters, as Linux has
one for each packet. A reader that is too slow loses events, not we memory, and is told how many.
"""

from __future__ import annotations

import asyncio
from typing import Final

from componentbase.clock import Clock, wall_ns
from componentbase.rpc import Connection as Reader
from nodeagent.datapath import listing
from nodeagent.datapath.conntrack.connection import Connection
from nodeagent.datapath.conntrack.table import ConntrackTable
from nodeagent.datapath.conntrack.tcp import TcpState

_BACKLOG_OCTETS_MAX: Final = 1024 * 1024
_TURN_EVENTS_MAX: Final = 10_000

_Key = tuple[str, Connection, TcpState]


class ConntrackEvents:
    """Those who watch *table*."""

    def __init__(self, table: ConntrackTable, clock: Clock) -> None:
        self._table, self._clock = table, clock
        self._readers: dict[Reader, int] = {}  # And how many events each has lost.
        self._events: dict[_Key, listing.Row] = {}

    def open(self, reader: Reader) -> None:
        """Tell *reader* from now on."""
        self._readers[reader] = 0
        self._table.set_watch(self._note)

    def close(self, reader: Reader) -> None:
        """Tell *reader* no more."""
        self._readers.pop(reader, None)
        if not self._readers:
            self._table.set_watch(None)

    def _note(self, kind: str, connection: Connection) -> None:
        if not self._events:
            asyncio.get_running_loop().call_soon(self._tell)
        if len(self._events) >= _TURN_EVENTS_MAX:
            for reader in self._readers:
                self._readers[reader] += 1
            return
        key = (kind, connection, connection.tcp_state)
        if key not in self._events:
            row = listing.connection(connection, self._clock())
            self._events[key] = {"event": kind, "at_ns": wall_ns(), **row}

    def _tell(self) -> None:
        events, self._events = self._events, {}
        for (kind, connection, _), row in events.items():
            if kind != "NEW":
                row["unreplied"] = not connection.seen_reply  # Noted behind the state.
        rows = list(events.values())
        for reader, lost in self._readers.items():
            if reader.backlog_octets >= _BACKLOG_OCTETS_MAX:
                self._readers[reader] += len(rows)
                continue
            reader.tell("conntrack_events", {"events": rows, "dropped": lost})
            self._readers[reader] = 0
