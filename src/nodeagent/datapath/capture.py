"""Capture taps: frames told to those who asked, until their connection closes.

While nobody captures, a batch of frames costs one look at an empty dict. While somebody does, every
frame takes the slow path, where the taps are. A reader that is too slow loses frames, not we
memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from componentbase.clock import wall_ns
from componentbase.rpc import Connection
from nodeagent.datapath.devices import Tap
from nodeagent.datapath.node import Node

_BACKLOG_OCTETS_MAX: Final = 8 * 1024 * 1024
_SNAPLEN_MAX: Final = 262_144  # As tcpdump's default.


class Captures:
    """The open captures of *node*."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._open: dict[Connection, list[tuple[str, Tap]]] = {}

    def open(self, connection: Connection, interface: str, snaplen: int) -> None:
        """Tell *connection* of every frame at *interface*; raises ValueError if there is none."""
        node = self._node
        known = {node.bridge.name, node.eth0.name, *node.ports}
        if node.vtep is not None:
            known.add(node.vtep.name)
        if interface not in known:
            raise ValueError(f"no interface {interface}")
        tap = _tap(connection, snaplen or _SNAPLEN_MAX)
        node.taps.setdefault(interface, []).append(tap)
        self._open.setdefault(connection, []).append((interface, tap))

    def close(self, connection: Connection) -> None:
        """End what *connection* has opened."""
        taps = self._node.taps
        for interface, tap in self._open.pop(connection, ()):
            taps[interface].remove(tap)
            if not taps[interface]:
                del taps[interface]


def _tap(connection: Connection, snaplen: int) -> Callable[[str, str, bytes], None]:
    def tap(interface: str, direction: str, frame: bytes) -> None:
        if connection.backlog_octets < _BACKLOG_OCTETS_MAX:
            item = [wall_ns(), interface, direction, frame[:snaplen]]
            connection.tell("packets", {"items": [item]})

    return tap
