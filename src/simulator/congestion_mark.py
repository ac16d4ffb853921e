"""What a busy router does to a packet that says it may be marked (RFC 3168 §5)."""

from __future__ import annotations

from typing import Final

from netstack.wire import checksum
from netstack.wire.ethernet import ETHERTYPE_IPV4, ETHERTYPE_IPV6, HEADER_OCTETS

_CE: Final = 3
#: Where the second octet of the IP header is, and IPv4's checksum.
_AT: Final = HEADER_OCTETS + 1
_CHECKSUM: Final = slice(HEADER_OCTETS + 10, HEADER_OCTETS + 12)
#: By how much the two bits are shifted in that octet.
_SHIFTS: Final = {ETHERTYPE_IPV4: 0, ETHERTYPE_IPV6: 4}


def marked(frame: bytes) -> bytes:
    """Return *frame* marked if its packet is ECN-capable, otherwise as it is."""
    ethertype = int.from_bytes(frame[12:14], "big")
    shift = _SHIFTS.get(ethertype)
    if shift is None or len(frame) < _CHECKSUM.stop or not frame[_AT] >> shift & _CE:
        return frame
    octets = bytearray(frame)
    octets[_AT] |= _CE << shift
    if ethertype == ETHERTYPE_IPV4:
        field = int.from_bytes(octets[_CHECKSUM], "big")
        octets[_CHECKSUM] = checksum.update(field, frame[_AT] - octets[_AT]).to_bytes(2, "big")
    return bytes(octets)
