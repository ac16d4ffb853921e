"""What a busy router does to a packet that says it may be marked (RFC 3168 §5; INET_ECN_set_ce)."""

from __future__ import annotations

from typing import Final

from netdev.framing import Octets
from netstack.wire import checksum
from netstack.wire.ethernet import ETHERTYPE_IPV4, ETHERTYPE_IPV6, HEADER_OCTETS

_CE: Final = 3
#: Where IPv4's checksum stands in its header, and the octet with the two bits in both families'.
_CHECKSUM: Final = slice(10, 12)
_AT: Final = 1
#: By how much the two bits are shifted in that octet.
_SHIFTS: Final = {4: 0, 6: 4}
_ETHERTYPES: Final = {ETHERTYPE_IPV4: 4, ETHERTYPE_IPV6: 6}


def marked(octets: Octets, *, ip_at: int = HEADER_OCTETS) -> Octets:
    """Return *octets* marked if the packet that begins *ip_at* is ECN-capable, else as they are.

    In front of the packet is an Ethernet header, or nothing.
    """
    if len(octets) < ip_at + _CHECKSUM.stop:
        return octets
    version = octets[ip_at] >> 4
    if ip_at and _ETHERTYPES.get(octets[ip_at - 2] << 8 | octets[ip_at - 1]) != version:
        return octets
    shift = _SHIFTS.get(version)
    old = octets[ip_at + _AT]
    if shift is None or not old >> shift & _CE:
        return octets
    changed = bytearray(octets)
    changed[ip_at + _AT] = new = old | _CE << shift
    if version == 4:
        field = slice(ip_at + _CHECKSUM.start, ip_at + _CHECKSUM.stop)
        sum_ = int.from_bytes(changed[field], "big")
        changed[field] = checksum.update(sum_, old - new).to_bytes(2, "big")
    return bytes(changed)
