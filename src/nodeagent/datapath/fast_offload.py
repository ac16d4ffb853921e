"""The fast path of offloaded frames (Linux: GSO and CHECKSUM_PARTIAL packets on their way).

A partial frame takes the same way as any other, only to another queue of its output. A super-frame
is held against the cache as one packet, but against the MTU by what it will be cut into; nothing is
computed over its payload. What the cache does not know is completed and cut here: the slow path,
and conntrack's check of checksums, see ordinary frames.
"""

from __future__ import annotations

from typing import Final

from netstack import offload
from nodeagent.datapath import fast_path
from nodeagent.datapath.fast_path import FlowCache, Slow
from nodeagent.datapath.output import Mutable, Output

_IP: Final = 14
_IP_OCTETS: Final = 20
_OFFSET_AT, _FLAGS_AT = 8, 9  # In the segment.
_FIN_SYN_RST_URG: Final = 0x27
_DONT_FRAGMENT: Final = b"\x40\x00"

#: A frame and the segment length that it is cut into.
SuperFrame = tuple[Mutable, int]


def run(
    cache: FlowCache, frames: list[memoryview], dirty: list[Output], slow: Slow, now: float
) -> None:
    """Forward partial *frames* in order; those of no known flow are completed for *slow*."""
    while frames:
        frames = fast_path.forward(cache, frames, dirty, now, partial=True)
        if frames:
            offload.complete(frames[0])
            fast_path.run(cache, frames[:1], dirty, slow, now)
            frames = frames[1:]


def run_super(
    cache: FlowCache, whole: SuperFrame, dirty: list[Output], slow: Slow, now: float
) -> None:
    """Forward a super-frame, or its pieces one by one; raises MalformedPacket if it is none."""
    frame, segment = whole
    if not _forward(cache, frame, segment, dirty, now):
        pieces = offload.cut(frame, segment, partial=False)
        fast_path.run(cache, [memoryview(piece) for piece in pieces], dirty, slow, now)


def _forward(
    cache: FlowCache, frame: Mutable, segment: int, dirty: list[Output], now: float
) -> bool:
    size = len(frame)
    if not _IP + 40 < size <= offload.OCTETS_MAX:
        return False
    layout = fast_path.TCP
    head, service, octets, number, stable, checksum, key, tcp, l4 = layout.unpack_from(frame)
    flow = cache.flows.get(key)
    headers = _IP_OCTETS + (tcp[_OFFSET_AT] >> 2 & 0x3C)
    if (
        flow is None
        or not flow.is_tcp
        or stable != flow.stable
        or head != flow.head
        or octets + _IP != size
        or stable[:2] != _DONT_FRAGMENT
        or not 40 <= headers < octets <= headers + segment * offload.SEGMENTS_MAX
        or headers + segment > flow.octets_max
        or not flow.connection.steady
        or tcp[_FLAGS_AT] & _FIN_SYN_RST_URG
    ):
        return False
    flow.side.segment, flow.side.octets = tcp, octets
    if flow.rewritten:
        new = (checksum + flow.ip_change) % 65535
        layout.pack_into(
            frame, 0, flow.new_head, service, octets, number, flow.new_stable, new, flow.key,
            tcp, l4,
        )  # fmt: skip
    flow.connection.seen_at = now
    dirty.append(flow.output)
    flow.output.queue_for(segment).append(frame)
    return True
