"""The flow cache: what the slow path did to a flow's packets, done again without thinking.

Every input (veth, VXLAN device) has a table, keyed by the twelve octets in which IPv4 without
options keeps addresses and ports. An entry knows what else its packets have in common (MACs, flags,
TTL, protocol) and the verdict: new MACs, addresses and ports, the precomputed changes of both
checksums (RFC 1624), and the output. Packets are changed in place, in the buffer they were received
in. TCP and UDP share the table: the rare pair of flows that differ in nothing else take turns in
one entry.

A verdict does not change while its connection lives, only conntrack's state does: a TCP segment
with FIN or RST, or of a connection that is not steady, is judged and steps the state machine here;
of others the last is noted for that judgment. What the machine does not simply follow (SYNs, an
invalid segment), fragments, options, an expiring TTL, padded, too long or very short frames (fewer
than twelve octets in a datagram) and errors of ICMP go the slow way; echoes have a table of their
own (`fast_echo`), and so does IPv6 (`fast_path6`, `fast_echo6`). Whoever changes a table that a
verdict rests on clears the caches; conntrack removes the entries of a connection that it forgets.
The header checksum is not verified: the incremental update keeps a wrong one wrong.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from netstack.wire.ipv4 import PROTOCOL_ICMP, PROTOCOL_TCP, PROTOCOL_UDP
from nodeagent.datapath import fast_echo, fast_echo6, fast_path6
from nodeagent.datapath.fast_echo import Echo, Echoes
from nodeagent.datapath.fast_echo6 import Echo6, Echoes6
from nodeagent.datapath.fast_path6 import Flow6, Flows6

if TYPE_CHECKING:
    from nodeagent.datapath.conntrack.connection import Connection
    from nodeagent.datapath.conntrack.window import Side
    from nodeagent.datapath.output import Mutable, Output
    from nodeagent.datapath.packet import Direction, Octets, Packet

_IP: Final = 14
#: Ethernet to header length; type of service; total length; identification; flags, offset, TTL
#: and protocol; checksum; addresses and ports. Then of UDP the length and the checksum; of TCP
#: what a connection notes of a segment, and the checksum.
UDP: Final = struct.Struct("!15sBHH4sH12sHH")
TCP: Final = struct.Struct("!15sBHH4sH12s12sH")
#: How to read and write them, by whether it is TCP.
_LAYOUTS: Final = ((UDP.unpack_from, UDP.pack_into), (TCP.unpack_from, TCP.pack_into))
_OCTETS_MIN: Final = _IP + 40
_PLAIN_IPV4: Final = b"\x08\x00\x45"
_FLAGS_AT: Final = 9  # In the segment.
_FIN_SYN_RST: Final = 0x07
_PROTOCOLS: Final = (PROTOCOL_TCP, PROTOCOL_UDP)

ENTRIES_MAX: Final = 65536


@dataclass(slots=True)
class Flow:
    """What happens to the packets of one direction of a connection at one input."""

    connection: Connection
    direction: Direction
    side: Side  # Whose segments these are.
    output: Output
    #: What all packets have in their headers; another MAC or TTL is another matter.
    head: bytes
    stable: bytes
    octets_max: int
    is_tcp: bool
    #: What they leave with.
    ttl_step: int
    rewritten: bool
    new_head: bytes
    new_stable: bytes
    key: bytes
    ip_change: int
    l4_change: int


@dataclass(slots=True)
class FlowCache:
    """The flows of one input."""

    flows: dict[bytes, Flow] = field(default_factory=dict)
    flows6: Flows6 = field(default_factory=dict)
    echoes: Echoes = field(default_factory=dict)
    echoes6: Echoes6 = field(default_factory=dict)
    is_tcp: bool = True  # The last packet, and likely the next.

    def __len__(self) -> int:
        return len(self.flows) + len(self.flows6) + len(self.echoes) + len(self.echoes6)

    def clear(self) -> None:
        """Forget every flow."""
        self.flows.clear()
        self.flows6.clear()
        self.echoes.clear()
        self.echoes6.clear()

    def learn(self, packet: Packet, output: Output, mtu: int) -> None:
        """Remember what has become of *packet*, which is about to leave by *output*."""
        protocol, connection, flows = packet.protocol, packet.connection, self.flows
        if packet.version == 6:
            if protocol == packet.icmp:
                fast_echo6.learn(self.echoes6, packet, output, mtu)
            else:
                fast_path6.learn(self.flows6, packet, output, mtu)
            return
        if protocol == PROTOCOL_ICMP:
            fast_echo.learn(self.echoes, packet, output, mtu)
            return
        if protocol not in _PROTOCOLS or connection is None or connection.forgotten:
            return
        before, after = packet.arrival, bytes(packet.frame[:38])
        if before[12:15] != _PLAIN_IPV4 or packet.is_fragment:
            return
        if len(flows) >= ENTRIES_MAX:
            flows.clear()
        key, new_key = before[26:38], after[26:38]
        addresses = (_number(before[26:34]) - _number(after[26:34])) % 65535
        ports = (_number(before[34:38]) - _number(after[34:38])) % 65535
        old = flows.get(key)
        if old is None or old.connection is not connection:
            connection.fast_entries.append((flows, key))
        ttl_step = before[22] - after[22]
        flows[key] = Flow(
            connection=connection,
            direction=packet.direction,
            side=connection.sides[packet.direction],
            output=output,
            head=before[0:15],
            stable=before[20:24],
            octets_max=mtu,
            is_tcp=protocol == PROTOCOL_TCP,
            ttl_step=ttl_step,
            rewritten=before[:24] != after[:24] or key != new_key,
            new_head=after[0:15],
            new_stable=after[20:24],
            key=new_key,
            ip_change=addresses + (ttl_step << 8),
            l4_change=(addresses + ports) % 65535,
        )


#: Takes a frame of no known flow.
Slow = Callable[[memoryview, float], None]


def _number(octets: bytes) -> int:
    """Return a field as an int, which is its checksum's sum too (see `wire.checksum`)."""
    return int.from_bytes(octets, "big")


