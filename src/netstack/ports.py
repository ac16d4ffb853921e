"""Ephemeral ports (RFC 6056 §3.3.1, simple random selection) and the errors of asking for one."""

from __future__ import annotations

import errno
import random
from collections.abc import Callable
from typing import Final

PORT_MAX: Final = 0xFFFF
#: net.ipv4.ip_local_port_range.
EPHEMERAL_FIRST: Final = 32768
EPHEMERAL_LAST: Final = 60999


def pick(rng: random.Random, is_free: Callable[[int], bool]) -> int:
    """Return a random free ephemeral port; raises OSError EADDRNOTAVAIL when there is none."""
    count = EPHEMERAL_LAST - EPHEMERAL_FIRST + 1
    start = int(rng.random() * count)  # As randrange, in a tenth of its time.
    for step in range(count):
        port = EPHEMERAL_FIRST + (start + step) % count
        if is_free(port):
            return port
    raise OSError(errno.EADDRNOTAVAIL, "all ephemeral ports are in use")


def check(port: int) -> None:
    """Raise OverflowError, as the socket module does, when *port* is none."""
    if not 0 <= port <= PORT_MAX:
        raise OverflowError(f"port must be 0-65535, not {port}")


def in_use(port: int) -> OSError:
    """Return the error for a port that somebody else has."""
    return OSError(errno.EADDRINUSE, f"port {port} is already in use")
