"""host-local's store: a directory of a network with one file per address, which names its owner.

Upstream: containernetworking/plugins, plugins/ipam/host-local/backend/disk, whose files these are:
the program `host-local` may work on the same directory at the same time, under the same lock
(flock on `lock`). Everything is read from the disk each time, so a SIGKILL at any moment leaves
nothing but, at worst, a file without an owner: under the lock nobody is writing one, so it was
torn and is removed, where upstream loses the address.
"""

from __future__ import annotations

import fcntl
import functools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from nodeagent.cni.errors import CniError, Code
from nodeagent.cni.result import Address

_LOCK: Final = "lock"
_LAST_RESERVED: Final = "last_reserved_ip."
_LINE_BREAK: Final = "\r\n"
_OWNER_OCTETS_MAX: Final = 4096


class Busy(Exception):
    """Somebody else holds the lock."""


def owner_text(container_id: str, ifname: str) -> str:
    """Return what the file of an address says."""
    return f"{container_id}{_LINE_BREAK}{ifname}"


def is_owned_by(text: str, container_id: str, ifname: str) -> bool:
    """Tell whether *text* names this attachment; older files name the container alone."""
    return text in (owner_text(container_id, ifname), container_id)


@functools.lru_cache(maxsize=4096)
def _address(text: str) -> Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


class AddressStore:
    """The addresses of one network; to be used inside `locked`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock; raises Busy rather than wait, and CniError where nothing can be stored."""
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            lock = os.open(self._directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise CniError(Code.IO_FAILURE, f"cannot open {self._directory}: {error}") from None
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Busy from None
            yield
        finally:
            os.close(lock)

    def owners(self) -> dict[Address, str]:
        """Return who has which address; files that a kill has torn are removed."""
        found: dict[Address, str] = {}
        for name in sorted(os.listdir(self._directory)):
            if name == _LOCK or name.startswith(_LAST_RESERVED):
                continue
            address = _address(name)
            if address is None:
                continue  # Not ours, nor host-local's.
            owner = self._read(name).strip()
            if owner:
                found[address] = owner
            else:
                self._unlink(name)
        return found

    def _read(self, name: str) -> str:
        try:
            # As a text: paths would cost more than the file, and every one is read at each call.
            descriptor = os.open(f"{self._directory}/{name}", os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return ""
        try:
            return os.read(descriptor, _OWNER_OCTETS_MAX).decode(errors="replace")
        finally:
            os.close(descriptor)

    def _unlink(self, name: str) -> None:
        (self._directory / name).unlink(missing_ok=True)

    def take(self, address: Address, container_id: str, ifname: str) -> None:
        """Give *address*, which is free, to an attachment."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        descriptor = os.open(self._directory / str(address), flags, 0o600)
        try:
            os.write(descriptor, owner_text(container_id, ifname).encode())
        finally:
            os.close(descriptor)

    def release(self, container_id: str, ifname: str) -> list[Address]:
        """Take an attachment's addresses back; return them."""
        return self._release_where(lambda text: is_owned_by(text, container_id, ifname))

    def retain(self, attachments: list[tuple[str, str]]) -> list[Address]:
        """Take back what belongs to none of *attachments*; return those addresses."""
        kept = dict.fromkeys(owner_text(*each) for each in attachments)
        kept |= dict.fromkeys(container_id for container_id, _ in attachments)
        return self._release_where(lambda text: text not in kept)

    def _release_where(self, gone: Callable[[str], bool]) -> list[Address]:
        released = [address for address, owner in self.owners().items() if gone(owner)]
        for address in released:
            self._unlink(str(address))
        return released

    def held(self, container_id: str, ifname: str) -> list[Address]:
        """Return the addresses of an attachment."""
        owners = self.owners().items()
        return [address for address, text in owners if is_owned_by(text, container_id, ifname)]

    def last_reserved(self, range_number: int) -> Address | None:
        """Return the address that was given last in a set of ranges, if that is known."""
        return _address(self._read(f"{_LAST_RESERVED}{range_number}").strip())

    def note_last_reserved(self, range_number: int, address: Address) -> None:
        """Let the next search begin behind *address*."""
        octets = str(address).encode()
        path = f"{self._directory}/{_LAST_RESERVED}{range_number}"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, octets)
            # Not O_TRUNC: ext4 waits for the disk when a file is emptied and written again.
            os.ftruncate(descriptor, len(octets))
        finally:
            os.close(descriptor)
