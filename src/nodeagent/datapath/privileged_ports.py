"""Ports of this machine that only root may bind, and where they are listened for instead.

Below net.ipv4.ip_unprivileged_port_start, 1024 by default, a port asks for root or for
CAP_NET_BIND_SERVICE. For others it is listened for `OFFSET` higher: a load balancer's 80 at 10080.
"""

from __future__ import annotations

import socket
from typing import Final

START: Final = 1024
OFFSET: Final = 10_000


def instead_of(port: int) -> int | None:
    """Return where *port* is listened for when it may not be bound; None where it is no such."""
    return port + OFFSET if port < START else None


def listened_for_at(port: int) -> int:
    """Return at which port of this machine *port* is listened for, by who runs this process."""
    other = instead_of(port)
    if other is None:
        return port
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except PermissionError:
            return other
        except OSError:
            pass  # Somebody has it.
    return port
