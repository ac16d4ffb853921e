"""The VTEP `flannel.1` (RFC 7348, Linux vxlan_core.c with `nolearning`).

flannel gives every remote node one FDB entry, so there is exactly one place where a frame can go.
Arriving datagrams come from nodes only; those that are no VXLAN, or of another VNI, are counted and
dropped, and so are inner frames that are not addressed to this node's VTEP. Between nodes of ours
TCP's checksums may be missing; a bit in the header, reserved in the RFC, says so.
"""

from __future__ import annotations

from functools import partial
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from netstack import offload
from netstack.wire.ethernet import HEADER_OCTETS as ETHERNET_OCTETS
from netstack.wire.malformed import MalformedPacket
from netstack.wire.vxlan import HEADER_OCTETS, Vxlan, VxlanView
from nodeagent.datapath import fast_offload, fast_path, reject
from nodeagent.datapath.drops import DropReason
from nodeagent.datapath.packet import Packet
from nodeagent.datapath.packet6 import KINDS

if TYPE_CHECKING:
    from nodeagent.datapath.devices import Vtep
    from nodeagent.datapath.node import Node


def receive(node: Node, sender: IPv4Address, octets: memoryview, stride: int, now: float) -> None:
    """Take datagrams of *stride* octets each (the last may be shorter) from a node."""
    vtep = node.vtep
    if vtep is None or stride <= 0:
        node.drops[DropReason.NO_VTEP] += 1
        return
    slow = partial(receive_frame, node, vtep)
    if stride < len(octets) and octets[0] == vtep.partial_header[0]:
        whole = offload.gather(octets, stride, vtep.partial_header)
        if whole is not None:
            vtep.receives_datagrams(-(-len(octets) // stride), len(octets))
            fast_offload.run_super(vtep.cache, whole, node.dirty, slow, now)
            return
    frames = _train(octets, stride, vtep.header)
    partials = None if frames else _train(octets, stride, vtep.partial_header)
    if frames or partials:
        vtep.receives_datagrams(len(frames or partials or ()), len(octets))
    else:
        frames, partials = _one_by_one(node, vtep, octets, stride)
    if frames:
        fast_path.run(vtep.cache, frames, node.dirty, slow, now)
    if partials:
        _receive_partial(node, vtep, partials, now)


def _train(octets: memoryview, stride: int, header: bytes) -> list[memoryview]:
    """Return the inner frames of datagrams that all have this *header*; none if one has not.

    Of a long train the first octets of all headers are compared at once, then the second, ...
    """
    size = len(octets)
    if octets[:HEADER_OCTETS] != header:
        return []
    if size <= stride:
        return [octets[HEADER_OCTETS:]]
    number = -(-size // stride)
    for at in range(HEADER_OCTETS):
        if octets[at::stride].tobytes() != header[at : at + 1] * number:
            return []
    return [octets[at + HEADER_OCTETS : at + stride] for at in range(0, size, stride)]


def _one_by_one(
    node: Node, vtep: Vtep, octets: memoryview, stride: int
) -> tuple[list[memoryview], list[memoryview]]:
    """Return the inner frames of datagrams, and of those the partial ones, that are for *vtep*."""
    frames: list[memoryview] = []
    partials: list[memoryview] = []
    for at in range(0, len(octets), stride):
        datagram = octets[at : at + stride]
        inner = decapsulate(node, vtep, datagram)
        if inner is not None:
            vtep.receives_datagrams(1, len(datagram))
            is_partial = datagram[:HEADER_OCTETS] == vtep.partial_header
            (partials if is_partial else frames).append(inner)
    return frames, partials


def _receive_partial(node: Node, vtep: Vtep, frames: list[memoryview], now: float) -> None:
    """Take inner frames without checksums of TCP; runs of one flow become super-frames again."""
    slow = partial(receive_frame, node, vtep)
    ordinary: list[memoryview] = []
    for frame, segment in offload.join(frames):
        if not segment:
            ordinary.append(memoryview(frame))
            continue
        if ordinary:
            fast_offload.run(vtep.cache, ordinary, node.dirty, slow, now)
            ordinary = []
        fast_offload.run_super(vtep.cache, (frame, segment), node.dirty, slow, now)
    fast_offload.run(vtep.cache, ordinary, node.dirty, slow, now)


def completed(vtep: Vtep, datagram: memoryview) -> memoryview:
    """Return a datagram as it would be if its sender had filled in every checksum."""
    if datagram[:HEADER_OCTETS] == vtep.partial_header:
        datagram[:HEADER_OCTETS] = vtep.header
        offload.complete(datagram[HEADER_OCTETS:])
    return datagram


def decapsulate(node: Node, vtep: Vtep, datagram: memoryview) -> memoryview | None:
    """Return the inner frame of a datagram, None when it is not for *vtep*."""
    try:
        view = VxlanView(datagram)
        header = Vxlan.parse(view)
    except MalformedPacket:
        node.drops[DropReason.MALFORMED_VXLAN] += 1
        return None
    if header.vni != vtep.vni:
        node.drops[DropReason.FOREIGN_VNI] += 1
        return None
    return datagram[HEADER_OCTETS:]


def receive_frame(node: Node, vtep: Vtep, frame: memoryview, now: float) -> None:
    """Take one inner frame."""
    if len(frame) < ETHERNET_OCTETS:
        node.drops[DropReason.MALFORMED_FRAME] += 1
    elif frame[6:12] == vtep.mac:
        node.drops[DropReason.LOOPED] += 1  # Our own frame has come back (vxlan_set_mac).
    elif frame[0:6] != vtep.mac:
        node.drops[DropReason.OTHER_HOST] += 1
    elif (kind := KINDS.get(frame[12] << 8 | frame[13])) is None:
        node.drops[DropReason.UNHANDLED_PROTOCOL] += 1
    else:
        try:
            packet = kind.parse(frame, vtep.name)
        except MalformedPacket:
            node.drops[DropReason.MALFORMED_PACKET] += 1
            return
        packet.cache = vtep.cache
        node.receive_ip(packet, now)


def send(node: Node, packet: Packet, mac: bytes, now: float) -> None:
    """Encapsulate towards the node behind *mac*."""
    assert node.vtep is not None
    remote = node.vtep.fdb.lookup(mac, now)
    if remote is None:
        node.drops[DropReason.NO_FDB] += 1
        reject.tell(node, packet, reject.Refusal.NO_NEIGHBOUR, now)
        return
    output = node.vxlan_output(remote)
    if output is None:
        node.drops[DropReason.NO_FDB] += 1
        return
    node.learn_flow(packet, output, node.vtep.mtu)
    node.queue(output, packet.frame)
