"""The flow cache's IPv6: what `fast_path` does, for packets without extension headers.

The key is the 36 octets in which addresses and ports follow one another. There is no header
checksum to keep right, and the traffic class and flow label are carried over as they are. What a
connection notes of a segment is its length as if its header were IPv4's, as conntrack's slow path
has it. An IPv4 batch never comes here: the table is asked only when it holds something.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from netstack.wire import ipv4
from netstack.wire.ipv6 import HEADER_OCTETS, NextHeader

if TYPE_CHECKING:
    from nodeagent.datapath.conntrack.connection import Connection
    from nodeagent.datapath.conntrack.window import Side
    from nodeagent.datapath.output import Mutable, Output
    from nodeagent.datapath.packet import Direction, Octets, Packet

_IP: Final = 14
_L4: Final = _IP + HEADER_OCTETS
#: Ethernet to the upper half of the traffic class; the lower half and the flow label; length of
#: the payload; next header and hop limit; addresses and ports. Then as in `fast_path`.
_UDP: Final = struct.Struct("!15s3sH2s36sHH")
TCP: Final = struct.Struct("!15s3sH2s36s12sH")
_LAYOUTS: Final = ((_UDP.unpack_from, _UDP.pack_into), (TCP.unpack_from, TCP.pack_into))
_OCTETS_MIN: Final = TCP.size
_KEY: Final = slice(_IP + 8, _L4 + 4)
_HEAD: Final = slice(0, 15)
_STABLE: Final = slice(_IP + 6, _IP + 8)
_FLAGS_AT: Final = 9  # In the segment.
_FIN_SYN_RST: Final = 0x07
_PROTOCOLS: Final = (NextHeader.TCP, NextHeader.UDP)

ENTRIES_MAX: Final = 65536


@dataclass(slots=True)
class Flow6:
    """What happens to the packets of one direction of a connection at one input."""

    connection: Connection
    direction: Direction
    side: Side  # Whose segments these are.
    output: Output
    #: What all packets have in their headers.
    head: bytes
    stable: bytes
    payload_max: int
    is_tcp: bool
    #: What they leave with.
    ttl_step: int
    new_head: bytes
    new_stable: bytes
    key: bytes
    l4_change: int


Flows6 = dict[bytes, Flow6]


def learn(flows: Flows6, packet: Packet, output: Output, mtu: int) -> None:
    """Remember what has become of *packet*, which is about to leave by *output*."""
    connection, before = packet.connection, packet.arrival
    if connection is None or connection.forgotten or packet.protocol not in _PROTOCOLS:
        return
    if packet.l4 != _L4 or packet.is_fragment or packet.may_be_cut:
        return
    if len(flows) >= ENTRIES_MAX:
        flows.clear()
    after = bytes(packet.frame[: _L4 + 4])
    key, new_key = before[_KEY], after[_KEY]
    old = flows.get(key)
    if old is None or old.connection is not connection:
        connection.fast_entries.append((flows, key))
    flows[key] = Flow6(
        connection=connection,
        direction=packet.direction,
        side=connection.sides[packet.direction],
        output=output,
        head=before[_HEAD],
        stable=before[_STABLE],
        payload_max=mtu - HEADER_OCTETS,
        is_tcp=packet.protocol == NextHeader.TCP,
        ttl_step=before[_IP + 7] - after[_IP + 7],
        new_head=after[_HEAD],
        new_stable=after[_STABLE],
        key=new_key,
        l4_change=(int.from_bytes(key, "big") - int.from_bytes(new_key, "big")) % 65535,
    )


def find(flows: Flows6, frame: memoryview) -> Flow6 | None:
    """Return the flow that *frame* may belong to."""
    return flows.get(bytes(frame[_KEY]))


def forward(
    flows: Flows6,
    frames: list[memoryview],
    dirty: list[Output],
    now: float,
    *,
    partial: bool = False,
) -> list[memoryview]:
    """Forward known flows at the head of *frames*; return the frames from the first other on."""
    queue: list[Octets] | list[Mutable]
    flow_of, is_tcp, output = flows.get, True, None
    unpack, pack = _LAYOUTS[is_tcp]
    rest = iter(frames)
    for frame in rest:
        size = len(frame)
        if size < _OCTETS_MIN:
            return [frame, *rest]
        head, label, octets, stable, key, segment, l4 = unpack(frame)
        flow = flow_of(key)
        if (
            flow is None
            or stable != flow.stable
            or head != flow.head
            or octets + _L4 != size
            or octets > flow.payload_max
        ):
            return [frame, *rest]
        if flow.is_tcp is not is_tcp:
            is_tcp = flow.is_tcp
            unpack, pack = _LAYOUTS[is_tcp]
            *_, segment, l4 = unpack(frame)
        connection = flow.connection
        if is_tcp:
            if connection.steady and not segment[_FLAGS_AT] & _FIN_SYN_RST:
                side = flow.side
                side.segment, side.octets = segment, octets + ipv4.HEADER_OCTETS
            elif not connection.follow(flow.direction, segment, octets + ipv4.HEADER_OCTETS):
                return [frame, *rest]
            l4 = (l4 + flow.l4_change) % 65535
        elif l4:  # Else there is no checksum, and its receiver will say so.
            l4 = (l4 + flow.l4_change) % 65535 or 65535
        pack(frame, 0, flow.new_head, label, octets, flow.new_stable, flow.key, segment, l4)
        connection.seen_at = now
        if flow.output is not output:
            output = flow.output
            queue = output.queue_for(0) if partial else output.queue
            if not queue:
                dirty.append(output)
        queue.append(frame)
    return []
