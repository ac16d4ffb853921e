"""The flow cache: what the slow path did to a flow's packets, done again without thinking.

Every input (veth, VXLAN device) has a table per protocol, keyed by the twelve octets in which
IPv4 without options keeps addresses and ports. An entry knows the verdict: new MACs, addresses and
ports, the precomputed changes of both checksums (RFC 1624), and the output. Packets are changed in
place, in the buffer they were received in.

A verdict does not change while its connection lives, only conntrack's state does: a TCP segment
with SYN, FIN or RST, or of a connection that is not steady, steps the state machine here. What the
machine does not simply follow (an invalid segment, a connection that begins anew), fragments,
options, an expiring TTL, too long a frame and all ICMP go to the slow path. Whoever changes a table
that a verdict rests on clears the caches; conntrack removes the entries of a connection that it
forgets. The header checksum is not verified: the incremental update keeps a wrong one wrong.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from netstack.wire import checksum
from netstack.wire.ipv4 import PROTOCOL_TCP, PROTOCOL_UDP

if TYPE_CHECKING:
    from nodeagent.datapath.conntrack.connection import Connection
    from nodeagent.datapath.output import Output
    from nodeagent.datapath.packet import Direction, Packet

_IP: Final = 14
#: Destination MAC; EtherType, version and header length; flags and offset; TTL; protocol;
#: checksum; addresses and ports.
_HEADERS: Final = struct.Struct("!6s6x3sx2x2xHBBH12s")
_REWRITTEN: Final = struct.Struct("!BBH12s")  # From the TTL on.
_WORD: Final = struct.Struct("!H")
_PLAIN_IPV4: Final = b"\x08\x00\x45"
_FRAGMENT: Final = 0x3FFF
_TCP_FLAGS_AT: Final = _IP + 20 + 13
_FIN_SYN_RST: Final = 0x07
_HEADERS_OCTETS: Final = 38
_CHECKSUM_AT: Final = {PROTOCOL_TCP: _IP + 20 + 16, PROTOCOL_UDP: _IP + 20 + 6}
_FRAME_MIN: Final = {PROTOCOL_TCP: _IP + 40, PROTOCOL_UDP: _IP + 28}

ENTRIES_MAX: Final = 65536


@dataclass(slots=True)
class Flow:
    """What happens to the packets of one direction of a connection at one input."""

    connection: Connection
    direction: Direction
    output: Output
    destination_mac: bytes  # As received: the same flow to another MAC is another matter.
    frame_min: int
    frame_max: int
    macs: bytes
    ttl_step: int
    key: bytes
    ip_change: int
    l4_change: int
    checksum_at: int


@dataclass(slots=True)
class FlowCache:
    """The flows of one input."""

    tcp: dict[bytes, Flow] = field(default_factory=dict)
    udp: dict[bytes, Flow] = field(default_factory=dict)

    def clear(self) -> None:
        """Forget every flow."""
        self.tcp.clear()
        self.udp.clear()

    def of(self, protocol: int) -> dict[bytes, Flow] | None:
        """Return the table of *protocol*, None when its packets are always slow."""
        if protocol == PROTOCOL_TCP:
            return self.tcp
        return self.udp if protocol == PROTOCOL_UDP else None

    def learn(self, packet: Packet, output: Output, mtu: int) -> None:
        """Remember what has become of *packet*, which is about to leave by *output*."""
        table, connection = self.of(packet.protocol), packet.connection
        if table is None or connection is None or connection.forgotten:
            return
        before, after = packet.arrival, packet.frame
        if before[12:15] != _PLAIN_IPV4 or packet.is_fragment:
            return
        if len(table) >= ENTRIES_MAX:
            table.clear()
        key, new_key = before[26:38], bytes(after[26:38])
        addresses = checksum.delta(before[26:34], bytes(after[26:34]))
        ports = checksum.delta(before[34:38], bytes(after[34:38]))
        ttl_step = before[22] - after[22]
        if key not in table:  # Else a capture makes every packet come by here.
            connection.fast_entries.append((table, key))
        table[key] = Flow(
            connection=connection,
            direction=packet.direction,
            output=output,
            destination_mac=before[0:6],
            frame_min=_FRAME_MIN[packet.protocol],
            frame_max=_IP + mtu,
            macs=bytes(after[0:12]),
            ttl_step=ttl_step,
            key=new_key,
            ip_change=addresses + (ttl_step << 8),
            l4_change=addresses + ports,
            checksum_at=_CHECKSUM_AT[packet.protocol],
        )


def forward(
    cache: FlowCache, frames: list[memoryview], dirty: list[Output], now: float
) -> list[memoryview]:
    """Forward those of *frames* whose flows are known; return the others, in order.

    A frame that must take the slow path holds up those behind it, so that no flow is reordered.
    """
    tcp, udp = cache.tcp, cache.udp
    unpack, pack, word, put = (
        _HEADERS.unpack_from,
        _REWRITTEN.pack_into,
        _WORD.unpack_from,
        _WORD.pack_into,
    )
    for index, frame in enumerate(frames):
        size = len(frame)
        if size < _HEADERS_OCTETS:
            return frames[index:]
        mac, kind, fragment, ttl, protocol, header_checksum, key = unpack(frame)
        if protocol == 6:
            flow = tcp.get(key)
            if flow is None or size < 54:
                return frames[index:]
        elif protocol == 17:
            flow = udp.get(key)
            if flow is None:
                return frames[index:]
        else:
            return frames[index:]
        if (
            kind != _PLAIN_IPV4
            or mac != flow.destination_mac
            or fragment & _FRAGMENT
            or not flow.frame_min <= size <= flow.frame_max
            or ttl <= flow.ttl_step
        ):
            return frames[index:]
        connection = flow.connection
        if protocol == 6:
            flags = frame[_TCP_FLAGS_AT]
            if (flags & _FIN_SYN_RST or not connection.steady) and not connection.follow(
                flow.direction, flags
            ):
                return frames[index:]
        step = flow.ttl_step
        if step:
            frame[0:12] = flow.macs
            new_checksum = (header_checksum + flow.ip_change) % 65535
            pack(frame, 22, ttl - step, protocol, new_checksum, flow.key)
            at = flow.checksum_at
            old = word(frame, at)[0]
            if protocol == 6:
                put(frame, at, (old + flow.l4_change) % 65535)
            elif old:
                put(frame, at, (old + flow.l4_change) % 65535 or 65535)
        elif flow.l4_change:
            _rewrite_bridged(frame, flow, protocol)
        connection.seen_at = now
        output = flow.output
        if not output.queue:
            dirty.append(output)
        output.queue.append(frame)
    return []


def _rewrite_bridged(frame: memoryview, flow: Flow, protocol: int) -> None:
    """Translate without routing: what br_netfilter makes of replies on one node."""
    header_checksum = (_WORD.unpack_from(frame, 24)[0] + flow.ip_change) % 65535
    frame[0:12] = flow.macs
    frame[26:38] = flow.key
    _WORD.pack_into(frame, 24, header_checksum)
    at = flow.checksum_at
    update = checksum.update if protocol == PROTOCOL_TCP else checksum.update_udp
    _WORD.pack_into(frame, at, update(_WORD.unpack_from(frame, at)[0], flow.l4_change))
