"""The pod's end of a veth: a Unix SEQPACKET connection to the node's datapath.

A pod outlives its datapath: when the socket closes, the client connects again, for ever, and the
pod's connections do not notice more than some lost frames. A full socket drops and counts, as a
full transmit ring does; nothing is queued here.

A client may ask for offload (contracts §15); what is agreed upon holds until the connection ends.
"""

from __future__ import annotations

import asyncio
import io
import logging
import socket
from collections import Counter
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgpack

from componentbase.unix import socket_path
from netdev import framing
from netdev.framing import ALL_PARTIAL, MESSAGE_OCTETS_MAX, PARTIAL, MalformedBatch, Octets
from netdev.pace import Pace
from netstack.offload import SuperFrame

log = logging.getLogger(__name__)

_RETRY_FIRST_S: Final = 0.02
_RETRY_MAX_S: Final = 0.5
_DRAIN_MESSAGES: Final = 16
#: Room for the windows of several connections; beyond it frames are dropped.
SEND_BUFFER_OCTETS: Final = 4 * 1024 * 1024
#: One buffer for every veth of the process: it is empty again before the loop goes on.
_buffer = memoryview(bytearray(MESSAGE_OCTETS_MAX))


class VethDrop(StrEnum):
    """Why a frame did not cross."""

    DISCONNECTED = "disconnected"
    RING_FULL = "ring-full"
    TOO_LONG = "too-long"
    MALFORMED = "malformed"


def new_socket() -> socket.socket:
    """Return a non-blocking SEQPACKET socket with room for a window of frames."""
    veth = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    veth.setblocking(False)
    veth.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_OCTETS)
    return veth


#: Reads one message into a buffer and returns its length, None when there is none.
Read = Callable[[bytearray | memoryview], int | None]


def reading(veth: socket.socket) -> Read:
    """Return what reads *veth*.

    A socket says so by an exception, whose making costs as much as a message's journey.
    """
    return io.FileIO(veth.fileno(), closefd=False).readinto


class VethClient:
    """Carries frames between a network stack and the datapath at *path*.

    *on_frames* gets the frames of one message, in order, as slices of a buffer that are valid until
    it returns, and whether they are partial; *on_drained* is called when nothing more waits.
    *on_up* is called after every (re)connection, before any frame is received: then `offload` says
    whether what was asked for was agreed to.
    """

    def __init__(
        self,
        path: Path,
        interface: str,
        on_frames: Callable[[list[memoryview], bool], None],
        *,
        on_up: Callable[[], None] | None = None,
        on_drained: Callable[[], None] | None = None,
        offload: bool = False,
    ) -> None:
        self._path, self._interface, self._wanted = path, interface, offload
        self._on_frames, self._on_up, self._on_drained = on_frames, on_up, on_drained
        self._socket: socket.socket | None = None
        self._read: Read
        self._retry: asyncio.TimerHandle | None = None
        self._retry_s = _RETRY_FIRST_S
        self._pace = Pace()
        self._closed = False
        self.connected = self.offload = False
        self.rx_packets = self.tx_packets = 0
        self.drops: Counter[VethDrop] = Counter()

    def start(self) -> None:
        """Connect now and from now on, in the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._connect()

    def close(self) -> None:
        """Disconnect and stay so."""
        self._closed = True
        if self._retry is not None:
            self._retry.cancel()
        self._drop_socket()

    def send(self, frames: Sequence[Octets]) -> None:
        """Send *frames* in order; what the socket does not take now is dropped and counted.

        Where offload is agreed upon they are partial, and some may be super-frames.
        """
        self._pace.worked()  # Frames come at the end of a turn of the loop.
        if not self.offload:
            self._send_runs(frames, b"")
            return
        start = 0
        for index, frame in enumerate(frames):
            if isinstance(frame, SuperFrame):
                self._send_runs(frames[start:index], ALL_PARTIAL)
                self._send_runs([frame], (PARTIAL | frame.segment).to_bytes(2, "big"))
                start = index + 1
        self._send_runs(frames[start:] if start else frames, ALL_PARTIAL)

    def _send_runs(self, frames: Sequence[Octets], offload: bytes) -> None:
        if self._socket is None or not self.connected:
            self.drops[VethDrop.DISCONNECTED] += len(frames)
            return
        for stride, part in framing.runs(frames):
            if stride > framing.FRAME_OCTETS_MAX:
                self.drops[VethDrop.TOO_LONG] += len(part)
                continue
            try:
                self._socket.sendmsg((stride.to_bytes(2, "big") + offload, *part))
            except BlockingIOError:
                self.drops[VethDrop.RING_FULL] += len(part)
            except OSError:
                self.drops[VethDrop.DISCONNECTED] += len(part)
                self._reconnect()
                return
            else:
                self.tx_packets += len(part)

    def _connect(self) -> None:
        self._retry = None
        veth = new_socket()
        try:
            with socket_path(self._path) as address:
                veth.connect(address)
            veth.send(msgpack.packb(self._hello()))
        except OSError:  # Nobody listens yet, or its backlog is full.
            veth.close()
            self._connect_later()
            return
        self._socket, self._read = veth, reading(veth)
        self._loop.add_reader(veth, self._readable)

    def _hello(self) -> dict[str, object]:
        wanted = {"offload": True} if self._wanted else {}
        return {"interface": self._interface, **wanted}

    def _connect_later(self) -> None:
        if not self._closed:
            self._retry = self._loop.call_later(self._retry_s, self._connect)
            self._retry_s = min(self._retry_s * 2, _RETRY_MAX_S)

    def _drop_socket(self) -> None:
        self.connected = self.offload = False
        if self._socket is not None:
            self._loop.remove_reader(self._socket)
            self._socket.close()
            self._socket = None

    def _reconnect(self) -> None:
        self._drop_socket()
        self._connect_later()

    def _readable(self) -> None:
        total = 0
        for _ in self._pace.reads(_DRAIN_MESSAGES):
            if self._socket is None:
                break
            try:
                octets = self._read(_buffer)
            except OSError:
                octets = 0
            if octets is None:
                break
            if octets == 0:
                self._reconnect()
                break
            self._receive(_buffer[:octets])
            total += octets
        if self._on_drained is not None:
            self._on_drained()
        self._pace.worked(total)

    def _receive(self, message: memoryview) -> None:
        if not self.connected:
            self._hello_answered(message)
            return
        try:
            if self.offload:
                frames, offload = framing.split_offloaded(message)
            else:
                frames, offload = framing.split_batch(message), 0
        except MalformedBatch:
            self.drops[VethDrop.MALFORMED] += 1
            return
        self.rx_packets += len(frames)
        self._on_frames(frames, bool(offload))

    def _hello_answered(self, message: memoryview) -> None:
        try:
            answer = msgpack.unpackb(message)
        except (ValueError, msgpack.UnpackException):
            answer = None
        if not isinstance(answer, dict) or not answer.get("ok"):
            self._reconnect()  # The link is not known yet: the nodeagent is about to add it.
            return
        self.connected, self.offload = True, self._wanted and answer.get("offload") is True
        self._retry_s = _RETRY_FIRST_S
        if self._on_up is not None:
            self._on_up()
