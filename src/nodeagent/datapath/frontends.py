"""Services: which endpoint a new connection goes to (what kube-proxy's chains decide).

A frontend is found with one or two dict look-ups, whatever the number of Services. An endpoint is
chosen at random, each with 1/n, or by a scheduler of IPVS; with ClientIP affinity the one that the
client had within `affinity_s` is kept while it still is an endpoint. At most `_CLIENTS_MAX` clients
per Service are remembered, the one that came first is forgotten.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final

from netstack.wire.ipv4 import PROTOCOL_TCP, PROTOCOL_UDP
from nodeagent.datapath import tables
from nodeagent.datapath.packet import IPV6_FROM, FlowTuple, number_of
from nodeagent.datapath.policy import holds
from nodeagent.datapath.schedulers import Destination, Endpoint, VirtualService

_CLIENTS_MAX: Final = 10_000
PROTOCOLS: Final = {"TCP": PROTOCOL_TCP, "UDP": PROTOCOL_UDP}

#: Any IPv4 address of this node, and any IPv6 one: no address is either.
_ANY, _ANY6 = 0, 1 << 128

Key = tuple[int, int, int]  # Address, port, protocol.


def key_of(address: str, port: int, protocol: str) -> Key:
    """Return the key of a frontend; raises ValueError or KeyError when a part makes no sense."""
    number = {"": _ANY, "::": _ANY6}.get(address)
    if number is None:
        number = number_of(ip_address(address))
    return (number, port, PROTOCOLS[protocol])


def any_address(address: int) -> int:
    """Return what stands for any address of this node that has the family of *address*."""
    return _ANY if address < IPV6_FROM else _ANY6


def _endpoints(backends: Iterable[tables.Backend]) -> tuple[Endpoint, ...]:
    return tuple((number_of(ip_address(each.address)), each.port) for each in backends)


@dataclass(frozen=True, slots=True)
class Frontend:
    """A frontend ready for look-ups."""

    key: Key
    entry: tables.Frontend
    endpoints: tuple[Endpoint, ...]
    #: Of those from outside, where the node's own endpoints alone may serve them.
    local: tuple[Endpoint, ...] | None = None
    retained: tuple[Endpoint, ...] = ()
    ranges: tuple[IPv4Network | IPv6Network, ...] = ()

    @classmethod
    def of(cls, entry: tables.Frontend) -> Frontend:
        """Translate texts; raises ValueError when one makes no sense."""
        key = key_of(entry.address, entry.port, entry.protocol)
        found = cls(
            key,
            entry,
            _endpoints(entry.backends),
            None if entry.local_backends is None else _endpoints(entry.local_backends),
            _endpoints(entry.retained),
            tuple(map(ip_network, entry.source_ranges)),
        )
        is_ipv6 = key[0] >= IPV6_FROM
        if any((address >= IPV6_FROM) is not is_ipv6 for address, _ in found.serving):
            raise ValueError(f"{entry.service} needs endpoints of its own family")
        if any((each.version == 6) is not is_ipv6 for each in found.ranges):
            raise ValueError(f"{entry.service} needs source ranges of its own family")
        return found

    @property
    def serving(self) -> frozenset[Endpoint]:
        """Whose flows of UDP stay."""
        return frozenset((*self.endpoints, *(self.local or ()), *self.retained))

    def admits(self, source: int) -> bool:
        """Tell whether *source* is within the ranges that may come."""
        return not self.ranges or any(holds(network, source) for network in self.ranges)


class FrontendTable:
    """Frontends by address, port and protocol, and who goes where."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._frontends: dict[Key, Frontend] = {}
        self._listening: dict[Key, Frontend] = {}  # Of them, those that this machine can dial.
        #: Grows when one of these comes or goes, and not with their endpoints.
        self.listeners_changed = 0
        self._clients: dict[str, dict[int, tuple[Endpoint, float]]] = {}
        self._virtual: dict[Key, VirtualService] = {}
        self._guards = 0  # Frontends that stand for all other ports of their address.

    def replace(self, frontend: Frontend) -> None:
        """Add or change a frontend."""
        key, entry = frontend.key, frontend.entry
        self._guards += key[1] == 0 and key not in self._frontends
        self._frontends[key] = frontend
        self._note_listener(key, frontend if entry.listen else None)
        if not entry.affinity_s:
            self._clients.pop(entry.service, None)
        if entry.scheduler == "random":
            self._virtual.pop(key, None)
            return
        virtual = self._virtual.get(key)
        if virtual is None or virtual.name != entry.scheduler:
            virtual = self._virtual[key] = VirtualService(entry.scheduler)
        virtual.set_destinations(_weights(frontend), graceful=key[2] == PROTOCOL_TCP)

    def delete(self, key: Key) -> Frontend | None:
        """Remove a frontend and return it."""
        old = self._frontends.pop(key, None)
        if old is not None:
            self._guards -= key[1] == 0
            self._note_listener(key, None)
            self._clients.pop(old.entry.service, None)
            self._virtual.pop(key, None)
        return old

    def _note_listener(self, key: Key, frontend: Frontend | None) -> None:
        self.listeners_changed += (key in self._listening) is (frontend is None)
        if frontend is None:
            self._listening.pop(key, None)
        else:
            self._listening[key] = frontend

    def get(self, key: Key) -> Frontend | None:
        """Return the frontend with exactly this key."""
        return self._frontends.get(key)

    def virtual(self, key: Key) -> VirtualService | None:
        """Return what schedules the connections of a frontend, unless chance does."""
        return self._virtual.get(key)

    def lookup(self, address: int, port: int, protocol: int, *, local: bool) -> Frontend | None:
        """Return the frontend of a packet's destination; *local*: it is this node's own."""
        found = self._frontends.get((address, port, protocol))
        if found is None and local:
            found = self._frontends.get((any_address(address), port, protocol))
        if found is None and self._guards:
            return self._frontends.get((address, 0, protocol))
        return found

    def choose(
        self, frontend: Frontend, candidates: Sequence[Endpoint], flow: FlowTuple, now: float
    ) -> Endpoint | None:
        """Return which of *candidates* a new connection gets; None when there is nobody."""
        if not candidates:
            return None
        lifetime_s = frontend.entry.affinity_s
        if not lifetime_s:
            return self._choose_anew(frontend, candidates, flow, now)
        clients = self._clients.setdefault(frontend.entry.service, {})
        endpoint, seen_at = clients.pop(flow.source, (None, 0.0))
        if endpoint not in candidates or now - seen_at >= lifetime_s:
            endpoint = self._choose_anew(frontend, candidates, flow, now)
        if endpoint is None:
            return None
        clients[flow.source] = endpoint, now
        if len(clients) > _CLIENTS_MAX:
            del clients[next(iter(clients))]
        return endpoint

    def _choose_anew(
        self, frontend: Frontend, candidates: Sequence[Endpoint], flow: FlowTuple, now: float
    ) -> Endpoint | None:
        virtual = self._virtual.get(frontend.key) if self._virtual else None
        if virtual is None:
            at = int(self._rng.random() * len(candidates))  # As choice, in a tenth of its time.
            return candidates[at]
        return virtual.schedule(candidates, flow, now)

    def destination(self, frontend: Frontend, endpoint: Endpoint) -> Destination:
        """Return what counts the connections that *endpoint* has by a scheduled *frontend*."""
        return self._virtual[frontend.key].destination(endpoint)

    def entries(self) -> list[Frontend]:
        """Return every frontend."""
        return list(self._frontends.values())

    def listening(self) -> list[Frontend]:
        """Return those with a listener on this machine."""
        return list(self._listening.values())


def _weights(frontend: Frontend) -> dict[Endpoint, int]:
    entry = frontend.entry
    weights = dict(
        zip(frontend.local or (), (each.weight for each in entry.local_backends or ()), strict=True)
    )
    weights.update(zip(frontend.endpoints, (each.weight for each in entry.backends), strict=True))
    return weights
