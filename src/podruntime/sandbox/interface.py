"""The shell around a pod's network stack: frames in and out, its one timer, its wake-ups.

`eth0` of the pod. The stack is a value that never waits; this lends it the event loop. Whoever
asks the stack for something calls `touch` afterwards, and everything asked for within one turn
of the loop leaves in one batch.
"""

from __future__ import annotations

import asyncio
import errno
import math
import os
import socket
from collections.abc import Callable, Sequence
from contextvars import Context
from ipaddress import IPv4Address
from typing import Final

from componentbase import heap
from componentbase.clock import Clock
from netstack.addresses import Endpoint, IpAddress, bound_to, clash, from_octets, to_octets
from netstack.host import Host
from netstack.tcp.connection import TcpConnection
from netstack.udp import UdpSocket

Transmit = Callable[[list[bytes]], None]

#: uvloop counts milliseconds: a shorter timer would fire before its moment.
_TICK_S: Final = 0.001
#: How much too early the timer may be, to be left alone: a retransmission timer moves with every
#: acknowledgment.
_EARLY_S: Final = 0.1
#: How often the stack is asked in one turn of the loop before others have theirs.
_ROUNDS_MAX: Final = 16
#: How many connections may have something to say before it is sent within a turn of the loop: whom
#: it is for can begin to work on it meanwhile, on another processor. Fewer cost more wake-ups.
_UNSENT_MAX: Final = 16
#: What in one batch is a bulk transfer and no conversation.
_BULK_OCTETS: Final = 32 * 1024


