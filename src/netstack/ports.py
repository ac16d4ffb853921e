"""Ephemeral ports (RFC 6056 §3.3.1, simple random selection) and the errors of asking for one."""

from __future__ import annotations

import errno
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

PORT_MAX: Final = 0xFFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class Ephemeral:
    """From which ports one is chosen."""

    #: net.ipv4.ip_local_port_range.
    first: int = 32768
    last: int = 60999
    #: net.ipv4.ip_local_reserved_ports: never chosen, but bound where somebody asks for them.
    reserved: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        assert 0 < self.first <= self.last <= PORT_MAX


EPHEMERAL: Final = Ephemeral()


def pick(
    rng: random.Random, is_free: Callable[[int], bool], ephemeral: Ephemeral = EPHEMERAL
) -> int:
    """Return a random free ephemeral port; raises OSError EADDRNOTAVAIL when there is none."""
    count = ephemeral.last - ephemeral.first + 1
    start = int(rng.random() * count)  # As randrange, in a tenth of its time.
    for step in range(count):
        port = ephemeral.first + (start + step) % count
        if is_free(port) and port not in ephemeral.reserved:
            return port
    raise OSError(errno.EADDRNOTAVAIL, "all ephemeral ports are in use")


def check(port: int) -> None:
    """Raise OverflowError, as the socket module does, when *port* is none."""
    if not 0 <= port <= PORT_MAX:
        raise OverflowError(f"port must be 0-65535, not {port}")


def in_use(port: int) -> OSError:
    """Return the error for a port that somebody else has."""
    return OSError(errno.EADDRINUSE, f"port {port} is already in use")
