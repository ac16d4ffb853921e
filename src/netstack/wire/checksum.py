"""The Internet checksum (RFC 1071) and its incremental update (RFC 1624).

A *sum* here is an int that is congruent, modulo 65535, to the one's complement sum of the
big-endian 16-bit words of some octets. Sums of parts that begin at even offsets may be added with
`+` or `combine`, and nothing need be reduced before `finish`. Because 65536 ≡ 1 (mod 65535), any
wider big-endian field is its own sum: a 32-bit sequence number may be added as it is.

Per-octet work is what a checksum costs in Python: the octets become one little-endian int, which
is folded in halves before the one slow division. A byte swap is a multiplication by 256.
"""

from __future__ import annotations

from typing import Final

_MODULUS: Final = 0xFFFF

#: From this many octets on, folding in halves is faster than dividing the whole.
_FOLD_FROM_OCTETS: Final = 512

#: Shift and mask for each halving; every shift is a multiple of 16, so words stay words.
_HALVINGS: Final = tuple((1 << bits, (1 << (1 << bits)) - 1) for bits in range(18, 9, -1))

#: The halvings that a number of octets needs, by the bit length of that number.
_HALVINGS_FOR: Final = tuple(_HALVINGS[max(0, min(9, 17 - bits)) :] for bits in range(64))


def add(octets: bytes | bytearray | memoryview) -> int:
    """Return the sum of *octets*; an odd last octet counts as if a zero followed."""
    number = int.from_bytes(octets, "little")
    length = len(octets)
    if length >= _FOLD_FROM_OCTETS:
        for bits, mask in _HALVINGS_FOR[length.bit_length()]:
            number = (number & mask) + (number >> bits)
    return (number % _MODULUS) << 8


def combine(*sums: int) -> int:
    """Return the sum of the concatenation of parts (each of an even length) with these *sums*."""
    return sum(sums) % _MODULUS


def pseudo_header(source: bytes, destination: bytes, protocol: int, length: int) -> int:
    """Return the sum of the IPv4 pseudo header of UDP and TCP (RFC 9293 §3.1)."""
    return int.from_bytes(source, "big") + int.from_bytes(destination, "big") + protocol + length


def finish(total: int) -> int:
    """Return the checksum field for octets (not all zero) whose sum is *total*."""
    return -total % _MODULUS


def finish_udp(total: int) -> int:
    """Return the checksum field of UDP, where zero would mean that there is none (RFC 768)."""
    return -total % _MODULUS or _MODULUS


def holds(total: int) -> bool:
    """Tell whether octets with this sum, their checksum field included, are intact."""
    return total % _MODULUS == 0


def of(*parts: bytes | bytearray | memoryview) -> int:
    """Return the checksum field for *parts* (all but the last of an even length)."""
    return finish(sum(map(add, parts)))


def delta(old: bytes | memoryview, new: bytes | memoryview) -> int:
    """Return what `update` adds to a checksum when *old* octets (even, aligned) become *new*.

    Deltas of several replacements may be added. One delta serves all packets of a flow.
    """
    return (add(old) - add(new)) % _MODULUS


def update(field: int, change: int) -> int:
    """Return the checksum *field* after a replacement with this *change* (RFC 1624, equation 3)."""
    return (field + change) % _MODULUS


def update_udp(field: int, change: int) -> int:
    """Do as `update`, but keep "no checksum" as it is and never make a zero (RFC 768)."""
    return ((field + change) % _MODULUS or _MODULUS) if field else 0