class NetworkInterface:
    """Joins a Host to an event loop and to whatever carries its frames."""

    def __init__(self, host: Host, loop: asyncio.AbstractEventLoop, clock: Clock) -> None:
        self.host, self.now = host, clock
        self._loop = loop
        self._transmit: Transmit | None = None
        self._touched = self._closed = self._bulk = False
        #: Whether frames are being taken in; whether who was woken by them is being called.
        self._receiving = self._answering = False
        self._woken: list[tuple[Callable[[], None], Context]] = []
        self._wakeups_known = 0
        #: Connections that were written to in this turn of the loop.
        self._unsent: dict[TcpConnection, None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf
        #: Open UDP ports: the stack lists its TCP listeners, this what `netstat` adds.
        self.udp_sockets: dict[UdpSocket, None] = {}
        #: TCP ports that are bound and do not listen yet, with the octets that they are bound to.
        self.reserved: dict[Endpoint, bytes] = {}
        #: Asked before a port is bound, where it is not the pod's alone.
        self.claim: Callable[[str, int], None] | None = None
        #: Where the node is, for a pod in its network.
        self.node: IPv4Address | None = None
        self.rx_octets = self.tx_octets = 0
        self.rx_packets = self.tx_packets = 0

    def attach(self, transmit: Transmit, *, offload: bool = False) -> None:
        """Send frames by *transmit* from now on, first those that wait.

        Before, only ARP can wait: without neighbours nothing else leaves the stack. *offload*: the
        link takes super-frames and partial ones.
        """
        self._transmit = transmit
        self.host.offload = offload
        self.touch()

    def receive(self, frames: Sequence[bytes | memoryview], partial: bool = False) -> None:
        """Take frames that came in together; `drained` follows when no more wait.

        *partial*: their TCP checksums mean nothing, and they may be super-frames.
        """
        octets = sum(map(len, frames))
        self.rx_packets += len(frames)
        self.rx_octets += octets
        if octets > _BULK_OCTETS:
            self._carry_bulk()
        self._receiving = True
        self.host.receive_frames(frames, self.now(), partial=partial)

    def drained(self) -> None:
        """Call whoever has been woken; answer at once, unless tasks may have something to add.

        What wakes nobody (echoes, ARP) has its answer in this turn of the loop, and so has what a
        protocol answers. Tasks that were woken run in the next turn, before what is sent then.
        """
        woken, self._woken = self._woken, []
        called = 0
        self._receiving, self._answering = False, True
        try:
            for callback, context in woken:
                called += 1
                context.run(callback)
        finally:  # A container's SystemExit is the loop's to hear, and no matter of the others.
            self._answering = False
            for callback, context in woken[called:]:
                self._loop.call_soon(callback, context=context)
        if self._closed:
            return
        known, self._wakeups_known = self._wakeups_known, self.host.wakeups.woken
        if known != self._wakeups_known and not self._unsent:
            self.touch()
        else:
            self.flush()

    def soon(self, callback: Callable[[], None], context: Context) -> None:
        """Call *callback* when all that has arrived is taken in, or in the loop's next turn."""
        if self._receiving:
            self._woken.append((callback, context))
        else:
            self._loop.call_soon(callback, context=context)

    def touch(self, unsent: TcpConnection | None = None) -> None:
        """Send what the stack has to say, and what waits in *unsent*, at the end of this turn.

        Or before, when many others have something to say: what waits in *unsent* may be half of a
        message, and goes with its other half.
        """
        if unsent is not None and unsent not in self._unsent:
            if len(self._unsent) >= _UNSENT_MAX and not self._closed:
                self.flush()
            self._unsent[unsent] = None
        if not (self._touched or self._answering or self._closed):
            self._touched = True
            self._loop.call_soon(self._flush)

    def flush(self) -> None:
        """Send what the stack has to say now, and set the timer for what is due next."""
        deadline = self._settle()
        frames = self.host.frames_to_send() if self._transmit is not None else []
        if frames and self._transmit is not None:
            self.tx_packets += len(frames)
            octets = sum(map(len, frames))
            self.tx_octets += octets
            if octets > _BULK_OCTETS:
                self._carry_bulk()
            self._transmit(frames)
        if not self._timer_at <= deadline < self._timer_at + _EARLY_S:
            self._set_timer(deadline)

    def reserve(self, local: Endpoint, *, v6only: bool) -> Endpoint:
        """Take a TCP port without listening (bind(2)); raises OSError as the stack does."""
        address, port = local
        octets = bound_to(address, v6only=v6only)
        # The stack judges, and chooses port 0; what listens for no time at all is never noticed.
        trial = self.host.tcp_listen(address, port, v6only=v6only)
        trial.close(self.now())
        bound = (address, trial.local[1])
        self._claim("TCP", bound)
        for (_, taken), other in self.reserved.items():
            if taken == bound[1] and clash(octets, other):
                if port:
                    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
                return self.reserve(local, v6only=v6only)  # A random port that somebody has.
        self.reserved[bound] = octets
        return bound

    def bind_datagrams(self, local: Endpoint, *, v6only: bool) -> UdpSocket:
        """Open a UDP port; raises OSError as the stack does."""
        opened = self.host.udp_bind(*local, v6only=v6only)
        try:
            self._claim("UDP", opened.local)
        except OSError:
            opened.close()
            raise
        return opened

    def _claim(self, protocol: str, local: Endpoint) -> None:
        """Take a port of the node, too; its loopback is each pod's own."""
        if self.claim is not None and not (local[0] is not None and local[0].is_loopback):
            self.claim(protocol, local[1])

    def beyond(self, remote: Endpoint, kind: int) -> Endpoint:
        """Return where a program's *remote* is: the node's, where this pod does not serve it.

        The pods in a node's network have its addresses and its loopback in common, and a stack of
        their own each.
        """
        address, port = remote
        if self.node is None or not isinstance(address, IPv4Address):
            return remote
        if not address.is_loopback and not self.host.addresses.is_own(address.packed):
            return remote
        stream = kind == socket.SOCK_STREAM
        mine = self.host.tcp.listeners() if stream else self.udp_sockets
        if any(each.local[1] == port for each in mine):
            return remote
        # Host ports may be of 127.0.0.1 alone: that has the address after the gateway's.
        return (self.node + 1 if address.is_loopback else self.node, port)

    def has(self, family: int) -> bool:
        """Return whether there is an address of *family* besides loopback's."""
        host = self.host
        return bool(host.addresses if family == socket.AF_INET else host.addresses6)

    def source_for(self, destination: IpAddress) -> IpAddress | None:
        """Return the source of packets to *destination*; None: there is no route."""
        try:
            return from_octets(self.host.source_towards(to_octets(destination)))
        except OSError:
            return None

    def close(self) -> None:
        """Send what is left and stop the timer; what is asked for later is not done."""
        self.flush()
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()

    def _flush(self) -> None:
        self._touched = False
        self.flush()

    def _carry_bulk(self) -> None:
        """Windows of frames come and go: let their memory stay, once for all."""
        if not self._bulk:
            self._bulk = True
            heap.keep_freed()

    def _settle(self) -> float:
        """Send what was written; do what is due by now: packets to itself (127.0.0.1) are.

        Return when the next thing is due.
        """
        now = self.now()
        if self._unsent:
            unsent, self._unsent = self._unsent, {}
            for connection in unsent:
                connection.push(now)
        for _ in range(_ROUNDS_MAX):
            if (deadline := self.host.deadline()) > now:
                break
            self.host.handle_deadline(now)
        return deadline

    def _set_timer(self, deadline: float) -> None:
        """Be woken at the stack's *deadline*."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timer_at = deadline
        if deadline < math.inf:
            delay_s = max(deadline - self.now(), 0) + _TICK_S
            self._timer = self._loop.call_later(delay_s, self._expired)

    def _expired(self) -> None:
        self._timer, self._timer_at = None, math.inf
        self._flush()
