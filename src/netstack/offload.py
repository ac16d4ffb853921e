"""Segmentation and checksums put off to where a frame leaves (Linux: GSO, GRO, CHECKSUM_PARTIAL).

A super-frame is an Ethernet frame of one long TCP segment that stands for several: `cut` and
`pieces` make those as Linux tcp_gso_segment does, `join` makes a super-frame of them again as
tcp_gro_receive. Partial is a frame whose TCP checksum field means nothing; `complete` fills it in.

Both families, without IP options and extension headers: what has them stays as it is. Unlike Linux
`join` knows no flows but compares neighbours only, for a run of segments leaves and arrives as one
message here, and identifications of IPv4 must count on, so that cutting gives what was joined.
CWR is said by the first segment alone (RFC 3168 §6.1.2; Linux SKB_GSO_TCP_ECN), and not joined.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import Final

from netstack.wire import MalformedPacket, checksum, ethernet, ipv4, ipv6, tcp

#: Bounds of a super-frame: segments, and octets with all headers.
SEGMENTS_MAX: Final = 64
OCTETS_MAX: Final = 62_000

Octets = bytes | bytearray | memoryview

_MASK: Final = 0xFFFFFFFF
_ACK, _PSH, _CWR = int(tcp.Flag.ACK), int(tcp.Flag.PSH), int(tcp.Flag.CWR)
_MAY_JOIN: Final = (_ACK, _ACK | _PSH)
_NEVER_CUT: Final = int(tcp.Flag.SYN | tcp.Flag.FIN | tcp.Flag.RST | tcp.Flag.URG)
_IP: Final = ethernet.HEADER_OCTETS
#: Where TCP begins behind either header.
_TCP4: Final = _IP + ipv4.HEADER_OCTETS
_TCP6: Final = _IP + ipv6.HEADER_OCTETS
_FLAGS4, _FLAGS6 = _TCP4 + 13, _TCP6 + 13
#: Ethernet and version; length; identification; flags to protocol; checksum; addresses and ports;
#: sequence; acknowledgment and data offset; flags; window; checksum; urgent pointer and options.
_FIELDS4: Final = tuple(
    struct.Struct(f"!16sHH4sH12sI5sBHH{max(0, 4 * words - 18)}s") for words in range(16)
)
#: The same behind an IPv6 header: Ethernet to flow label; length; next header to ports; ...
_FIELDS6: Final = tuple(
    struct.Struct(f"!18sH38sI5sBHH{max(0, 4 * words - 18)}s") for words in range(16)
)
_VERSION4: Final = 0x45
_TYPE_AND_VERSION: Final = struct.Struct("!12xHB")
_LENGTH_TO_PROTOCOL: Final = struct.Struct("!16xHHHxB")
_LENGTH_AND_NEXT: Final = struct.Struct("!18xHB")
_LENGTH: Final = struct.Struct("!H")
#: Where the fields end that count on: identification, checksum of IPv4; sequence number.
_IDENTIFICATION_END, _CHECKSUM_END, _SEQUENCE4_END, _SEQUENCE6_END = 20, 26, 42, 62


class SuperFrame(bytes):
    """An Ethernet frame that stands for several, each with `segment` octets of its payload."""

    segment: int


def cut(frame: Octets, segment: int, *, partial: bool) -> list[bytearray]:
    """Return the ordinary frames of a super-frame; raises MalformedPacket when it is none."""
    return [
        bytearray().join((header, payload))
        for header, payload in pieces(frame, segment, partial=partial)
    ]


def pieces(frame: Octets, segment: int, *, partial: bool) -> list[tuple[bytes, memoryview]]:
    """Do as `cut`, but return the header of each and its slice of *frame*."""
    view = memoryview(frame)
    head = _checked(view, segment)
    payloads = [view[at : at + segment] for at in range(head, len(view), segment)]
    last = len(payloads) - 1
    table = _table(_header_of(view[:head], 0, 0, payloads[0], push=False), last, segment)
    headers = [bytes(table[at : at + head]) for at in range(0, len(table), head)]
    headers.append(_header_of(view[:head], last * segment, last, payloads[-1]))
    if not partial:
        headers = list(map(_with_checksum, headers, payloads))
    return list(zip(headers, payloads, strict=True))


def lay_out(frame: Octets, segment: int, prefix: bytes, *, partial: bool) -> tuple[bytearray, int]:
    """Do as `cut`, but return the frames one behind another, each behind *prefix*, and how far
    they are apart: as one system call takes them."""
    view = memoryview(frame)
    head = _checked(view, segment)
    if not partial:
        parts = pieces(frame, segment, partial=False)
        octets = bytearray().join([each for pair in parts for each in (prefix, *pair)])
        return octets, len(prefix) + len(parts[0][0]) + len(parts[0][1])
    payloads = [view[at : at + segment] for at in range(head, len(view), segment)]
    last = len(payloads) - 1
    first = _header_of(view[:head], 0, 0, payloads[0], push=not last)
    items: list[Octets] = [prefix + first] * (2 * len(payloads))
    items[1::2] = payloads
    items[-2] = prefix + _header_of(view[:head], last * segment, last, payloads[-1])
    octets = bytearray().join(items)
    stride = len(prefix) + head + len(payloads[0])
    _count_on(octets, len(prefix), stride, last, segment)
    return octets, stride


def complete(frame: bytearray | memoryview) -> None:
    """Fill in the TCP checksum of an ordinary frame; leave alone what is no whole TCP segment."""
    if len(frame) < _TCP4 + tcp.HEADER_OCTETS:
        return
    ethertype, version = _TYPE_AND_VERSION.unpack_from(frame)
    if ethertype == ethernet.ETHERTYPE_IPV4:
        length, _, fragment, protocol = _LENGTH_TO_PROTOCOL.unpack_from(frame)
        at, end, addresses = _IP + (version << 2 & 0x3C), _IP + length, slice(26, 34)
        if at < _TCP4 or fragment & ipv4.FRAGMENT_MASK:
            return
    elif ethertype == ethernet.ETHERTYPE_IPV6:
        length, protocol = _LENGTH_AND_NEXT.unpack_from(frame)
        at, end, addresses = _TCP6, _TCP6 + length, slice(22, 54)
    else:
        return
    if protocol != ipv4.PROTOCOL_TCP or not at + tcp.HEADER_OCTETS <= end <= len(frame):
        return
    frame[at + 16 : at + 18] = bytes(2)
    with memoryview(frame) as view:
        total = checksum.add(view[addresses]) + checksum.add(view[at:end])
    field = checksum.finish(total + ipv4.PROTOCOL_TCP + end - at)
    _LENGTH.pack_into(frame, at + 16, field)


def completed(frames: Sequence[bytes]) -> list[bytes]:
    """Return *frames*, partial and super-frames among them, as everyone understands them."""
    found: list[bytes] = []
    for frame in frames:
        if isinstance(frame, SuperFrame):
            found += map(bytes, cut(frame, frame.segment, partial=False))
        else:
            whole = bytearray(frame)
            complete(whole)
            found.append(bytes(whole))
    return found


def join(frames: Sequence[memoryview]) -> list[tuple[bytearray | memoryview, int]]:
    """Make super-frames of runs of partial frames; return frames in order with their `segment`.

    That is 0 for what stays as it is, which are the very slices that were given.
    """
    joined: list[tuple[bytearray | memoryview, int]] = []
    at, count = 0, len(frames)
    while at < count:
        first = frames[at]
        head = _header_octets(first) if at + 1 < count else 0
        number = _run(frames, at, head) if head else 1
        if number == 1:
            joined.append((first, 0))
        else:
            run = frames[at : at + number]
            whole = bytearray().join((first, *[frame[head:] for frame in run[1:]]))
            joined.append((_whole(whole, len(first), run[-1]), len(first) - head))
        at += number
    return joined


def gather(octets: memoryview, stride: int, prefix: bytes) -> tuple[bytearray, int] | None:
    """Undo `lay_out` of partial frames: return the super-frame and its `segment`.

    None where *octets* are anything else: `join` is to look for what belongs together.
    """
    start = len(prefix)
    first = octets[start:stride]
    head = _header_octets(first)
    last = (len(octets) - 1) // stride * stride
    number, segment = last // stride, len(first) - head
    if not head or not 0 < number < SEGMENTS_MAX or not _may_begin(first):
        return None
    width = start + head
    if head + len(octets) - (number + 1) * width > OCTETS_MAX or octets[:start] != prefix:
        return None
    found = b"".join([octets[at : at + width] for at in range(0, last, stride)])
    if found != _table(bytes(octets[:width]), number, segment, start):
        return None
    end = octets[last + start :]
    follows = _follows(bytes(first[:head]), number * segment, end, number)
    if not follows or octets[last : last + start] != prefix:
        return None
    rest = [octets[at + width : at + stride] for at in range(stride, last + 1, stride)]
    return _whole(bytearray().join((first, *rest)), len(first), end), segment


def _header_octets(frame: memoryview) -> int:
    """Return where the payload of a frame begins that may be cut or joined, 0 if it may not."""
    size = len(frame)
    if size < _TCP4 + tcp.HEADER_OCTETS:
        return 0
    ethertype, version = _TYPE_AND_VERSION.unpack_from(frame)
    if ethertype == ethernet.ETHERTYPE_IPV4:
        length, _, fragment, protocol = _LENGTH_TO_PROTOCOL.unpack_from(frame)
        at, end, whole = _TCP4, _IP + length, fragment == ipv4.DONT_FRAGMENT
        whole = whole and version == _VERSION4
    elif ethertype == ethernet.ETHERTYPE_IPV6 and size >= _TCP6 + tcp.HEADER_OCTETS:
        length, protocol = _LENGTH_AND_NEXT.unpack_from(frame)
        at, end, whole = _TCP6, _TCP6 + length, version >> 4 == 6
    else:
        return 0
    if not whole or protocol != ipv4.PROTOCOL_TCP or end != size or frame[at + 13] & _NEVER_CUT:
        return 0
    head = at + (frame[at + 12] >> 2 & 0x3C)
    return head if at + tcp.HEADER_OCTETS <= head < size else 0


def _checked(view: memoryview, segment: int) -> int:
    """Return where the payload of a super-frame begins; raises MalformedPacket."""
    head = _header_octets(view)
    if not head:
        raise MalformedPacket("super-frame: no TCP segment")
    if not 0 < len(view) - head <= SEGMENTS_MAX * segment or len(view) > OCTETS_MAX:
        raise MalformedPacket(f"super-frame: {len(view)} octets in segments of {segment}")
    return head


def _table(header: bytes, number: int, segment: int, start: int = 0) -> bytearray:
    """Return *header*, with the frame's from *start* on, and those of the next segments."""
    table = bytearray(header * number)
    _count_on(table, start, len(header), number, segment)
    return table


