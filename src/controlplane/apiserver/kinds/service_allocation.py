"""Cluster IPs and node ports of Services (upstream: ipallocator, portallocator, service `alloc`).

Each range has two halves: the low band is for those who ask for a number, the rest is given out
at random; only when the rest is used up, the low band is given out, too (KEP-3070, KEP-3668).

A number is taken when the store holds a claim to it, by whichever API server (`claim`), or when a
request of this server is about to make one (`assign`, until `release`). A claim of a Service
that is not there yet, as a server that died in between leaves it, does not stand against that
Service itself. Every number has a name: `serviceips/10.96.0.10`, `servicenodeports/30080`.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from itertools import zip_longest
from typing import Final

from controlplane.apiserver.kinds.go_syntax import go_strings
from controlplane.apiserver.kinds.service.families import FAMILIES, family_of
from controlplane.apiserver.kinds.service.strategy import (
    HEADLESS,
    needs_cluster_ip,
    needs_health_check_port,
    needs_node_ports,
)
from kubeapi import field
from kubeapi.objects import Object, key_of
from kubeapi.status import Cause, internal

ADDRESSES: Final = "serviceips"
NODE_PORTS: Final = "servicenodeports"
_TAKEN: Final = "provided port is already allocated"
_ADDRESS_BAND: Final = (16, 256, 16)  # At least, at most, one in so many (KEP-3070).
_PORT_BAND: Final = (16, 128, 32)  # The same for node ports (KEP-3668).


class Pool:
    """Numbers `first` to `last`, each free or taken."""

    def __init__(
        self, first: int, last: int, band: tuple[int, int, int], rng: random.Random
    ) -> None:
        assert first <= last
        self.first, self.last, self._rng = first, last, rng
        least, most, share = band
        size = last - first + 1
        low = 0 if size < least else min(max(least, size // share), most)
        self._dynamic_first = first + low
        self._taken: set[int] = set()
        self.claims: dict[int, str] = {}  # Number to owner, as the store has them.

    def __contains__(self, number: int) -> bool:
        return self.first <= number <= self.last

    def is_taken(self, number: int, owner: str) -> bool:
        """Tell whether somebody else than *owner* has *number*."""
        return number in self._taken or self.claims.get(number, owner) != owner

    def take(self, number: int) -> None:
        assert number in self
        self._taken.add(number)

    def give_back(self, number: int) -> None:
        self._taken.discard(number)

    def take_any(self) -> int | None:
        """Take a free number, from the low band last; None when there is none."""
        bands = ((self._dynamic_first, self.last), (self.first, self._dynamic_first - 1))
        for first, last in bands:
            if (number := self._free_between(first, last)) is not None:
                self._taken.add(number)
                return number
        return None

    def _free_between(self, first: int, last: int) -> int | None:
        size = last - first + 1
        if size <= 0:
            return None
        start = self._rng.randrange(size)
        for step in range(size):
            number = first + (start + step) % size
            if number not in self._taken and number not in self.claims:
                return number
        return None


class ServiceAllocator:
    """Gives Services their cluster IPs and node ports.

    `assign` takes numbers for as long as a request lasts; `release(new, keep=old)` lets go of them,
    when claims stand for them or the request has failed.
    """

    def __init__(self, service_cidr: str, node_port_range: str, rng: random.Random) -> None:
        """*service_cidr* is one network, or one of each family with a comma between."""
        self._networks = {
            FAMILIES[network.version == 6]: network
            for network in map(ip_network, service_cidr.split(","))
        }
        self._addresses = {
            family: _address_pool(network, rng) for family, network in self._networks.items()
        }
        low, _, high = node_port_range.partition("-")
        self._node_port_range = node_port_range
        self._node_ports = Pool(int(low), int(high), _PORT_BAND, rng)

    def claim(self, name: str, owner: str) -> None:
        """Note that the store holds a claim of the Service *owner*."""
        pool, number = self._number(name)
        if pool is not None:
            pool.claims[number] = owner

    def unclaim(self, name: str) -> None:
        """Note that the store holds that claim no longer."""
        pool, number = self._number(name)
        if pool is not None:
            pool.claims.pop(number, None)

    def _number(self, name: str) -> tuple[Pool | None, int]:
        """Return what *name* names; no pool for a family that the cluster had once."""
        kind, _, text = name.partition("/")
        if kind == NODE_PORTS:
            return self._node_ports, int(text)
        return self._addresses.get(family_of(text)), int(ip_address(text))

    def held(self, service: Object) -> list[str]:
        """Return the names of the numbers of our ranges that *service* holds."""
        return [
            *(
                f"{ADDRESSES}/{ip_address(address)}"
                for address in _addresses_of(service)
                if self._has(address)
            ),
            *(
                f"{NODE_PORTS}/{number}"
                for number in dict.fromkeys(_node_ports_of(service))
                if number in self._node_ports
            ),
        ]

    def release(self, service: Object, *, keep: Object | None = None) -> None:
        """Give back what *service* holds, except what *keep* holds, too."""
        kept_addresses = set(_addresses_of(keep)) if keep else set()
        kept_ports = set(_node_ports_of(keep)) if keep else set()
        for address in _addresses_of(service):
            if address not in kept_addresses and self._has(address):
                self._addresses[family_of(address)].give_back(int(ip_address(address)))
        for number in _node_ports_of(service):
            if number not in kept_ports:
                self._node_ports.give_back(number)

    def assign(self, new: Object, old: Object | None) -> list[Cause]:
        """Give *new* what it needs; on causes, or a StatusError, nothing was taken.

        That a range is full is no fault of the Service: upstream calls it an internal error, and
        likewise a port for health checks that somebody else has.
        """
        held = set(_addresses_of(old or {}))
        given: Object = {"spec": {}}  # What this call took: to give back when it fails.
        causes: list[Cause] = []
        done = False
        try:
            causes += self._assign_addresses(new, held, given["spec"])
            causes += self._assign_ports(new, old, given["spec"])
            done = not causes
        finally:
            if not done:
                self.release(given)
        return causes

    def _has(self, address: str) -> bool:
        pool = self._addresses.get(family_of(address))
        return pool is not None and int(ip_address(address)) in pool

    def _assign_addresses(self, service: Object, held: set[str], given: Object) -> Iterator[Cause]:
        """Let *service* have an address of each of its families, those it names or any."""
        spec = service["spec"]
        if not needs_cluster_ip(service):
            return
        if spec.get("clusterIP") == HEADLESS:
            spec["clusterIPs"] = [HEADLESS]
            return
        named = spec.get("clusterIPs") or [spec.get("clusterIP") or ""]
        given["clusterIPs"], assigned = [], []
        for family, wanted in zip_longest(spec["ipFamilies"], named, fillvalue=""):
            if wanted in held:
                assigned.append(wanted)
                continue
            taken = (
                self._take_address(wanted, key_of(service))
                if wanted
                else self._take_any_address(family)
            )
            if isinstance(taken, Cause):
                yield taken
                return
            given["clusterIPs"].append(taken)
            assigned.append(taken)
        spec["clusterIP"], spec["clusterIPs"] = assigned[0], assigned

    def _take_any_address(self, family: str) -> str:
        number = self._addresses[family].take_any()
        if number is None:
            raise internal("failed to allocate a serviceIP: range is full")
        return str((IPv6Address if family == "IPv6" else IPv4Address)(number))

    def _take_address(self, wanted: str, owner: str) -> str | Cause:
        """Take the address *wanted* and return it, or say why not."""
        network, number = self._networks[family_of(wanted)], int(ip_address(wanted))
        if not self._has(wanted):
            why = (
                f"the provided IP ({wanted}) is not in the valid range. "
                f"The range of valid IPs is {network}"
            )
        elif self._addresses[family_of(wanted)].is_taken(number, owner):
            why = "provided IP is already allocated"
        else:
            self._addresses[family_of(wanted)].take(number)
            return wanted
        detail = f"failed to allocate IP {wanted}: {why}"
        return field.invalid("spec.clusterIPs", go_strings([wanted]), detail)

    def _assign_ports(self, service: Object, old: Object | None, given: Object) -> Iterator[Cause]:
        """Take the ports that are asked for first, then give the others any.

        A new Service has one node port for one port under several protocols, and for no other two;
        upstream looks at neither when a Service is changed.
        """
        ports, mine = service["spec"].get("ports") or [], set(_ports_of(old))
        health_check = _health_check_port_of(old)
        given["ports"] = []
        owner, asked, open_ports = key_of(service), dict[int, int](), []
        for index, port in enumerate(ports):
            if number := port.get("nodePort"):
                path = f"spec.ports[{index}].nodePort"
                if number == health_check:
                    yield field.invalid(path, number, _TAKEN)
                elif number not in mine:
                    yield from self._take_port(number, owner, given, path=path)
                elif old is None and asked.get(number) != port.get("port"):
                    yield field.invalid(path, number, _TAKEN)
                mine.add(number)
                asked.setdefault(number, port.get("port", 0))
            elif needs_node_ports(service):
                open_ports.append(port)
        for port in open_ports:
            shared = self._shared_port(port, ports) if old is None else None
            free = shared or self._node_ports.take_any()
            if free is None:
                raise internal("failed to allocate a nodePort: range is full")
            if free not in mine:
                given["ports"].append({"nodePort": free})
                mine.add(free)
            port["nodePort"] = free
        if needs_health_check_port(service):
            self._assign_health_check_port(service, health_check, mine, given)

    def _shared_port(self, port: Object, ports: list[Object]) -> int | None:
        """Return the node port of the same port under another protocol (DNS over UDP and TCP)."""
        used = {(p.get("protocol"), p.get("nodePort")) for p in ports}
        for other in ports:
            number: int = other.get("nodePort") or 0
            is_twin = other.get("port") == port.get("port") and other is not port
            if number and is_twin and (port.get("protocol"), number) not in used:
                return number
        return None

    def _take_port(self, number: int, owner: str, given: Object, *, path: str) -> Iterator[Cause]:
        if why := self._refusal(number, owner):
            yield field.invalid(path, number, why)
        else:
            self._node_ports.take(number)
            given["ports"].append({"nodePort": number})

    def _refusal(self, number: int, owner: str) -> str:
        """Say why *owner* cannot have the node port *number*, or nothing."""
        if number not in self._node_ports:
            return (
                "provided port is not in the valid range. "
                f"The range of valid ports is {self._node_port_range}"
            )
        taken = self._node_ports.is_taken(number, owner)
        return _TAKEN if taken else ""

    def _assign_health_check_port(
        self, service: Object, held: int, others: set[int], given: Object
    ) -> None:
        """Let *service* have a port that is none of *others*, which its ports have."""
        spec, number = service["spec"], service["spec"].get("healthCheckNodePort")
        if number and number == held:
            return
        if number:
            why = _TAKEN if number in others else self._refusal(number, key_of(service))
            if why:
                raise internal(f"failed to allocate requested HealthCheck NodePort {number}: {why}")
            self._node_ports.take(number)
        else:
            number = self._node_ports.take_any()
            if number is None:
                raise internal("failed to allocate a HealthCheck NodePort 0: range is full")
        spec["healthCheckNodePort"] = given["healthCheckNodePort"] = number


def _address_pool(network: IPv4Network | IPv6Network, rng: random.Random) -> Pool:
    assert network.num_addresses >= 4
    first, last = int(network.network_address) + 1, int(network.broadcast_address)
    # IPv6 has no broadcast address.
    return Pool(first, last - (network.version == 4), _ADDRESS_BAND, rng)


def _addresses_of(service: Object) -> list[str]:
    spec = service.get("spec") or {}
    texts = spec.get("clusterIPs") or [spec.get("clusterIP")]
    return [text for text in texts if text and text != HEADLESS]


def _node_ports_of(service: Object) -> list[int]:
    health_check = _health_check_port_of(service)
    return [*_ports_of(service), *([health_check] if health_check else ())]


def _ports_of(service: Object | None) -> list[int]:
    ports = ((service or {}).get("spec") or {}).get("ports") or ()
    return [number for port in ports if (number := port.get("nodePort"))]


def _health_check_port_of(service: Object | None) -> int:
    return int(((service or {}).get("spec") or {}).get("healthCheckNodePort") or 0)
