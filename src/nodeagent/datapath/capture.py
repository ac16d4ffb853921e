"""Capture taps: frames told to those who asked, until their connection closes.

While nobody captures, a batch of frames costs one look at an empty dict. While somebody does,
frames come one by one (`observed`), and what one turn of the event loop brings is told at once,
each frame with the words of its verdict, which is complete by then. A reader that is too slow
loses frames, not we memory, and is told how many.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Final

from componentbase.clock import wall_ns
from componentbase.rpc import Connection
from netdev.capture_filter.match import Predicate, compile_tree
from netdev.capture_filter.parse import parse
from nodeagent.datapath.devices import ANY, Tap
from nodeagent.datapath.node import Node
from nodeagent.datapath.packet import Octets
from nodeagent.datapath.verdict import Verdict

_BACKLOG_OCTETS_MAX: Final = 8 * 1024 * 1024
_TURN_OCTETS_MAX: Final = 1024 * 1024
_SNAPLEN_MAX: Final = 262_144  # As tcpdump's default.

#: When, interface, direction, what is kept of the frame, its length, and what became of it.
_Item = tuple[int, str, str, bytes, int, Verdict | None]


class Captures:
    """The open captures of *node*."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._readers: dict[Connection, _Reader] = {}
        self._open: dict[Connection, list[tuple[str, Tap]]] = {}

    def open(
        self,
        connection: Connection,
        interface: str,
        snaplen: int,
        wanted: str,
        *,
        dropped: bool = False,
    ) -> None:
        """Tell *connection* of frames at *interface*: all, or those that a filter wants.

        With *dropped* only of those that were dropped, each once.

        Raises ValueError for what makes no sense.
        """
        node = self._node
        known = [node.eth0.name, node.bridge.name, *([node.vtep.name] if node.vtep else [])]
        if interface not in (ANY, *known, *node.ports):
            there = ", ".join((*known, ANY))
            raise ValueError(f"no interface {interface}: there are {there} and the pods' own")
        if not 0 <= snaplen <= _SNAPLEN_MAX:
            raise ValueError(f"snaplen is 0 to {_SNAPLEN_MAX}")
        predicates = _predicates(wanted)
        reader = self._readers.setdefault(connection, _Reader(connection, node))
        reader.only_dropped = dropped
        tap = reader.tap_with(snaplen or _SNAPLEN_MAX, predicates)
        node.taps.setdefault(interface, []).append(tap)
        self._open.setdefault(connection, []).append((interface, tap))

    def close(self, connection: Connection) -> None:
        """End what *connection* has opened."""
        self._readers.pop(connection, None)
        taps = self._node.taps
        for interface, tap in self._open.pop(connection, ()):
            taps[interface].remove(tap)
            if not taps[interface]:
                del taps[interface]


def _predicates(wanted: str) -> dict[str, Predicate]:
    """Return what tells which frames are wanted, by their direction; raises FilterError."""
    if not wanted:
        return {"in": _everything, "out": _everything}
    parsed = parse(wanted)
    return {direction: compile_tree(parsed, direction) for direction in ("in", "out")}


def _everything(_frame: Octets) -> bool:
    return True


class _Reader:
    """What a connection has not been told yet."""

    def __init__(self, connection: Connection, node: Node) -> None:
        self._connection, self._node = connection, node
        self._items: list[_Item] = []
        self._octets = 0
        self._dropped: Counter[str] = Counter()
        self.only_dropped = False

    def tap_with(self, snaplen: int, wanted: dict[str, Predicate]) -> Tap:
        """Return a tap that keeps the first *snaplen* octets of each frame that is *wanted*."""

        def tap(interface: str, direction: str, frame: Octets) -> None:
            if not wanted[direction](frame):
                return
            if self._octets >= _TURN_OCTETS_MAX:
                self._tell()
            if self._connection.backlog_octets >= _BACKLOG_OCTETS_MAX:
                self._dropped[interface] += 1
                return
            if not self._items:
                asyncio.get_running_loop().call_soon(self._tell)
            kept, verdict = bytes(frame[:snaplen]), self._node.verdict
            self._octets += len(kept)
            self._items.append((wall_ns(), interface, direction, kept, len(frame), verdict))

        return tap

    def _tell(self) -> None:
        if self._items:
            items = [
                (*item, "" if verdict is None else verdict.text(self._node))
                for *item, verdict in (self._drops() if self.only_dropped else self._items)
            ]
            told = {"items": items, "dropped": dict(self._dropped)}
            self._items, self._octets = [], 0
            self._dropped.clear()
            if items or told["dropped"]:
                self._connection.tell("packets", told)

    def _drops(self) -> list[_Item]:
        """Return the frames that were dropped, each where it was seen first."""
        found: dict[int, _Item] = {}
        for item in self._items:
            verdict = item[-1]
            if verdict is not None and verdict.drops:
                found.setdefault(id(verdict), item)
        return list(found.values())
