"""One version of IP as the transports above it see it: TCP and UDP know no other difference."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from netstack.addresses import Addresses
from netstack.ip_output import Output

#: Takes octets, where the IP header begins, where the packet ends, and now.
Receive = Callable[[bytes, int, int, float], None]


class Errors(Protocol):
    """What tells the sender of a packet that nobody wants it."""

    def port_unreachable(self, packet: bytes, now: float) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """IPv4 or IPv6 of one host."""

    #: The address that means any.
    any: bytes
    #: Octets of an address, of a header without options, and where in it the addresses begin:
    #: what follows them are the ports.
    address_octets: int
    header_octets: int
    addresses_at: int
    datagram_octets_max: int
    #: The MSS of a TCP peer that names none (RFC 9293 §3.7.1).
    mss_default: int
    addresses: Addresses
    output: Output
    errors: Errors
    #: Returns the source for packets to a destination; raises OSError ENETUNREACH.
    source_towards: Callable[[bytes], bytes]


#: Both families by the number of octets of their addresses.
Families = Mapping[int, Family]
