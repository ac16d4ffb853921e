"""The flow cache's echoes: what the slow path did to a ping, done again for its next packets.

As `fast_path` for what has no ports: requests and replies are recognised by their addresses, type,
code and identifier, and get new MACs, addresses and identifier with the precomputed changes of both
checksums. Only what conntrack knows as an echo is learned, so errors always take the slow way, and
so do the first request and the first reply of every identifier.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from nodeagent.datapath.conntrack.connection import Connection
    from nodeagent.datapath.output import Output
    from nodeagent.datapath.packet import Direction, Packet

_IP: Final = 14
#: As in `fast_path`; behind the addresses type and code, checksum, identifier.
_HEADERS: Final = struct.Struct("!15sxH2x4sH10sH2s")
_REWRITTEN: Final = struct.Struct("!4sH10sH2s")
_REWRITTEN_AT: Final = 20  # The flags.
_OCTETS_MIN: Final = 28
_PLAIN_IPV4: Final = b"\x08\x00\x45"

ENTRIES_MAX: Final = 65536


@dataclass(slots=True)
class Echo:
    """What happens to the requests, or to the replies, of one identifier at one input."""

    connection: Connection
    direction: Direction
    output: Output
    head: bytes
    stable: bytes
    octets_max: int
    ttl_step: int
    macs: bytes
    new_stable: bytes
    new_key: bytes
    new_identifier: bytes
    ip_change: int
    icmp_change: int


Echoes = dict[bytes, Echo]


def learn(echoes: Echoes, packet: Packet, output: Output, mtu: int) -> None:
    """Remember what has become of *packet*, ICMP that is about to leave by *output*."""
    connection, before = packet.connection, packet.arrival
    if connection is None or connection.forgotten or packet.flow is None:
        return
    after = bytes(packet.frame[:40])
    if before[12:15] != _PLAIN_IPV4:
        return
    if len(echoes) >= ENTRIES_MAX:
        echoes.clear()
    identifier, new_identifier = before[38:40], after[38:40]
    key = before[26:36] + identifier
    old = echoes.get(key)
    if old is None or old.connection is not connection:
        connection.fast_entries.append((echoes, key))
    ttl_step = before[22] - after[22]
    addresses = (_number(before[26:34]) - _number(after[26:34])) % 65535
    echoes[key] = Echo(
        connection=connection,
        direction=packet.direction,
        output=output,
        head=before[0:15],
        stable=before[20:24],
        octets_max=mtu,
        ttl_step=ttl_step,
        macs=after[0:12],
        new_stable=after[20:24],
        new_key=after[26:36],
        new_identifier=new_identifier,
        ip_change=addresses + (ttl_step << 8),
        icmp_change=(_number(identifier) - _number(new_identifier)) % 65535,
    )


def _number(octets: bytes) -> int:
    """Return a field as an int, which is its checksum's sum too (see `wire.checksum`)."""
    return int.from_bytes(octets, "big")


def forward(
    echoes: Echoes, frames: list[memoryview], dirty: list[Output], now: float
) -> list[memoryview]:
    """Forward known echoes at the head of *frames*; return the frames from the first other on."""
    for index, frame in enumerate(frames):
        size = len(frame)
        if size < _HEADERS.size:
            return frames[index:]
        head, octets, stable, header_checksum, key, checksum, identifier = _HEADERS.unpack_from(
            frame
        )
        echo = echoes.get(key + identifier)
        if (
            echo is None
            or stable != echo.stable
            or head != echo.head
            or octets + _IP != size
            or not _OCTETS_MIN <= octets <= echo.octets_max
        ):
            return frames[index:]
        frame[0:12] = echo.macs
        _REWRITTEN.pack_into(
            frame,
            _REWRITTEN_AT,
            echo.new_stable,
            (header_checksum + echo.ip_change) % 65535,
            echo.new_key,
            (checksum + echo.icmp_change) % 65535,
            echo.new_identifier,
        )
        echo.connection.seen_at = now
        output = echo.output
        if not output.queue:
            dirty.append(output)
        output.queue.append(frame)
    return []
