"""host-local IPAM: addresses of one subnet, each a file that names its owner.

A file per address (upstream: containernetworking/plugins `host-local` backend/disk) survives a
SIGKILL of the agent at any moment: an address is taken by creating its file exclusively, and
given back by removing it. A file without an owner was torn by such a kill and is removed.
Allocation goes round the subnet, so an address is reused as late as possible. A node with a range
of each family has a HostLocal for each, over one directory.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from pathlib import Path
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

#: By family; upstream counts the ranges of its configuration.
_LAST_RESERVED: Final = {4: "last_reserved_ip.0", 6: "last_reserved_ip.1"}


class NoAddressesAvailable(Exception):
    """Every address of the subnet has an owner."""


class HostLocal:
    """The addresses of *subnet* on this node; the first one is the gateway."""

    def __init__(self, directory: Path, subnet: Network) -> None:
        assert subnet.num_addresses >= 4
        self._directory = directory
        self.subnet = subnet
        self.gateway = subnet[1]
        self._first, self._last = int(subnet[2]), int(subnet[-2])
        directory.mkdir(parents=True, exist_ok=True)
        self._owners: dict[str, Address] = {}
        self._taken: dict[Address, str] = {}
        self._load()
        self._last_reserved = self._read_last_reserved()

    def _load(self) -> None:
        for path in sorted(self._directory.iterdir()):
            if path.name in _LAST_RESERVED.values():
                continue
            address = ip_address(path.name)
            if address.version != self.subnet.version:
                continue  # The other range's.
            owner = path.read_text().strip()
            if not owner or owner in self._owners or address not in self.subnet:
                path.unlink()
                continue
            self._owners[owner], self._taken[address] = address, owner

    def _read_last_reserved(self) -> int:
        try:
            return int(ip_address(self._last_reserved_file.read_text().strip()))
        except (OSError, ValueError):
            return self._first - 1

    @property
    def _last_reserved_file(self) -> Path:
        return self._directory / _LAST_RESERVED[self.subnet.version]

    @property
    def owners(self) -> Mapping[str, Address]:
        """Return who has which address."""
        return self._owners

    def allocate(self, owner: str) -> Address:
        """Return *owner*'s address, a new one if it has none; raises NoAddressesAvailable."""
        held = self._owners.get(owner)
        if held is not None:
            return held
        address = self._next_free()
        self._take(address, owner)
        self._last_reserved = int(address)
        self._last_reserved_file.write_text(str(address))
        return address

    def _next_free(self) -> Address:
        count = self._last - self._first + 1
        start = self._last_reserved + 1 - self._first
        for step in range(count):
            address = self._address(self._first + (start + step) % count)
            if address not in self._taken:
                return address
        first, last = self._address(self._first), self._address(self._last)
        raise NoAddressesAvailable(f"no IP addresses available in range set: {first}-{last}")

    def _address(self, number: int) -> Address:
        return IPv4Address(number) if self.subnet.version == 4 else IPv6Address(number)

    def reserve(self, owner: str, address: Address) -> bool:
        """Give *owner* the address that it is known to use; False when that cannot be."""
        if self._owners.get(owner) == address:
            return True
        if owner in self._owners or address in self._taken or address not in self.subnet:
            return False
        self._take(address, owner)
        return True

    def _take(self, address: Address, owner: str) -> None:
        path = self._directory / str(address)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(descriptor, owner.encode())
        finally:
            os.close(descriptor)
        self._owners[owner], self._taken[address] = address, owner

    def release(self, owner: str) -> Address | None:
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
