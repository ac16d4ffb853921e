"""UDP between nodes, fast: connected sockets, drained into one arena, batches by GSO and GRO.

asyncio's own datagram transports cost five times as much per packet, so these sockets are read
by add_reader + recvmsg_into. One wake-up reads datagrams side by side into an arena until the
socket is empty or the arena full, then calls *on_drained*: until then, and only until then, the
slices stay valid, so a datagram can be forwarded without having been copied.

Every peer gets a socket connected to it (the kernel then delivers to that socket, and sending
needs no address), next to an unconnected one that hears everybody else. A batch of datagrams of
one size leaves as one UDP_SEGMENT super-datagram; a receiver without UDP_GRO gets it as single
datagrams, so the wire stays what the RFC says. Where the kernel refuses UDP_SEGMENT, single
datagrams are sent.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
from collections import Counter
from collections.abc import Callable, Sequence
from enum import StrEnum
from ipaddress import IPv4Address
from typing import Final

from netdev import segmentation
from netdev.framing import Octets
from netdev.pace import Pace

_SOL_UDP: Final = 17
_UDP_SEGMENT: Final = 103
_UDP_GRO: Final = 104
_NATIVE_INT: Final = struct.Struct("=i")
_NATIVE_SHORT: Final = struct.Struct("=H")
_CONTROL_OCTETS: Final = 64

_RECEIVE_OCTETS: Final = 65536
_DRAIN_DATAGRAMS: Final = 64
#: From here on a copy costs more than to say where the two parts of a datagram are.
_LONG_OCTETS: Final = 8192
_SOCKET_BUFFER_OCTETS: Final = 4 * 1024 * 1024
PEERS_MAX: Final = 4096


class UnderlayDrop(StrEnum):
    """Why a datagram was not carried."""

    UNKNOWN_SENDER = "underlay-unknown-sender"
    SEND_BUFFER_FULL = "underlay-send-buffer-full"
    TOO_LONG = "underlay-too-long"
    UNREACHABLE = "underlay-unreachable"


class Arena:
    """The memory that received octets lie in until they have been forwarded."""

    OCTETS: Final = 4 * _RECEIVE_OCTETS

    def __init__(self) -> None:
        self.octets = bytearray(self.OCTETS)
        self.view = memoryview(self.octets)
        self.pace = Pace()  # Of the process whose sockets are all read into here.


#: Takes the sender, datagrams of one size behind one another (the last may be shorter) and
#: that size.
OnDatagrams = Callable[[IPv4Address, memoryview, int], None]
#: Takes the same of a sender whom nobody accepts, and its port; it is dropped already.
OnStranger = Callable[[IPv4Address, int, memoryview, int], None]


class Peer:
    """A socket connected to one other node."""

    def __init__(
        self, underlay: Underlay, sock: socket.socket, address: IPv4Address, port: int
    ) -> None:
        self._underlay, self.address, self.port = underlay, address, port
        self.socket = sock

    def send(self, datagrams: Sequence[Octets], header: bytes = b"") -> None:
        """Send *datagrams*, each behind *header*; those of one flow in order.

        What the kernel does not take is dropped and counted.
        """
        if len(datagrams) == 1:
            self._send_one(datagrams[0], header)
        elif not self._underlay.segmentation:
            for datagram in datagrams:
                self._send_one(datagram, header)
        else:
            for run in segmentation.runs(datagrams, len(header)):
                if len(run) == 1:
                    self._send_one(run[0], header)
                else:
                    self._send_run(run, header)

    def send_laid_out(self, octets: bytearray, size: int) -> None:
        """Send datagrams of *size* that lie one behind another; the last may be shorter."""
        most = segmentation.number(size) * size
        with memoryview(octets) as whole:
            for start in range(0, len(octets), most):
                self._send_part(whole[start : start + most], size)

    def _send_part(self, part: memoryview, size: int) -> None:
        number = -(-len(part) // size)
        if number > 1 and self._underlay.segmentation and self._send_segmented(part, size, number):
            return
        for at in range(0, len(part), size):
            self._send_one(part[at : at + size], b"")

    def _send_run(self, datagrams: Sequence[Octets], header: bytes) -> None:
        # The kernel takes one long piece sooner than many short ones, this copy included.
        octets = header + header.join(datagrams)
        if not self._send_segmented(octets, len(datagrams[0]) + len(header), len(datagrams)):
            for datagram in datagrams:
                self._send_one(datagram, header)

    def _send_segmented(self, octets: Octets, size: int, number: int) -> bool:
        """Send *number* datagrams of *size* as one; False when the kernel does not know how."""
        control = (_SOL_UDP, _UDP_SEGMENT, _NATIVE_SHORT.pack(size))
        try:
            self.socket.sendmsg((octets,), (control,))
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.EIO, errno.EOPNOTSUPP, errno.ENOPROTOOPT):
                self._underlay.segmentation = False
                return False
            self._underlay.count(self, error, number)
        return True

    def _send_one(self, datagram: Octets, header: bytes) -> None:
        try:
            if len(datagram) < _LONG_OCTETS:
                self.socket.send(header + datagram)
            else:
                self.socket.sendmsg((header, datagram))
        except OSError as error:
            self._underlay.count(self, error, 1)


class Underlay:
    """This node's UDP sockets for one port.

    *accepts* tells whether a transport address is a node's: datagrams from others are dropped.
    """

    def __init__(
        self,
        local: tuple[IPv4Address, int],
        arena: Arena,
        *,
        accepts: Callable[[IPv4Address], bool],
        on_datagrams: OnDatagrams,
        on_drained: Callable[[], None],
        on_stranger: OnStranger | None = None,
    ) -> None:
        self._on_stranger = on_stranger
        self._local = (str(local[0]), local[1])
        self._arena = arena
        self._accepts, self._on_datagrams, self._on_drained = accepts, on_datagrams, on_drained
        self._peers: dict[tuple[IPv4Address, int], Peer] = {}
        self._latest: Peer | None = None  # Likely the next, and addresses are slow to look up.
        self._open: socket.socket | None = None
        self.segmentation = True
        self.drops: Counter[UnderlayDrop] = Counter()

    def start(self) -> None:
        """Bind; raises OSError when the address is taken or is not this machine's."""
        self._loop = asyncio.get_running_loop()
        self._open = self._bind(shared=False)
        self._loop.add_reader(self._open, self._readable, self._open)

    def close(self) -> None:
        """Close every socket."""
        if self._open is None:
            return
        for peer in self._peers.values():
            self._loop.remove_reader(peer.socket)
            peer.socket.close()
        self._peers.clear()
        self._loop.remove_reader(self._open)
        self._open.close()
        self._open = None

    def _bind(self, *, shared: bool) -> socket.socket:
        """Return a socket on our port, which is *shared* with the sockets of this process only."""
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setblocking(False)
        if shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            sock.setsockopt(socket.SOL_SOCKET, option, _SOCKET_BUFFER_OCTETS)
        try:
            sock.setsockopt(_SOL_UDP, _UDP_GRO, 1)
        except OSError:
            pass  # Single datagrams then.
        try:
            sock.bind(self._local)
        except OSError as error:
            sock.close()
            where = f"{self._local[0]}:{self._local[1]}/udp"
            raise OSError(error.errno, f"cannot bind {where}: {error.strerror}") from None
        # The first socket finds out that nobody else has the port; the others may join it.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return sock

    def peer(self, address: IPv4Address, port: int) -> Peer:
        """Return the peer at *address*:*port*, connecting a socket on first use."""
        latest = self._latest
        if latest is not None and latest.address is address and latest.port == port:
            return latest
        key = (address, port)
        peer = self._peers.get(key)
        if peer is None:
            if len(self._peers) >= PEERS_MAX:
                oldest = next(iter(self._peers))
                self._forget(self._peers.pop(oldest))
            peer = self._peers[key] = self._connect(address, port)
        self._latest = peer
        return peer

    def _forget(self, peer: Peer) -> None:
        self._latest = None
        self._loop.remove_reader(peer.socket)
        peer.socket.close()

    def _connect(self, address: IPv4Address, port: int) -> Peer:
        sock = self._bind(shared=True)
        sock.connect((str(address), port))
        # Between bind and connect it could hear anybody: forget what came in then.
        while True:
            try:
                sock.recv_into(self._arena.octets)
            except OSError:
                break
        peer = Peer(self, sock, address, port)
        self._loop.add_reader(sock, self._readable_peer, peer)
        return peer

    def count(self, peer: Peer, error: OSError, packets: int) -> None:
        """Count *packets* that the kernel did not take."""
        if error.errno == errno.ECONNREFUSED:
            self._listen_again(peer)
        reason = {
            errno.EAGAIN: UnderlayDrop.SEND_BUFFER_FULL,
            errno.ENOBUFS: UnderlayDrop.SEND_BUFFER_FULL,
            errno.EMSGSIZE: UnderlayDrop.TOO_LONG,
        }.get(error.errno or 0, UnderlayDrop.UNREACHABLE)
        self.drops[reason] += packets

    def _readable(self, sock: socket.socket) -> None:
        at = total = 0
        for _ in self._arena.pace.reads(_DRAIN_DATAGRAMS):
            try:
                octets, control, _, sender = sock.recvmsg_into(
                    [self._arena.view[at : at + _RECEIVE_OCTETS]], _CONTROL_OCTETS
                )
            except BlockingIOError:
                break
            except OSError:
                continue  # An ICMP error of an earlier send.
            total += octets
            address = IPv4Address(sender[0])
            if self._accepts(address):
                self._deliver(address, self._arena.view[at : at + octets], control)
                at = self._advance(at + octets)
            else:
                self._refuse((address, sender[1]), self._arena.view[at : at + octets], control)
        self._on_drained()
        self._arena.pace.worked(total)

    def _readable_peer(self, peer: Peer) -> None:
        view, receive = self._arena.view, peer.socket.recvmsg_into
        at = total = 0
        for _ in self._arena.pace.reads(_DRAIN_DATAGRAMS):
            try:
                octets, control, _, _ = receive([view[at : at + _RECEIVE_OCTETS]], _CONTROL_OCTETS)
            except BlockingIOError:
                break
            except OSError:
                self._listen_again(peer)
                continue  # ECONNREFUSED: the other datapath is not there (yet).
            total += octets
            self._deliver(peer.address, view[at : at + octets], control)
            at = self._advance(at + octets)
        self._on_drained()
        self._arena.pace.worked(total)

    def _listen_again(self, peer: Peer) -> None:
        """Have *peer*'s socket watched after an error of it was seen, by a read or by a write.

        libuv stops watching a descriptor for good when poll says POLLERR, which is what a UDP
        socket says once its peer has refused a datagram.
        """
        self._loop.remove_reader(peer.socket)
        self._loop.add_reader(peer.socket, self._readable_peer, peer)

    def _advance(self, at: int) -> int:
        if at + _RECEIVE_OCTETS <= Arena.OCTETS:
            return at
        self._on_drained()
        return 0

    def _deliver(
        self, sender: IPv4Address, octets: memoryview, control: list[tuple[int, int, bytes]]
    ) -> None:
        stride = _stride(octets, control) if control else len(octets)
        self._on_datagrams(sender, octets, stride)

    def _refuse(
        self,
        sender: tuple[IPv4Address, int],
        octets: memoryview,
        control: list[tuple[int, int, bytes]],
    ) -> None:
        stride = _stride(octets, control)
        self.drops[UnderlayDrop.UNKNOWN_SENDER] += -(-len(octets) // stride) if stride else 1
        if self._on_stranger is not None:
            self._on_stranger(*sender, octets, stride)


def _stride(octets: memoryview, control: list[tuple[int, int, bytes]]) -> int:
    """Return how long each of the datagrams is that the kernel has put behind one another."""
    for level, kind, value in control:
        if level == _SOL_UDP and kind == _UDP_GRO:
            stride: int = _NATIVE_INT.unpack(value)[0]
            return stride
    return len(octets)
