"""The sockets behind the bridge's ports.

A wake-up reads messages side by side into the arena until the socket is empty or the arena full,
hands each to the node as it comes, and flushes: what one pod sent at once leaves at once.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from componentbase.clock import Clock
from netdev import framing, veth_server
from netdev.framing import MESSAGE_OCTETS_MAX, MalformedBatch
from netdev.underlay import Arena
from netdev.veth import Read, reading
from netdev.veth_server import VethServer
from nodeagent.datapath.devices import Port
from nodeagent.datapath.drops import DropReason
from nodeagent.datapath.node import Node
from nodeagent.datapath.output import Mutable, Output, completed
from nodeagent.datapath.packet import Octets
from nodeagent.datapath.veth_faults import Receivers, VethFaults

log = logging.getLogger(__name__)
_DRAIN_MESSAGES: Final = 64


class VethPorts:
    """Connects pods to the ports of *node*; *on_drained* is called when a batch is complete."""

    def __init__(
        self, node: Node, arena: Arena, clock: Clock, on_drained: Callable[[], None]
    ) -> None:
        self._node, self._arena, self._clock, self._on_drained = node, arena, clock, on_drained
        self.faults = VethFaults(node, self._transmit, self._transmit_offloaded, self._listen)
        self._sockets: dict[str, socket.socket] = {}
        self._server: VethServer | None = None

    def start(self, path: Path) -> None:
        """Listen for pods at *path*."""
        self._loop = asyncio.get_running_loop()
        self._server = VethServer(path, self._attach)
        self._server.start()

    def close(self) -> None:
        """Disconnect every pod."""
        if self._server is not None:
            self._server.close()
        for name in list(self._sockets):
            self.disconnect(name)

    def new_output(self, name: str) -> Output:
        """Return the way to the pod of link *name*."""
        return Output(
            name,
            self.faults.transmitter(name),
            show=lambda frame: self._node.tap(name, "out", frame),
            offload=self.faults.offloader(name),
        )

    def disconnect(self, name: str) -> None:
        """Cut the pod of link *name* off."""
        veth = self._sockets.pop(name, None)
        if veth is not None:
            self._loop.remove_reader(veth)
            veth.close()
        port = self._node.ports.get(name)
        if port is not None:
            port.connected = False

    def _attach(self, name: str, veth: socket.socket, offload: bool) -> str:
        port = self._node.ports.get(name)
        if port is None:
            return f"no link {name}"
        self.disconnect(name)  # A pod that connects again has given its old socket up.
        self._sockets[name] = veth
        offload = offload and not port.is_host  # Its packets take the slow path.
        veth_server.accept(veth, offload=offload)
        port.connected, port.offload = True, offload
        self._listen(name)
        return ""

    def _listen(self, name: str) -> None:
        """Let whoever takes the frames of link *name* now have them."""
        port, veth = self._node.ports.get(name), self._sockets.get(name)
        if port is not None and veth is not None:
            receivers = self.faults.receivers(name)
            self._loop.add_reader(veth, self._readable, port, reading(veth), receivers)

    def _readable(self, port: Port, read: Read, receivers: Receivers) -> None:
        view, node, now = self._arena.view, self._node, self._clock()
        at = total = 0
        for _ in self._arena.pace.reads(_DRAIN_MESSAGES):
            try:
                octets = read(view[at : at + MESSAGE_OCTETS_MAX])
            except OSError:
                octets = 0
            if octets is None:
                break
            if octets == 0:
                self.disconnect(port.name)
                break
            try:
                _receive(port, view[at : at + octets], receivers, now)
            except MalformedBatch:
                port.drops[DropReason.MALFORMED_FRAME] += 1
                continue
            at += octets
            total += octets
            if at + MESSAGE_OCTETS_MAX > Arena.OCTETS:
                node.flush(now)
                at = 0
        self._on_drained()
        self._arena.pace.worked(total)

    def _transmit(self, name: str, frames: list[Octets]) -> None:
        port, veth = self._node.ports.get(name), self._sockets.get(name)
        if port is None:
            return  # Deleted within this batch.
        if veth is None:
            self._drop(port, frames, DropReason.LINK_DOWN)
            return
        self._send(port, veth, frames, framing.ORDINARY if port.offload else b"")

    def _transmit_offloaded(self, name: str, frames: list[Mutable], segment: int) -> None:
        port, veth = self._node.ports.get(name), self._sockets.get(name)
        if port is None or veth is None or not port.offload:
            self._transmit(name, completed(frames, segment))
        elif segment:
            word = (framing.PARTIAL | segment).to_bytes(2, "big")
            for frame in frames:
                self._send(port, veth, [frame], word)
        else:
            self._send(port, veth, frames, framing.ALL_PARTIAL)

    def _send(
        self, port: Port, veth: socket.socket, frames: Sequence[Octets], offload: bytes
    ) -> None:
        for stride, part in framing.runs(frames):
            try:
                veth.sendmsg((stride.to_bytes(2, "big") + offload, *part))
            except BlockingIOError:
                self._drop(port, part, DropReason.RING_FULL)
            except OSError:
                self._drop(port, part, DropReason.LINK_DOWN)
            else:
                port.tx_packets += len(part)
                port.tx_octets += sum(map(len, part))

    def _drop(self, port: Port, frames: Sequence[Octets], reason: DropReason) -> None:
        port.drops[reason] += len(frames)
        self._node.lost(frames, reason)


def _receive(port: Port, message: memoryview, receivers: Receivers, now: float) -> None:
    """Hand on what a pod has sent; raises MalformedBatch."""
    if not port.offload:
        frames = framing.split_batch(message)
        port.rx_octets += len(message) - framing.STRIDE_OCTETS
        receivers.ordinary(port, frames, now)
        return
    frames, offload = framing.split_offloaded(message)
    port.rx_octets += len(message) - framing.HEADER_OCTETS
    if offload:
        receivers.offloaded(port, frames, offload & framing.SEGMENT_OCTETS_MAX, now)
    else:
        receivers.ordinary(port, frames, now)
