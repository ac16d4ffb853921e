"""A filter's tree made into a predicate over frames: closures, evaluated before anything is copied.

A frame is decoded once for each depth that the filter speaks of. A load beyond the frame's end, or
a division by zero, rejects the frame as BPF does, whatever else the filter says.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import partial
from ipaddress import IPv4Network, IPv6Network
from typing import Final, assert_never

from netdev.capture_filter import tree
from netdev.capture_filter.layers import (
    ETHERNET_OCTETS,
    ETHERTYPE_IPV6,
    ETHERTYPE_RARP,
    NETWORKS,
    Beyond,
    Layers,
    decode,
    inner,
)
from netdev.capture_filter.layers import vni as vni_of
from netdev.capture_filter.tree import Tree, Value
from netdev.framing import Octets
from netstack.wire.ethernet import ETHERTYPE_ARP, ETHERTYPE_IPV4
from netstack.wire.ipv4 import PROTOCOL_TCP

Predicate = Callable[[Octets], bool]

_PORT_OCTETS: Final = 2
_WITH_PORTS: Final = ("tcp", "udp", "sctp")
#: Where source and destination stand: from the beginning of the network header.
_ADDRESSES_AT: Final = {
    ETHERTYPE_IPV4: (12, 16),
    ETHERTYPE_IPV6: (8, 24),
    ETHERTYPE_ARP: (14, 24),
    ETHERTYPE_RARP: (14, 24),
}
_RELATIONS: Final[dict[str, Callable[[int, int], bool]]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}
_OPERATIONS: Final[dict[str, Callable[[int, int], int]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.floordiv,
    "%": operator.mod,
    "&": operator.and_,
    "|": operator.or_,
    "^": operator.xor,
    "<<": lambda left, right: left << right if right < 32 else 0,
    ">>": operator.rshift,
}


Frames = tuple[Layers | None, ...]
Test = Callable[[Frames], bool]
Read = Callable[[Frames], int]


def compile_tree(wanted: Tree, direction: str = "in") -> Predicate:
    """Return what tells whether a frame that goes *direction*, "in" or "out", is *wanted*."""
    wanted = tree.seen(wanted, direction)
    test, depths = _test(wanted), _depth_of(wanted) + 1

    def predicate(octets: Octets) -> bool:
        if len(octets) < ETHERNET_OCTETS:
            return False
        frames = [decode(octets, 0)]
        while len(frames) < depths:
            frames.append(inner(frames[-1]))
        try:
            return test(tuple(frames))
        except (Beyond, ZeroDivisionError):
            return False

    return predicate


def _depth_of(each: Tree | Value) -> int:
    match each:
        case tree.Not(negated):
            return _depth_of(negated)
        case tree.And(left, right) | tree.Or(left, right):
            return max(_depth_of(left), _depth_of(right))
        case tree.Relation(_, left, right) | tree.Operation(_, left, right):
            return max(_depth_of(left), _depth_of(right))
        case tree.Number() | tree.Length() | tree.Way():
            return 0
        case tree.Load(_, offset):
            return max(each.depth, _depth_of(offset))
        case _:
            return each.depth


def _test(wanted: Tree) -> Test:
    match wanted:
        case tree.Not(negated):
            test = _test(negated)
            return lambda frames: not test(frames)
        case tree.And(left, right):
            first, second = _test(left), _test(right)
            return lambda frames: first(frames) and second(frames)
        case tree.Or(left, right):
            first, second = _test(left), _test(right)
            return lambda frames: first(frames) or second(frames)
        case tree.Relation(sign, left, right):
            compare, one, other = _RELATIONS[sign], _read(left), _read(right)
            needs = [*_loads(left), *_loads(right)]
            return lambda frames: (
                all(_start(frames, load) >= 0 for load in needs)
                and compare(one(frames), other(frames))
            )
        case _:
            assert not isinstance(wanted, tree.Way), "`seen` has said which way it is"
            return _primitive(wanted)


def _primitive(
    wanted: tree.Protocol
    | tree.Vxlan
    | tree.Address
    | tree.Mac
    | tree.Group
    | tree.Ports
    | tree.Flag,
) -> Test:
    depth = wanted.depth
    match wanted:
        case tree.Protocol(name):
            return partial(_is_protocol, depth, name)
        case tree.Vxlan(vni):
            return partial(_is_vxlan, depth, vni)
        case tree.Address():
            return partial(_has_address, depth, wanted, _masked(wanted.network))
        case tree.Mac(direction, address):
            return partial(_has_mac, depth, direction, address)
        case tree.Group("broadcast"):
            return partial(_has_mac, depth, "dst", b"\xff" * 6)
        case tree.Group():
            return partial(_is_multicast, depth)
        case tree.Ports():
            return partial(_has_port, depth, wanted)
        case tree.Flag(name):
            return partial(_has_flag, depth, tree.FLAGS[name])
        case _:
            assert_never(wanted)


def _is_protocol(depth: int, name: str, frames: Frames) -> bool:
    frame = frames[depth]
    return frame is not None and frame.is_protocol(name)


def _is_vxlan(depth: int, vni: int | None, frames: Frames) -> bool:
    found = vni_of(frames[depth])
    return found is not None and vni in (None, found)


def _either(direction: str, source: bool, destination: bool) -> bool:
    if direction == "src":
        return source
    if direction == "dst":
        return destination
    return source and destination if direction == tree.BOTH else source or destination


def _masked(network: IPv4Network | IPv6Network) -> tuple[int, int, int]:
    """Return octets, mask and value of an address in *network*."""
    size = network.max_prefixlen // 8
    return size, int(network.netmask), int(network.network_address)


def _has_address(
    depth: int, wanted: tree.Address, masked: tuple[int, int, int], frames: Frames
) -> bool:
    frame, (size, mask, value) = frames[depth], masked
    if frame is None or frame.kind not in _ADDRESSES_AT:
        return False
    if (frame.kind == ETHERTYPE_IPV6) != (size == 16):
        return False
    if wanted.protocol and NETWORKS[wanted.protocol] != frame.kind:
        return False

    def holds(offset: int) -> bool:
        start = frame.network + offset
        octets = frame.octets[start : start + size]
        if len(octets) < size:
            raise Beyond
        return int.from_bytes(octets, "big") & mask == value

    source, destination = _ADDRESSES_AT[frame.kind]
    match wanted.direction:
        case "src":
            return holds(source)
        case "dst":
            return holds(destination)
        case tree.BOTH:
            return holds(source) and holds(destination)
        case _:
            return holds(source) or holds(destination)


def _has_mac(depth: int, direction: str, address: bytes, frames: Frames) -> bool:
    frame = frames[depth]
    if frame is None:
        return False
    octets, at = frame.octets, frame.at
    return _either(direction, octets[at + 6 : at + 12] == address, octets[at : at + 6] == address)


def _is_multicast(depth: int, frames: Frames) -> bool:
    frame = frames[depth]
    return frame is not None and bool(frame.octets[frame.at] & 1)


def _has_port(depth: int, wanted: tree.Ports, frames: Frames) -> bool:
    frame = frames[depth]
    if frame is None:
        return False
    names = (wanted.protocol,) if wanted.protocol else _WITH_PORTS
    if not any(frame.is_protocol(name) for name in names) or frame.transport < 0:
        return False
    octets, at, low, high = frame.octets, frame.transport, wanted.low, wanted.high

    def holds(at: int) -> bool:
        if len(octets) < at + _PORT_OCTETS:
            raise Beyond
        return low <= int.from_bytes(octets[at : at + _PORT_OCTETS], "big") <= high

    match wanted.direction:
        case "src":
            return holds(at)
        case "dst":
            return holds(at + 2)
        case tree.BOTH:
            return holds(at) and holds(at + 2)
        case _:
            return holds(at) or holds(at + 2)


def _has_flag(depth: int, bit: int, frames: Frames) -> bool:
    frame = frames[depth]
    if frame is None or frame.protocol != PROTOCOL_TCP or frame.transport < 0:
        return False
    if len(frame.octets) <= frame.transport + 13:
        raise Beyond
    return bool(frame.octets[frame.transport + 13] & bit)


def _loads(value: Value) -> list[tree.Load]:
    match value:
        case tree.Load(_, offset):
            return [value, *_loads(offset)]
        case tree.Operation(_, left, right):
            return _loads(left) + _loads(right)
        case _:
            return []


def _start(frames: Frames, load: tree.Load) -> int:
    """Return where the header of *load* begins, -1 when the frame has none such."""
    frame = frames[load.depth]
    if frame is None:
        return -1
    if load.header == "ether":
        return frame.at
    if not frame.is_protocol(load.header):
        return -1
    return frame.network if load.header in NETWORKS else frame.transport


def _read(value: Value) -> Read:
    match value:
        case tree.Number(number):
            return lambda _frames: number
        case tree.Length():
            return _length
        case tree.Load():
            return partial(_load, value, _read(value.offset))
        case tree.Operation(sign, left, right):
            do, one, other = _OPERATIONS[sign], _read(left), _read(right)
            return lambda frames: do(one(frames), other(frames)) & 0xFFFFFFFF
        case _:
            assert_never(value)


def _length(frames: Frames) -> int:
    return 0 if frames[0] is None else len(frames[0].octets)


def _load(load: tree.Load, offset: Read, frames: Frames) -> int:
    at = _start(frames, load) + offset(frames)
    frame = frames[load.depth]
    assert frame is not None  # Else it would have no start.
    octets = frame.octets[at : at + load.size]
    if len(octets) < load.size:
        raise Beyond
    return int.from_bytes(octets, "big")
