"""Services: which endpoint a new connection goes to (what kube-proxy's chains decide).

A frontend is found with one or two dict look-ups, whatever the number of Services. An endpoint is
chosen at random, each with 1/n; with ClientIP affinity the one that the client had within
`affinity_s` is kept while it still is an endpoint. At most `_CLIENTS_MAX` clients per Service are
remembered, the one that came first is forgotten.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from netstack.wire.ipv4 import PROTOCOL_TCP, PROTOCOL_UDP
from nodeagent.datapath import tables
from nodeagent.datapath.packet import IPV6_FROM, number_of

_CLIENTS_MAX: Final = 10_000
PROTOCOLS: Final = {"TCP": PROTOCOL_TCP, "UDP": PROTOCOL_UDP}

#: Any IPv4 address of this node, and any IPv6 one: no address is either.
_ANY, _ANY6 = 0, 1 << 128

Key = tuple[int, int, int]  # Address, port, protocol.
Endpoint = tuple[int, int]  # Address, port.


def key_of(address: str, port: int, protocol: str) -> Key:
    """Return the key of a frontend; raises ValueError or KeyError when a part makes no sense."""
    number = {"": _ANY, "::": _ANY6}.get(address)
    if number is None:
        number = number_of(ip_address(address))
    return (number, port, PROTOCOLS[protocol])


def any_address(address: int) -> int:
    """Return what stands for any address of this node that has the family of *address*."""
    return _ANY if address < IPV6_FROM else _ANY6


@dataclass(frozen=True, slots=True)
class Frontend:
    """A frontend ready for look-ups."""

    key: Key
    entry: tables.Frontend
    endpoints: tuple[Endpoint, ...]

    @classmethod
    def of(cls, entry: tables.Frontend) -> Frontend:
        """Translate texts; raises ValueError when one makes no sense."""
        key = key_of(entry.address, entry.port, entry.protocol)
        endpoints = tuple(
            (number_of(ip_address(backend.address)), backend.port) for backend in entry.backends
        )
        is_ipv6 = key[0] >= IPV6_FROM
        if any((address >= IPV6_FROM) is not is_ipv6 for address, _ in endpoints):
            raise ValueError(f"{entry.service} needs endpoints of its own family")
        return cls(key, entry, endpoints)


class FrontendTable:
    """Frontends by address, port and protocol, and who goes where."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._frontends: dict[Key, Frontend] = {}
        self._clients: dict[str, dict[int, tuple[Endpoint, float]]] = {}

    def replace(self, frontend: Frontend) -> frozenset[Endpoint]:
        """Add or change a frontend; return the endpoints that it no longer has."""
        old = self._frontends.get(frontend.key)
        self._frontends[frontend.key] = frontend
        if not frontend.entry.affinity_s:
            self._clients.pop(frontend.entry.service, None)
        return frozenset(old.endpoints if old else ()) - frozenset(frontend.endpoints)

    def delete(self, key: Key) -> Frontend | None:
        """Remove a frontend and return it."""
        old = self._frontends.pop(key, None)
        if old is not None:
            self._clients.pop(old.entry.service, None)
        return old

    def get(self, key: Key) -> Frontend | None:
        """Return the frontend with exactly this key."""
        return self._frontends.get(key)

    def lookup(self, address: int, port: int, protocol: int, *, local: bool) -> Frontend | None:
        """Return the frontend of a packet's destination; *local*: it is this node's own."""
        found = self._frontends.get((address, port, protocol))
        if found is None and local:
            return self._frontends.get((any_address(address), port, protocol))
        return found

    def choose(self, frontend: Frontend, client: int, now: float) -> Endpoint | None:
        """Return the endpoint for a new connection of *client*; None when there is none."""
        if not frontend.endpoints:
            return None
        lifetime_s = frontend.entry.affinity_s
        if not lifetime_s:
            return self._rng.choice(frontend.endpoints)
        clients = self._clients.setdefault(frontend.entry.service, {})
        endpoint, seen_at = clients.pop(client, (None, 0.0))
        if endpoint not in frontend.endpoints or now - seen_at >= lifetime_s:
            endpoint = self._rng.choice(frontend.endpoints)
        assert endpoint is not None
        clients[client] = endpoint, now
        if len(clients) > _CLIENTS_MAX:
            del clients[next(iter(clients))]
        return endpoint

    def entries(self) -> list[Frontend]:
        """Return every frontend."""
        return list(self._frontends.values())
