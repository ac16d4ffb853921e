"""Octets made into packets that get past the first check: lengths and checksums are mended.

Without this a fuzzer would spend its life guessing sums of sixteen bits.
"""

from __future__ import annotations

from collections.abc import Iterator

from netstack.wire import checksum

_STEPS_MAX = 48
_L4_CHECKSUM_AT = {6: 16, 17: 6, 1: 2}


def steps(octets: bytes) -> Iterator[tuple[int, bytes]]:
    """Cut *octets* into steps: a kind, a length in units of six octets, and the body."""
    at = 0
    for _ in range(_STEPS_MAX):
        if at + 2 > len(octets):
            return
        kind, length = octets[at], octets[at + 1] * 6
        yield kind, octets[at + 2 : at + 2 + length]
        at += 2 + length


def step(kind: int, body: bytes) -> bytes:
    """Return the octets of one step; the body is filled up with zeros."""
    units = -(-len(body) // 6)
    return bytes([kind, units]) + body.ljust(units * 6, b"\0")


def script(*parts: tuple[int, bytes]) -> bytes:
    """Return the octets of several steps."""
    return b"".join(step(*part) for part in parts)


def mended_l4(protocol: int, source: bytes, destination: bytes, segment: bytes) -> bytes:
    """Return *segment* with the right checksum, if it has room for one."""
    at = _L4_CHECKSUM_AT.get(protocol)
    if at is None or len(segment) < at + 2:
        return segment
    bare = segment[:at] + bytes(2) + segment[at + 2 :]
    total = checksum.add(bare)
    if protocol != 1:
        total += checksum.pseudo_header(source, destination, protocol, len(segment))
    return bare[:at] + checksum.finish(total).to_bytes(2, "big") + bare[at + 2 :]


def mended_ipv4(packet: bytes) -> bytes:
    """Return *packet* with right lengths and checksums, if it is long enough to have any."""
    if len(packet) < 20:
        return packet
    header_octets = max(20, (packet[0] & 15) * 4)
    head = bytearray(packet[:header_octets].ljust(header_octets, b"\0"))
    body = packet[header_octets:]
    head[0] = 0x40 | header_octets // 4
    head[2:4] = (header_octets + len(body)).to_bytes(2, "big")
    if not (head[6] << 8 | head[7]) & 0x3FFF:
        body = mended_l4(head[9], bytes(head[12:16]), bytes(head[16:20]), body)
    head[10:12] = bytes(2)
    head[10:12] = checksum.of(bytes(head)).to_bytes(2, "big")
    return bytes(head) + body


def ipv4(protocol: int, source: bytes, destination: bytes, body: bytes, *, flags: int = 0) -> bytes:
    """Return a packet with right lengths and checksums."""
    head = b"\x45\0\0\0\x12\x34" + flags.to_bytes(2, "big") + b"\x40" + bytes([protocol])
    return mended_ipv4(head + b"\0\0" + source + destination + body)


def tcp(ports: bytes, sequence: int, acknowledgment: int, rest: bytes) -> bytes:
    """Return a segment: *rest* is flags, window (2), length of options in words, octets."""
    rest = rest.ljust(4, b"\0")
    words = min(rest[3] & 15, 10)
    options = rest[4 : 4 + 4 * words].ljust(4 * words, b"\1")
    head = ports + (sequence & 0xFFFFFFFF).to_bytes(4, "big")
    head += (acknowledgment & 0xFFFFFFFF).to_bytes(4, "big")
    return (
        head
        + bytes([(5 + words) << 4, rest[0]])
        + rest[1:3]
        + bytes(4)
        + options
        + rest[4 + 4 * words :]
    )


def mended_ipv6(packet: bytes) -> bytes:
    """Return *packet* with version, length and, where the last header is plain, its checksum."""
    if len(packet) < 40:
        return packet
    head, body = bytearray(packet[:40]), packet[40:]
    head[0] = 0x60
    head[4:6] = len(body).to_bytes(2, "big")
    protocol, at = head[6], 0
    for _ in range(8):
        if protocol not in (0, 43, 60) or at + 2 > len(body):
            break
        protocol, at = body[at], at + 8 + 8 * body[at + 1]
    return bytes(head) + body[:at] + _mended_l4_of_6(protocol, bytes(head[8:40]), body[at:])


def _mended_l4_of_6(protocol: int, addresses: bytes, segment: bytes) -> bytes:
    at = {6: 16, 17: 6, 58: 2}.get(protocol)
    if at is None or len(segment) < at + 2:
        return segment
    bare = segment[:at] + bytes(2) + segment[at + 2 :]
    total = checksum.add(bare) + checksum.add(addresses) + protocol + len(segment)
    return bare[:at] + checksum.finish(total).to_bytes(2, "big") + bare[at + 2 :]


def ipv6(protocol: int, source: bytes, destination: bytes, body: bytes, *, hops: int) -> bytes:
    """Return a packet with right lengths and checksums."""
    return mended_ipv6(b"\x60\0\0\0\0\0" + bytes([protocol, hops]) + source + destination + body)