def run(
    cache: FlowCache, frames: list[memoryview], dirty: list[Output], slow: Slow, now: float
) -> None:
    """Forward *frames* in order; those of no known flow are for *slow*."""
    while frames:
        count = len(frames)
        frames = forward(cache, frames, dirty, now)
        if frames and cache.flows6:
            frames = fast_path6.forward(cache.flows6, frames, dirty, now)
        if frames and cache.echoes:
            frames = fast_echo.forward(cache.echoes, frames, dirty, now)
        if frames and cache.echoes6:
            frames = fast_echo6.forward(cache.echoes6, frames, dirty, now)
        if len(frames) == count:  # Nobody knows the first.
            slow(frames[0], now)
            frames = frames[1:]


def forward_one(
    cache: FlowCache, frame: memoryview, dirty: list[Output], now: float
) -> Flow | Flow6 | Echo | Echo6 | None:
    """Forward *frame* and return its flow, or do nothing and return None when it has none."""
    flow = cache.flows.get(bytes(frame[26:38]))
    if flow is not None and not forward(cache, [frame], dirty, now):
        return flow
    flow6 = fast_path6.find(cache.flows6, frame)
    if flow6 is not None and not fast_path6.forward(cache.flows6, [frame], dirty, now):
        return flow6
    echo = cache.echoes.get(bytes(frame[26:36]) + bytes(frame[38:40]))
    if echo is not None and not fast_echo.forward(cache.echoes, [frame], dirty, now):
        return echo
    echo6 = fast_echo6.find(cache.echoes6, frame)
    if echo6 is not None and not fast_echo6.forward(cache.echoes6, [frame], dirty, now):
        return echo6
    return None


def forward(
    cache: FlowCache,
    frames: list[memoryview],
    dirty: list[Output],
    now: float,
    *,
    partial: bool = False,
) -> list[memoryview]:
    """Forward those of *frames* whose flows are known; return the others, in order.

    A frame that must take the slow path holds up those behind it, so that no flow is reordered.
    """
    queue: list[Octets] | list[Mutable]
    flow_of, is_tcp, output = cache.flows.get, cache.is_tcp, None
    unpack, pack = _LAYOUTS[is_tcp]
    rest = iter(frames)
    for frame in rest:
        size = len(frame)
        if size < _OCTETS_MIN:
            return [frame, *rest]
        head, service, octets, number, stable, checksum, key, segment, l4 = unpack(frame)
        flow = flow_of(key)
        if (
            flow is None
            or stable != flow.stable
            or head != flow.head
            or octets + _IP != size
            or octets > flow.octets_max
        ):
            return [frame, *rest]
        if flow.is_tcp is not is_tcp:
            is_tcp = cache.is_tcp = flow.is_tcp
            unpack, pack = _LAYOUTS[is_tcp]
            *_, segment, l4 = unpack(frame)
        connection = flow.connection
        if is_tcp:
            if connection.steady and not segment[_FLAGS_AT] & _FIN_SYN_RST:
                side = flow.side
                side.segment, side.octets = segment, octets
            elif not connection.follow(flow.direction, segment, octets):
                return [frame, *rest]
            l4 = (l4 + flow.l4_change) % 65535
        elif l4:  # Else there is no checksum.
            l4 = (l4 + flow.l4_change) % 65535 or 65535
        if flow.rewritten:
            new = (checksum + flow.ip_change) % 65535
            pack(
                frame, 0, flow.new_head, service, octets, number, flow.new_stable, new, flow.key,
                segment, l4,
            )  # fmt: skip
        connection.seen_at = now
        if flow.output is not output:
            output = flow.output
            queue = output.queue_for(0) if partial else output.queue
            if not queue:
                dirty.append(output)
        queue.append(frame)
    return []
