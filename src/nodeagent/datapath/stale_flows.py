"""Flows whose endpoint no longer serves (kube-proxy: pkg/proxy/conntrack/cleanup.go).

Of UDP every flow of a Service goes that does not lead to an endpoint that serves: also one that
began before the Service was there and was never translated. A Service that has lost all its
endpoints, or that was deleted, is left alone. Of TCP, which kube-proxy never touches, those go that
nobody has answered: a SYN that is sent again, or the next connection from its port within two
minutes, would go to the dead endpoint. An answered connection learns from its endpoint that it has
gone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netstack.wire.ipv4 import PROTOCOL_TCP, PROTOCOL_UDP
from nodeagent.datapath.frontends import Frontend, Key, any_address
from nodeagent.datapath.schedulers import Endpoint

if TYPE_CHECKING:
    from nodeagent.datapath.conntrack.connection import Connection
    from nodeagent.datapath.node import Node


class Stale:
    """What a batch of changed frontends makes stale; one look at conntrack finds it."""

    def __init__(self) -> None:
        self._serving: dict[Key, frozenset[Endpoint]] = {}  # Of UDP.
        self._gone: dict[Key, frozenset[Endpoint]] = {}  # Of TCP.

    def note(self, old: Frontend | None, new: Frontend | None) -> None:
        """Note that a frontend was *old* and is *new*."""
        before = frozenset() if old is None else old.serving
        after = frozenset() if new is None else new.serving
        if new is not None and new.key[2] == PROTOCOL_UDP:
            if after and (old is None or before != after):
                self._serving[new.key] = after
        elif old is not None and old.key[2] == PROTOCOL_TCP and before - after:
            self._gone[old.key] = before - after

    def forget(self, node: Node) -> None:
        """Let conntrack forget what is stale: its next packet finds another endpoint."""
        if not self._serving and not self._gone:
            return
        for connection in node.conntrack:
            if self._is_stale(node, connection):
                node.conntrack.delete(connection)

    def _is_stale(self, node: Node, connection: Connection) -> bool:
        original, reply = connection.original, connection.reply
        endpoint = reply.source, reply.source_port
        if original.protocol == PROTOCOL_UDP:
            serving = _of_frontend(node, connection, self._serving)
            return serving is not None and endpoint not in serving
        if original.protocol != PROTOCOL_TCP or connection.seen_reply:
            return False
        gone = _of_frontend(node, connection, self._gone)
        return gone is not None and endpoint in gone


def _of_frontend(
    node: Node, connection: Connection, found: dict[Key, frozenset[Endpoint]]
) -> frozenset[Endpoint] | None:
    """Return what is said of the frontend that *connection* asked for."""
    if not found:
        return None
    protocol, _, _, address, port = connection.original
    key = address, port, protocol
    if key not in found and node.is_local(address) and node.frontends.get(key) is None:
        key = any_address(address), port, protocol
    return found.get(key)
