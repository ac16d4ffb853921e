"""The flow cache's echoes of ICMPv6: `fast_echo` for packets without extension headers.

There is no header checksum, but the message's covers the addresses, too.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from netstack.wire.icmpv6 import HEADER_OCTETS as ICMP_OCTETS
from netstack.wire.ipv6 import HEADER_OCTETS

if TYPE_CHECKING:
    from nodeagent.datapath.conntrack.connection import Connection
    from nodeagent.datapath.output import Output
    from nodeagent.datapath.packet import Direction, Packet

_IP: Final = 14
_L4: Final = _IP + HEADER_OCTETS
#: As in `fast_path6` up to the hop limit; addresses, type and code; checksum; identifier.
_HEADERS: Final = struct.Struct("!15s3sH2s34sH2s")
_HEAD: Final = slice(0, 15)
_STABLE: Final = slice(_IP + 6, _IP + 8)
_ADDRESSES: Final = slice(_IP + 8, _L4)
_KEY: Final = slice(_IP + 8, _L4 + 2)
_IDENTIFIER: Final = slice(_L4 + 4, _L4 + 6)

ENTRIES_MAX: Final = 65536


@dataclass(slots=True)
class Echo6:
    """What happens to the requests, or to the replies, of one identifier at one input."""

    connection: Connection
    direction: Direction
    output: Output
    head: bytes
    stable: bytes
    payload_max: int
    ttl_step: int
    new_head: bytes
    new_stable: bytes
    new_key: bytes
    new_identifier: bytes
    change: int


Echoes6 = dict[bytes, Echo6]


def learn(echoes: Echoes6, packet: Packet, output: Output, mtu: int) -> None:
    """Remember what has become of *packet*, ICMPv6 that is about to leave by *output*."""
    connection, before = packet.connection, packet.arrival
    if connection is None or connection.forgotten or packet.flow is None:
        return
    if packet.l4 != _L4 or packet.may_be_cut:
        return
    if len(echoes) >= ENTRIES_MAX:
        echoes.clear()
    after = bytes(packet.frame[: _IDENTIFIER.stop])
    key = before[_KEY] + before[_IDENTIFIER]
    old = echoes.get(key)
    if old is None or old.connection is not connection:
        connection.fast_entries.append((echoes, key))
    echoes[key] = Echo6(
        connection=connection,
        direction=packet.direction,
        output=output,
        head=before[_HEAD],
        stable=before[_STABLE],
        payload_max=mtu - HEADER_OCTETS,
        ttl_step=before[_IP + 7] - after[_IP + 7],
        new_head=after[_HEAD],
        new_stable=after[_STABLE],
        new_key=after[_KEY],
        new_identifier=after[_IDENTIFIER],
        change=_sum(before) - _sum(after),
    )


def _sum(headers: bytes) -> int:
    """Return the sum of what a translation changes (see `wire.checksum`)."""
    addresses, identifier = headers[_ADDRESSES], headers[_IDENTIFIER]
    return (int.from_bytes(addresses, "big") + int.from_bytes(identifier, "big")) % 65535


def find(echoes: Echoes6, frame: memoryview) -> Echo6 | None:
    """Return the echo that *frame* may be."""
    return echoes.get(bytes(frame[_KEY]) + bytes(frame[_IDENTIFIER]))


def forward(
    echoes: Echoes6, frames: list[memoryview], dirty: list[Output], now: float
) -> list[memoryview]:
    """Forward known echoes at the head of *frames*; return the frames from the first other on."""
    for index, frame in enumerate(frames):
        size = len(frame)
        if size < _L4 + ICMP_OCTETS:
            return frames[index:]
        head, label, octets, stable, key, checksum, identifier = _HEADERS.unpack_from(frame)
        echo = echoes.get(key + identifier)
        if (
            echo is None
            or stable != echo.stable
            or head != echo.head
            or octets + _L4 != size
            or octets > echo.payload_max
        ):
            return frames[index:]
        new = (checksum + echo.change) % 65535
        _HEADERS.pack_into(
            frame, 0, echo.new_head, label, octets, echo.new_stable, echo.new_key, new,
            echo.new_identifier,
        )  # fmt: skip
        echo.connection.seen_at = now
        output = echo.output
        if not output.queue:
            dirty.append(output)
        output.queue.append(frame)
    return []
