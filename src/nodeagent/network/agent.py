"""Keeps the datapath's network tables in step with the cluster's Nodes.

Level-triggered per node: whatever is told of a node, its entries are computed anew and the
difference to its last ones is applied. When this node has its podCIDR and its own entries are
wanted, the rest of the nodeagent is told that pods can be attached.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from ipaddress import ip_network

from kubeapi.objects import Object, annotations_of, name_of
from nodeagent.network.provider import Network, Provider, TableEntry
from nodeagent.tables import Key, Tables, key_of

log = logging.getLogger(__name__)

_TABLES = ("vtep", "address", "route", "neighbour", "fdb")


class NetworkAgent:
    """The tables of one node, by the nodes that they come from."""

    def __init__(self, node_name: str, provider: Provider, tables: Tables) -> None:
        self._node_name, self._provider, self._tables = node_name, provider, tables
        self._entries: dict[str, list[TableEntry]] = {}
        #: Which node an entry belongs to: two nodes may claim one key for a moment.
        self._owners: dict[tuple[str, Key], str] = {}
        self.pod_cidrs: tuple[Network, ...] = ()
        #: Remote nodes heard of before this node has a device that their entries can name.
        self._waiting: dict[str, Object] = {}
        self.on_pod_cidrs: Callable[[tuple[Network, ...]], None] = lambda _cidrs: None

    def node_changed(self, node: Object) -> None:
        """Look at *node* as it is now."""
        if name_of(node) != self._node_name:
            if not self.pod_cidrs:
                self._waiting[name_of(node)] = node
            else:
                self._set_entries(name_of(node), self._provider.remote_entries(node))
            return
        spec = node.get("spec", {})
        texts = spec.get("podCIDRs") or [spec.get("podCIDR")]
        cidrs = tuple(ip_network(text) for text in texts if text)
        if not cidrs:
            return
        self._set_entries(self._node_name, self._provider.own_entries(cidrs))
        if not self.pod_cidrs:
            self.pod_cidrs = cidrs
            log.info("podCIDRs are %s", ", ".join(map(str, cidrs)))
            for waiting in self._waiting.values():
                self.node_changed(waiting)
            self._waiting.clear()
            self.on_pod_cidrs(cidrs)

    def node_deleted(self, node: Object) -> None:
        """Forget a remote node. This node's own entries stay: pods may still run here."""
        if name_of(node) != self._node_name:
            self._waiting.pop(name_of(node), None)
            self._set_entries(name_of(node), [])

    def all_known(self) -> None:
        """Every node has been told once: entries of nodes that are gone may go."""
        self._tables.claim(*_TABLES)

    def missing_annotations(self, node: Object) -> dict[str, str]:
        """Return what this node's Node object does not say yet."""
        present = annotations_of(node)
        wanted = self._provider.annotations()
        return {name: text for name, text in wanted.items() if present.get(name) != text}

    def _set_entries(self, name: str, entries: list[TableEntry]) -> None:
        old = self._entries.get(name, [])
        if old == entries:
            return
        self._entries[name] = entries
        kept = {(table, key_of(table, entry)): None for table, entry in entries}
        for table, entry in old:
            place = (table, key_of(table, entry))
            if place not in kept and self._owners.get(place) == name:
                del self._owners[place]
                self._tables.delete(table, place[1])
        for table, entry in entries:
            self._owners[table, key_of(table, entry)] = name
            self._tables.replace(table, entry)
        if not entries:
            del self._entries[name]
