"""Addresses as programs show them: Go's net.JoinHostPort, and IPv4 that came by a socket of both.

A socket at `::` that is not v6only hears both families (RFC 3493 §3.7) and is told of IPv4 peers
as mapped addresses; Go's programs, and so most of our images, show the IPv4 address itself.
"""

from __future__ import annotations

from typing import Final

_MAPPED: Final = "::ffff:"

#: What `peername` is: host and port, for IPv6 flow and scope behind them.
Peer = tuple[str, int] | tuple[str, int, int, int]


def unmapped(host: str) -> str:
    """Return the IPv4 address that a mapped one stands for; others as they are."""
    return host.removeprefix(_MAPPED) if host.startswith(_MAPPED) and "." in host else host


def join_host_port(host: str, port: int) -> str:
    """Return `10.244.1.5:80`, or `[fd00::5]:80`."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def show(peer: Peer) -> str:
    """Return a peer's address and port as Go shows a remote address."""
    return join_host_port(unmapped(peer[0]), peer[1])
