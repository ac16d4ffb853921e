"""Addresses as the stack has them, and as the socket module writes them."""

from __future__ import annotations

import errno
import os
import socket
from ipaddress import IPv4Address, ip_address
from typing import Final

Address = IPv4Address
Endpoint = tuple[Address, int]
#: Where a socket is bound: None is every address of the pod.
Bound = tuple[Address | None, int]
SockAddr = tuple[str, int] | tuple[str, int, int, int]

INTERNET: Final = frozenset({socket.AF_INET, socket.AF_INET6})
ANY: Final = frozenset({"", "0.0.0.0", "::"})
_MAPPED: Final = "::ffff:"


def parse(text: str) -> Address | None:
    """Return the address that *text* is (a mapped IPv6 one counts as IPv4), else None."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return address if isinstance(address, IPv4Address) else address.ipv4_mapped


def sockaddr(bound: tuple[Address | None, int], family: int = socket.AF_INET) -> SockAddr:
    """Return host and port as `getsockname` does for a socket of *family*."""
    address, port = bound
    if family == socket.AF_INET6:
        return ("::" if address is None or not int(address) else f"{_MAPPED}{address}", port, 0, 0)
    return ("0.0.0.0" if address is None else str(address), port)


def remote(address: SockAddr) -> Endpoint:
    """Return where to connect to; raises OSError for what the stack cannot reach."""
    host, port = address[0], address[1]
    parsed = parse("127.0.0.1" if host in ANY else host)  # As Linux: nowhere is this host.
    if parsed is None:
        raise OSError(errno.ENETUNREACH, os.strerror(errno.ENETUNREACH))
    return parsed, port


def local(address: SockAddr) -> Bound:
    """Return where to bind to; raises OSError for an address that the pod cannot have."""
    host, port = address[0], address[1]
    if host in ANY:
        return None, port
    parsed = parse("127.0.0.1" if host == "::1" else host)
    if parsed is None:
        raise OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
    return parsed, port