def _count_on(octets: bytearray, start: int, stride: int, number: int, segment: int) -> None:
    """Let *number* headers, the first at *start* and *stride* apart, be of consecutive segments.

    A field's octets are written column by column: for all headers at once.
    """
    if number < 2:
        return
    four = octets[start + 12] == 8
    end, at = number * stride, start + (_TCP4 if four else _TCP6) + 4
    flags_at = at + 9
    if octets[flags_at] & _CWR:
        others = bytes((octets[flags_at] & ~_CWR,)) * (number - 1)
        octets[flags_at + stride : end : stride] = others
    first = int.from_bytes(octets[at : at + 4], "big")
    numbers: Iterable[int] = range(first, first + number * segment, segment)
    if first + number * segment > _MASK:
        numbers = [each & _MASK for each in numbers]
    _set_columns(octets, slice(at, end, stride), struct.pack(f"!{number}I", *numbers), 4)
    if four:
        identification = int.from_bytes(octets[start + 18 : start + 20], "big")
        field = int.from_bytes(octets[start + 24 : start + 26], "big")
        numbers = range(identification, identification + number)
        fields: Iterable[int] = range(field, field - number, -1)
        if identification + number > 0xFFFF or field < number:
            numbers = [each & 0xFFFF for each in numbers]
            fields = [(field + identification - each) % 0xFFFF for each in numbers]
        pack = struct.Struct(f"!{number}H").pack
        _set_columns(octets, slice(start + 18, end, stride), pack(*numbers), 2)
        _set_columns(octets, slice(start + 24, end, stride), pack(*fields), 2)


