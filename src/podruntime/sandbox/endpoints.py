"""Addresses as the stack has them, and as the socket module writes them."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from netstack.addresses import Endpoint, IpAddress

SockAddr = tuple[str, int] | tuple[str, int, int, int]

INTERNET: Final = frozenset({socket.AF_INET, socket.AF_INET6})
#: Every address of one family, or of both (a socket of IPv6 that is not IPV6_V6ONLY).
ANY: Final[dict[int, IpAddress]] = {socket.AF_INET: IPv4Address(0), socket.AF_INET6: IPv6Address(0)}
_LOOPBACK: Final[dict[int, IpAddress]] = {4: IPv4Address("127.0.0.1"), 6: IPv6Address("::1")}


def parse(text: str) -> IpAddress | None:
    """Return the address that *text* is, else None; a zone ("%eth0") is left out."""
    try:
        return ip_address(text.partition("%")[0])
    except ValueError:
        return None


def show(address: IpAddress) -> str:
    """Write an address as glibc does: a mapped one shows its IPv4 address."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(address) if mapped is None else f"::ffff:{mapped}"


def family_of(address: IpAddress) -> int:
    """Return AF_INET or AF_INET6."""
    return socket.AF_INET if address.version == 4 else socket.AF_INET6


def sockaddr(endpoint: Endpoint, family: int | None = None) -> SockAddr:
    """Return host and port as `getsockname` does, for a socket of *family* or of the address's."""
    address, port = endpoint
    if (family or family_of(address)) == socket.AF_INET:
        return (str(address), port)
    if address.version == 6:
        return (show(address), port, 0, 0)
    return ("::" if address.is_unspecified else f"::ffff:{address}", port, 0, 0)


def remote(address: SockAddr) -> Endpoint:
    """Return where to connect to: as in Linux, nowhere in particular is this host."""
    parsed = _numeric(address)
    return (_LOOPBACK[parsed.version] if parsed.is_unspecified else parsed), address[1]


def local(address: SockAddr) -> Endpoint:
    """Return where to bind to; "" is every address of IPv4."""
    return (_numeric(address) if address[0] else ANY[socket.AF_INET]), address[1]


def _numeric(address: SockAddr) -> IpAddress:
    parsed = parse(address[0])
    if parsed is None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    return parsed
