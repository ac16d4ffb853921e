"""Resource records as values, and their data on the wire (RFC 1035 §3.3, RFC 2782)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from clusterdns import name as names
from clusterdns.query import AAAA, CNAME, NS, PTR, SOA, SRV, TXT, A

_SRV: Final = struct.Struct("!3H")
_SOA: Final = struct.Struct("!5I")
_TEXT_MAX: Final = 255


@dataclass(frozen=True, slots=True)
class Record:
    """A record of class IN. Its data is octets, except the names, which may be compressed."""

    name: str
    kind: int
    ttl: int
    data: bytes = b""
    #: The name that NS, CNAME and PTR hold, and SRV after its numbers.
    target: str = ""

    @property
    def compressible(self) -> bool:
        """Tell whether the target may point at an earlier name: SRV's must not (RFC 2782)."""
        return self.kind != SRV


def address(name: str, ttl: int, ip: str | IPv4Address | IPv6Address) -> Record:
    """Return an A or AAAA record."""
    parsed = ip_address(ip)
    return Record(name, A if parsed.version == 4 else AAAA, ttl, parsed.packed)


def cname(name: str, ttl: int, target: str) -> Record:
    return Record(name, CNAME, ttl, target=target)


def ptr(name: str, ttl: int, target: str) -> Record:
    return Record(name, PTR, ttl, target=target)


def ns(name: str, ttl: int, target: str) -> Record:
    return Record(name, NS, ttl, target=target)


def srv(name: str, ttl: int, service: tuple[int, int, int], target: str) -> Record:
    """Return an SRV record; *service* is priority, weight and port."""
    return Record(name, SRV, ttl, _SRV.pack(*service), target)


def txt(name: str, ttl: int, text: str) -> Record:
    octets = text.encode()
    pieces = [octets[at : at + _TEXT_MAX] for at in range(0, len(octets), _TEXT_MAX)] or [b""]
    return Record(name, TXT, ttl, b"".join(bytes([len(piece)]) + piece for piece in pieces))


def soa(zone: str, ttl: int, serial: int) -> Record:
    """Return the zone's SOA with CoreDNS' numbers: refresh, retry, expire; *ttl* is the least."""
    heads = names.encode(f"ns.dns.{zone}".rstrip(".")) + names.encode(
        f"hostmaster.{zone}".rstrip(".")
    )
    numbers = _SOA.pack(serial & 0xFFFFFFFF, 7200, 1800, 86_400, ttl)
    return Record(zone, SOA, ttl, heads + numbers)