def _set_columns(octets: bytearray, where: slice, packed: bytes, size: int) -> None:
    """Write numbers of *size* octets, the first octets of which are *where*."""
    for column in range(size):
        octets[where.start + column : where.stop : where.step] = packed[column::size]


def _header_of(
    header: memoryview, distance: int, number: int, payload: memoryview, *, push: bool = True
) -> bytes:
    """Return the header of the piece *number*, *distance* octets behind the first."""
    made = bytearray(header)
    four = header[12] == 8
    if four:
        length, identification, field = (
            int.from_bytes(header[at : at + 2], "big") for at in (16, 18, 24)
        )
        new_length = len(header) - _IP + len(payload)
        new_identification = identification + number & 0xFFFF
        change = new_length - length + new_identification - identification
        _LENGTH.pack_into(made, 16, new_length)
        _LENGTH.pack_into(made, 18, new_identification)
        _LENGTH.pack_into(made, 24, (field - change) % 0xFFFF)
    else:
        _LENGTH.pack_into(made, 18, len(header) - _TCP6 + len(payload))
    at = _TCP4 if four else _TCP6
    sequence = int.from_bytes(header[at + 4 : at + 8], "big") + distance
    made[at + 4 : at + 8] = (sequence & _MASK).to_bytes(4, "big")
    if not push:
        made[at + 13] &= ~_PSH
    if number:
        made[at + 13] &= ~_CWR
    return bytes(made)


