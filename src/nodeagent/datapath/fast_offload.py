"""The fast path of offloaded frames (Linux: GSO and CHECKSUM_PARTIAL packets on their way).

A partial frame takes the same way as any other, only to another queue of its output. A super-frame
is held against the cache as one packet, but against the MTU by what it will be cut into; nothing is
computed over its payload. What the cache does not know is completed and cut here: the slow path,
and conntrack's check of checksums, see ordinary frames.
"""

from __future__ import annotations

from typing import Final

from netstack import offload
from netstack.wire import ethernet, ipv4, ipv6, tcp
from nodeagent.datapath import fast_echo, fast_echo6, fast_path, fast_path6
from nodeagent.datapath.fast_path import Flow, FlowCache, Slow
from nodeagent.datapath.fast_path6 import Flow6
from nodeagent.datapath.output import Mutable, Output

_IP4: Final = ipv4.HEADER_OCTETS
_TCP4: Final = ethernet.HEADER_OCTETS + _IP4
_TCP6: Final = ethernet.HEADER_OCTETS + ipv6.HEADER_OCTETS
_OFFSET_AT, _FLAGS_AT = 8, 9  # In the segment.
_FIN_SYN_RST_URG: Final = 0x27
_DONT_FRAGMENT: Final = b"\x40\x00"
_IPV4_AT, _IPV4 = 12, 0x08  # Where the EtherTypes differ.

#: A frame and the segment length that it is cut into.
SuperFrame = tuple[Mutable, int]


def run(
    cache: FlowCache, frames: list[memoryview], dirty: list[Output], slow: Slow, now: float
) -> None:
    """Forward partial *frames* in order; those of no known flow are completed for *slow*."""
    while frames:
        count = len(frames)
        frames = fast_path.forward(cache, frames, dirty, now, partial=True)
        if frames and cache.flows6:
            frames = fast_path6.forward(cache.flows6, frames, dirty, now, partial=True)
        if frames and cache.echoes:  # What is no TCP has its checksums.
            frames = fast_echo.forward(cache.echoes, frames, dirty, now)
        if frames and cache.echoes6:
            frames = fast_echo6.forward(cache.echoes6, frames, dirty, now)
        if len(frames) == count:  # Nobody knows the first.
            offload.complete(frames[0])
            fast_path.run(cache, frames[:1], dirty, slow, now)
            frames = frames[1:]


def run_super(
    cache: FlowCache, whole: SuperFrame, dirty: list[Output], slow: Slow, now: float
) -> None:
    """Forward a super-frame, or its pieces one by one; raises MalformedPacket if it is none."""
    frame, segment = whole
    output = None
    if _TCP4 + tcp.HEADER_OCTETS < len(frame) <= offload.OCTETS_MAX:
        forward = _forward if frame[_IPV4_AT] == _IPV4 else _forward6
        output = forward(cache, frame, segment, now)
    if output is not None:
        dirty.append(output)
        output.queue_for(segment).append(frame)
    else:
        pieces = offload.cut(frame, segment, partial=False)
        fast_path.run(cache, [memoryview(piece) for piece in pieces], dirty, slow, now)


def _forward(cache: FlowCache, frame: Mutable, segment: int, now: float) -> Output | None:
    """Change the headers of a super-frame; return where it goes, None when that is not known."""
    layout = fast_path.TCP
    head, service, octets, number, stable, checksum, key, noted, l4 = layout.unpack_from(frame)
    flow = cache.flows.get(key)
    if (
        flow is None
        or stable != flow.stable
        or head != flow.head
        or octets + ethernet.HEADER_OCTETS != len(frame)
        or stable[:2] != _DONT_FRAGMENT
        or not _follows(flow, noted, octets - _IP4, segment)
        or segment + _IP4 + (noted[_OFFSET_AT] >> 2 & 0x3C) > flow.octets_max
    ):
        return None
    flow.side.segment, flow.side.octets = noted, octets
    if flow.rewritten:
        new = (checksum + flow.ip_change) % 65535
        layout.pack_into(
            frame, 0, flow.new_head, service, octets, number, flow.new_stable, new, flow.key,
            noted, l4,
        )  # fmt: skip
    flow.connection.seen_at = now
    return flow.output


def _forward6(cache: FlowCache, frame: Mutable, segment: int, now: float) -> Output | None:
    """Do as `_forward` for IPv6."""
    if len(frame) <= _TCP6 + tcp.HEADER_OCTETS:
        return None
    layout = fast_path6.TCP
    head, label, octets, stable, key, noted, l4 = layout.unpack_from(frame)
    flow = cache.flows6.get(key)
    if (
        flow is None
        or stable != flow.stable
        or head != flow.head
        or octets + _TCP6 != len(frame)
        or not _follows(flow, noted, octets, segment)
        or segment + (noted[_OFFSET_AT] >> 2 & 0x3C) > flow.payload_max
    ):
        return None
    flow.side.segment, flow.side.octets = noted, octets + _IP4
    layout.pack_into(frame, 0, flow.new_head, label, octets, flow.new_stable, flow.key, noted, l4)
    flow.connection.seen_at = now
    return flow.output


def _follows(flow: Flow | Flow6, noted: bytes, octets: int, segment: int) -> bool:
    """Tell whether TCP of so many *octets* is a super-frame that its connection simply follows."""
    header = noted[_OFFSET_AT] >> 2 & 0x3C
    return (
        flow.is_tcp
        and flow.connection.steady
        and not noted[_FLAGS_AT] & _FIN_SYN_RST_URG
        and tcp.HEADER_OCTETS <= header < octets <= header + segment * offload.SEGMENTS_MAX
    )
