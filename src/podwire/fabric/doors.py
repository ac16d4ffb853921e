"""Listening sockets: accept in batches, never hear those whom a partition has cut off."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Callable
from ipaddress import IPv4Address
from typing import Final

from podwire.fabric import syn_filter
from podwire.fabric.config import Address
from podwire.fabric.side import reset
from podwire.fabric.syn_filter import Deafness

log = logging.getLogger(__name__)

_BACKLOG: Final = 1024
_ACCEPTS_MAX: Final = 64  # Per wake-up, so that relays get their turn.
_NO_FILES_PAUSE_S: Final = 0.1
#: How many connections of diallers behind a partition are held, and for how long, where the kernel
#: cannot be made to ignore them.
_HELD_MAX: Final = 256
_HELD_S: Final = 60.0

#: Takes an accepted, non-blocking socket and the dialler's address.
Accepted = Callable[[socket.socket, str], None]


class Listener:
    """One listening address."""

    def __init__(self, address: Address, on_accepted: Accepted) -> None:
        """Bind; raises OSError, with the address in its text."""
        self._on_accepted = on_accepted
        self._loop = asyncio.get_running_loop()
        self._deafness = Deafness()
        self._pause: asyncio.TimerHandle | None = None
        self._held: dict[socket.socket, tuple[str, asyncio.TimerHandle]] = {}
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            # A fabric that was killed leaves connections in TIME-WAIT behind.
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind(address)
            self._socket.setblocking(False)
            self._socket.listen(_BACKLOG)
        except OSError as error:
            self._socket.close()
            where = f"{address[0]}:{address[1]}"
            raise OSError(error.errno, f"cannot listen at {where}: {error.strerror}") from None

    def start(self) -> None:
        """Begin to accept."""
        self._loop.add_reader(self._socket, self._accept)

    def close(self) -> None:
        """Stop listening; what was accepted stays."""
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._socket)
        self._socket.close()
        for held in list(self._held):
            self._let_go(held)

    def be_deaf(self, deafness: Deafness) -> None:
        """Hear nothing of whom *deafness* names; new connections only."""
        if deafness != self._deafness:
            self._deafness = deafness
            syn_filter.apply(self._socket, deafness)
            for held, (address, timer) in list(self._held.items()):
                if deafness.hears(IPv4Address(address)):
                    timer.cancel()
                    del self._held[held]
                    self._on_accepted(held, address)

    def _accept(self) -> None:
        for _ in range(_ACCEPTS_MAX):
            try:
                accepted, address = self._socket.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                    self._wait_for_files(error)
                    return
                continue  # The dialler has gone already.
            accepted.setblocking(False)
            if self._deafness.hears(IPv4Address(address[0])):
                self._on_accepted(accepted, address[0])
            else:
                self._hold(accepted, address[0])

    def _hold(self, accepted: socket.socket, address: str) -> None:
        """Leave somebody who should not have been heard without an answer."""
        if len(self._held) >= _HELD_MAX:
            self._let_go(next(iter(self._held)))
        timer = self._loop.call_later(_HELD_S, self._let_go, accepted)
        self._held[accepted] = address, timer

    def _let_go(self, held: socket.socket) -> None:
        _, timer = self._held.pop(held)
        timer.cancel()
        reset(held)
        held.close()

    def _wait_for_files(self, error: OSError) -> None:
        """Let diallers wait in the backlog rather than ask the kernel again and again."""
        log.warning("cannot accept: %s", error.strerror)
        self._loop.remove_reader(self._socket)
        self._pause = self._loop.call_later(_NO_FILES_PAUSE_S, self.start)