def _with_checksum(header: bytes, payload: memoryview) -> bytes:
    """Return *header* with TCP's checksum filled in; addresses and all behind are contiguous."""
    at, addresses = (_TCP4, 26) if header[12] == 8 else (_TCP6, 22)
    before, behind = header[: at + 16], header[at + 18 :]
    octets = len(header) - at + len(payload)
    total = checksum.add(before[addresses:]) + checksum.add(behind) + checksum.add(payload)
    field = checksum.finish(total + ipv4.PROTOCOL_TCP + octets)
    return before + field.to_bytes(2, "big") + behind


def _run(frames: Sequence[memoryview], at: int, head: int) -> int:
    """Return how many of *frames* from *at* on are one run; the first's payload begins at *head*.

    Of nearly all neighbours the headers differ as numbers by a step that is known: the sequence
    number grows by the payload, the identification by one, and IPv4's checksum shrinks by that.
    Where a field would overflow into the next one, nothing is expected but all fields looked at.
    """
    first = frames[at]
    size = len(first)
    four = first[12] == 8
    flags_at = _FLAGS4 if four else _FLAGS6
    if not _may_begin(first):
        return 1
    header = bytes(first[:head])
    limit = min(SEGMENTS_MAX, 1 + (OCTETS_MAX - size) // (size - head))
    step = _step(header, size - head)
    expected = int.from_bytes(header, "big") if step else -1
    number = 1
    for frame in frames[at + 1 : at + limit]:
        expected += step
        if len(frame) != size or int.from_bytes(frame[:head], "big") != expected:
            if len(frame) > size or not _follows(header, number * (size - head), frame, number):
                break
            if len(frame) < size or frame[flags_at] & _PSH:
                return number + 1
            expected = int.from_bytes(frame[:head], "big") if step else -1
        number += 1
    return number


def _may_begin(first: memoryview) -> bool:
    """Tell whether *first*, a TCP segment with data, may be followed by others."""
    if first[12] == 8:
        return first[_FLAGS4] == _ACK and _is_sound4(first)
    return first[_FLAGS6] == _ACK  # PSH ends a run before it has begun.


def _step(header: bytes, payload_octets: int) -> int:
    """Return how much the next header is more as a number; 0 where a field may overflow."""
    four = header[12] == 8
    bits = 8 * len(header)
    sequence_end = _SEQUENCE4_END if four else _SEQUENCE6_END
    sequence = int.from_bytes(header[sequence_end - 4 : sequence_end], "big")
    if sequence + SEGMENTS_MAX * payload_octets > _MASK:
        return 0
    step = payload_octets << bits - 8 * sequence_end
    if four:
        identification = int.from_bytes(header[18:20], "big")
        if identification + SEGMENTS_MAX > 0xFFFF or header[24:26] < b"\x01\x00":
            return 0
        step += (1 << bits - 8 * _IDENTIFICATION_END) - (1 << bits - 8 * _CHECKSUM_END)
    return step


def _follows(header: bytes, distance: int, frame: memoryview, number: int) -> bool:
    """Tell whether *frame* is the next, *number* segments and *distance* octets after *header*."""
    head = len(header)
    if len(frame) <= head or _header_octets(frame) != head:
        return False
    if frame[12] == 8:
        if not _is_sound4(frame):
            return False
        fields = _FIELDS4[head - _TCP4 >> 2]
        ours, theirs = list(fields.unpack(header)), list(fields.unpack_from(frame))
        ours[2] = (ours[2] + number) & 0xFFFF
        ours[4] = theirs[4]
        varying, at = (1, 8, 10), 6
    elif header[12] != 8:
        fields = _FIELDS6[head - _TCP6 >> 2]
        ours, theirs = list(fields.unpack(header)), list(fields.unpack_from(frame))
        varying, at = (1, 5, 7), 3
    else:
        return False
    ours[at] = (ours[at] + distance) & _MASK
    if theirs[varying[1]] not in _MAY_JOIN:
        return False
    for each in varying:  # The length, PSH and the partial checksum.
        ours[each] = theirs[each]
    return ours == theirs


def _is_sound4(frame: memoryview) -> bool:
    """Tell whether IPv4's header checksum is right: in a super-frame no other would be known."""
    return not int.from_bytes(frame[_IP:_TCP4], "little") % 0xFFFF


def _whole(joined: bytearray, first_octets: int, last: memoryview) -> bytearray:
    """Return *joined*, whose header is that of its first frame, with that of a super-frame."""
    if joined[12] == 8:
        length = len(joined) - _IP
        field = int.from_bytes(joined[24:26], "big") + first_octets - _IP - length
        _LENGTH.pack_into(joined, 16, length)
        _LENGTH.pack_into(joined, 24, field % 0xFFFF)
        joined[_FLAGS4] = last[_FLAGS4]
    else:
        _LENGTH.pack_into(joined, 18, len(joined) - _TCP6)
        joined[_FLAGS6] = last[_FLAGS6]
    return joined
