"""The ways in while somebody captures: frame by frame, each with its verdict.

A frame takes the path that it would have taken, fast or slow; it is only looked at on its way.
What leaves is shown by its output (`Output.show`) at the next flush, with the verdict of the frame
that it was: the queue holds the same object, so its identity finds the verdict.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from netdev.underlay import UnderlayDrop
from nodeagent.datapath import br_input, fast_path, vxlan
from nodeagent.datapath.verdict import Drops, Verdict

if TYPE_CHECKING:
    from nodeagent.datapath.devices import Port, Vtep
    from nodeagent.datapath.fast_path import FlowCache
    from nodeagent.datapath.node import Node
    from nodeagent.datapath.output import Output
    from nodeagent.datapath.packet import Octets


@contextmanager
def frame(node: Node, *counters: Drops) -> Iterator[None]:
    """Let what happens within be one frame's verdict."""
    outer = node.verdict
    own = (node.drops, node.fragments.drops, node.stack.drops)
    verdict = node.verdict = Verdict.begin(*counters, *own)
    try:
        yield
    finally:
        verdict.end()
        node.verdict = outer
        if outer is not None and outer.packet is not None:
            outer.answers += verdict.outputs


def from_port(node: Node, port: Port, frames: list[memoryview], now: float) -> None:
    """Take frames from a pod."""
    for each in frames:
        with frame(node, port.drops):
            node.tap(port.name, "in", each)
            node.tap(node.bridge.name, "in", each)
            if not _fast(node, port.cache, each, now):
                br_input.receive(node, port, each, now)


def from_underlay(
    node: Node, vtep: Vtep, sender: IPv4Address, datagrams: list[memoryview], now: float
) -> None:
    """Take VXLAN datagrams from another node."""
    for datagram in datagrams:
        with frame(node):
            node.tap_underlay(sender, datagram, "in", port=vtep.port)
            inner = vxlan.decapsulate(node, vtep, datagram)
            if inner is None:
                continue
            vtep.rx_packets += 1
            vtep.rx_octets += len(inner)
            node.tap(vtep.name, "in", inner)
            if not _fast(node, vtep.cache, inner, now):
                vxlan.receive_frame(node, vtep, inner, now)


def from_stranger(
    node: Node, sender: tuple[IPv4Address, int], datagrams: list[memoryview], port: int
) -> None:
    """Show datagrams to *port* that were dropped before anything looked into them."""
    address, source_port = sender
    for datagram in datagrams:
        with frame(node):
            assert node.verdict is not None
            node.verdict.drops.append(UnderlayDrop.UNKNOWN_SENDER)
            node.tap_underlay(address, datagram, "in", port=port, source_port=source_port)


def from_outside(
    node: Node, frames: list[memoryview], receive: Callable[[memoryview, float], None], now: float
) -> None:
    """Take what the world outside sends; what is not known already is for *receive*."""
    for each in frames:
        with frame(node):
            node.tap_outside("in", each)
            if not _fast(node, node.outside_cache, each, now):
                receive(each, now)


def _fast(node: Node, cache: FlowCache, octets: memoryview, now: float) -> bool:
    """Send a frame of a known flow on its way; False when it must take the slow path."""
    flow = fast_path.forward_one(cache, octets, node.dirty, now)
    if flow is None:
        return False
    assert node.verdict is not None
    node.verdict.follow(flow)
    node.queued[id(octets)] = node.verdict
    if flow.ttl_step and flow.output.name in node.ports:
        node.tap(node.bridge.name, "out", octets)
    return True


def leaving(node: Node, output: Output, frames: list[Octets]) -> None:
    """Show what is about to leave by *output*."""
    for each in frames:
        node.verdict = node.queued.get(id(each))
        output.show(each)
    node.verdict = None
