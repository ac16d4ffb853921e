"""host-local IPAM: addresses of one subnet, each a file that names its owner.

A file per address (upstream: containernetworking/plugins `host-local` backend/disk) survives a
SIGKILL of the agent at any moment: an address is taken by creating its file exclusively, and
given back by removing it. A file without an owner was torn by such a kill and is removed.
Allocation goes round the subnet, so an address is reused as late as possible.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Final

_LAST_RESERVED: Final = "last_reserved_ip.0"


class NoAddressesAvailable(Exception):
    """Every address of the subnet has an owner."""


class HostLocal:
    """The addresses of *subnet* on this node; `.1` is the gateway."""

    def __init__(self, directory: Path, subnet: IPv4Network) -> None:
        assert subnet.num_addresses >= 4
        self._directory = directory
        self.subnet = subnet
        self.gateway = subnet[1]
        self._first, self._last = int(subnet[2]), int(subnet[-2])
        directory.mkdir(parents=True, exist_ok=True)
        self._owners: dict[str, IPv4Address] = {}
        self._taken: dict[IPv4Address, str] = {}
        self._load()
        self._last_reserved = self._read_last_reserved()

    def _load(self) -> None:
        for path in sorted(self._directory.iterdir()):
            if path.name == _LAST_RESERVED:
                continue
            owner = path.read_text().strip()
            address = IPv4Address(path.name)
            if not owner or owner in self._owners or address not in self.subnet:
                path.unlink()
                continue
            self._owners[owner], self._taken[address] = address, owner

    def _read_last_reserved(self) -> int:
        try:
            return int(IPv4Address((self._directory / _LAST_RESERVED).read_text().strip()))
        except (OSError, ValueError):
            return self._first - 1

    @property
    def owners(self) -> Mapping[str, IPv4Address]:
        """Return who has which address."""
        return self._owners

    def allocate(self, owner: str) -> IPv4Address:
        """Return *owner*'s address, a new one if it has none; raises NoAddressesAvailable."""
        held = self._owners.get(owner)
        if held is not None:
            return held
        address = self._next_free()
        self._take(address, owner)
        self._last_reserved = int(address)
        (self._directory / _LAST_RESERVED).write_text(str(address))
        return address

    def _next_free(self) -> IPv4Address:
        count = self._last - self._first + 1
        start = self._last_reserved + 1 - self._first
        for step in range(count):
            address = IPv4Address(self._first + (start + step) % count)
            if address not in self._taken:
                return address
        first, last = IPv4Address(self._first), IPv4Address(self._last)
        raise NoAddressesAvailable(f"no IP addresses available in range set: {first}-{last}")

    def reserve(self, owner: str, address: IPv4Address) -> bool:
        """Give *owner* the address that it is known to use; False when that cannot be."""
        if self._owners.get(owner) == address:
            return True
        if owner in self._owners or address in self._taken or address not in self.subnet:
            return False
        self._take(address, owner)
        return True

    def _take(self, address: IPv4Address, owner: str) -> None:
        path = self._directory / str(address)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(descriptor, owner.encode())
        finally:
            os.close(descriptor)
        self._owners[owner], self._taken[address] = address, owner

    def release(self, owner: str) -> IPv4Address | None:
        """Take *owner*'s address back; return it, or None when it had none."""
        address = self._owners.pop(owner, None)
        if address is not None:
            del self._taken[address]
            (self._directory / str(address)).unlink(missing_ok=True)
        return address

    def collect(self, live: Iterable[str]) -> list[str]:
        """Release what belongs to nobody in *live* (CNI's GC); return those owners."""
        living = dict.fromkeys(live)
        leaked = [owner for owner in self._owners if owner not in living]
        for owner in leaked:
            self.release(owner)
        return leaked
