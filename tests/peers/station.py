"""One of our hosts at the far end of a kernel's TAP device, driven by the running event loop.

Between the two is a wire with faults (`netdev.impairment`, one link each way). What our host says
and hears is kept, so that a test can ask what was on the wire, and Wireshark what it thinks of it.
"""

from __future__ import annotations

import asyncio
import math
import os
import random
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface, ip_address
from pathlib import Path

from length import LIMIT_S
from netns import Namespace

from componentbase.clock import monotonic, wall_ns
from componentbase.tasks import Tasks
from netdev.impaired_link import ImpairedLink
from netdev.impairment import Impairment
from netdev.pcapng import PcapngWriter
from netstack.host import Host
from netstack.icmp import EchoReply
from netstack.tcp.connection import TcpConnection
from netstack.tcp.settings import TcpSettings
from netstack.udp import UdpSocket
from netstack.wire import checksum

NETWORK = "10.99.0"
KERNEL, OURS = f"{NETWORK}.1", f"{NETWORK}.2"
NETWORK6 = "fd99::/64"
KERNEL6, OURS6 = "fd99::1", "fd99::2"
MTU = 1500
CLEAN = Impairment()
_READ_FRAMES = 64
_FRAME_OCTETS = 65536
_MOMENT_S = 0.005


@dataclass(frozen=True, slots=True)
class Seen:
    """A frame at our host's end."""

    at_ns: int
    direction: str
    octets: bytes

    @property
    def codepoint(self) -> int:
        """What the IP header says of ECN: 0 not capable, 1 and 2 capable, 3 marked."""
        return self.octets[15] >> (0 if self.octets[12:14] == b"\x08\x00" else 4) & 3

    def segment(self) -> Segment | None:
        """Return the TCP segment in it, None if it is none."""
        frame = self.octets
        if frame[12:14] == b"\x08\x00" and frame[23] == 6:
            start, end = 14 + 4 * (frame[14] & 0xF), 14 + int.from_bytes(frame[16:18], "big")
        elif frame[12:14] == b"\x86\xdd" and frame[20] == 6:
            start, end = 54, 54 + int.from_bytes(frame[18:20], "big")
        else:
            return None
        source, target, number, acknowledged, offset, flags = struct.unpack_from(
            "!HHIIBB", frame, start
        )
        header = 4 * (offset >> 4)
        return Segment(
            (source, target), number, acknowledged, flags, end - start - header,
            frame[start + 20 : start + header],
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Segment:
    """What a test asks of a TCP segment."""

    ports: tuple[int, int]
    number: int
    acknowledged: int
    flags: int
    length: int
    options: bytes

    FIN, SYN, RST, PSH, ACK, _, ECE, CWR = (1 << bit for bit in range(8))

    @property
    def end(self) -> int:
        """Return the number behind it."""
        flags = bool(self.flags & self.SYN) + bool(self.flags & self.FIN)
        return (self.number + self.length + flags) & 0xFFFFFFFF

    def option(self, kind: int) -> bytes | None:
        """Return the octets of the option *kind*, None if it is not there."""
        octets = self.options
        while octets and octets[0]:
            if octets[0] == 1:
                octets = octets[1:]
                continue
            if octets[0] == kind:
                return octets[2 : octets[1]]
            octets = octets[octets[1] :]
        return None


class Station:
    """Our host, the wire to the TAP *device* of *namespace*, and what was on it."""

    def __init__(
        self,
        namespace: Namespace,
        *,
        device: str = "tap0",
        network: str = NETWORK,
        mtu: int = MTU,
        seed: int = 1,
        tcp: TcpSettings | None = None,
        patient: bool = True,
        ipv6: bool = False,
    ) -> None:
        """A *patient* kernel believes in a loss after 5 s: a busy machine must not look like one.

        That is its retransmission timeout; tail-loss probes are off.
        """
        self.namespace, self.seen = namespace, list[Seen]()
        self._ends: dict[tuple[int, int], list[tuple[int, int]]] = {}
        self._parsed = 0  # How much of `seen` is in there.
        self.kernel, self.address = f"{network}.1", f"{network}.2"
        self._tap = namespace.tap(device)
        namespace.ip(
            f"link set {device} mtu {mtu} txqueuelen 10000 up",
            f"addr add {self.kernel}/24 dev {device}",
        )
        if patient:
            namespace.sysctl("net.ipv4.tcp_early_retrans=0")
            route = f"{network}.0/24 dev {device} src {self.kernel}"
            namespace.ip(f"route change {route} rto_min 5s")
        if ipv6:
            # Without duplicate address detection the address is there at once.
            settings = ("accept_dad=0", "router_solicitations=0", "disable_ipv6=0")
            namespace.sysctl(*(f"net.ipv6.conf.{device}.{each}" for each in settings))
            namespace.ip(f"address add {KERNEL6}/64 dev {device} nodad")
        if ipv6 and patient:
            namespace.ip(f"route change {NETWORK6} dev {device} proto kernel metric 256 rto_min 5s")
        self.host = Host(
            mac=bytes([2, 0, 0, 0, 0, 2]),
            address=IPv4Interface(f"{self.address}/24"),
            gateway=IPv4Address(self.kernel),
            address6=IPv6Interface(f"{OURS6}/64") if ipv6 else None,
            gateway6=IPv6Address(KERNEL6) if ipv6 else None,
            mtu=mtu,
            rng=random.Random(seed),
            tcp=tcp,
        )
        chance = random.Random(seed)
        self.to_kernel, self.to_us = ImpairedLink(CLEAN, chance), ImpairedLink(CLEAN, chance)
        #: Tells of frames whether the wire loses just them.
        self.loses: Callable[[Seen], bool] = lambda _frame: False
        #: Tells of frames whether a router marks just them, where they may be (ECN).
        self.marks: Callable[[Seen], bool] = lambda _frame: False
        self.tasks = Tasks()
        self._pings: dict[int, asyncio.Future[EchoReply]] = {}
        self.host.on_echo_reply = self._pinged
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._tap, self.pump)
        self.pump()

    async def __aenter__(self) -> Station:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.tasks.close()
        self._loop.remove_reader(self._tap)
        if self._timer is not None:
            self._timer.cancel()
        os.close(self._tap)

    def impair(self, both: Impairment | None = None, **ways: Impairment) -> None:
        """Let the wire have faults from now on, *both* ways or `to_kernel` and `to_us`."""
        self.to_kernel.change(ways.get("to_kernel", both or CLEAN), monotonic())
        self.to_us.change(ways.get("to_us", both or CLEAN), monotonic())
        self.pump()

    # The wire.

    def pump(self) -> None:
        """Move what can move, and look again when something is due."""
        now = monotonic()
        while self._read(now):
            pass  # Before timers: what waits in the TAP may be what they wait for.
        self._carry(now)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = min(self.host.deadline(), self.to_us.deadline(), self.to_kernel.deadline())
        if due < math.inf:
            self._timer = self._loop.call_later(max(0.0, due - monotonic()), self.pump)

    def _read(self, now: float) -> bool:
        frames = 0
        try:
            while frames < _READ_FRAMES:
                self.to_us.offer(os.read(self._tap, _FRAME_OCTETS), now)
                frames += 1
        except BlockingIOError:
            pass
        self._carry(now, timers=False)
        return frames == _READ_FRAMES

    def _carry(self, now: float, *, timers: bool = True) -> None:
        arrived = [Seen(wall_ns(), "in", frame) for _, frame in self.to_us.due(now)]
        arrived = [self._marked(each) for each in arrived if not self.loses(each)]
        if arrived:
            self.seen += arrived
            self.host.receive_frames([each.octets for each in arrived], now)
        if timers and self.host.deadline() <= now:
            self.host.handle_deadline(now)
        for frame in self.host.frames_to_send():
            self.seen.append(Seen(wall_ns(), "out", frame))
            if not self.loses(self.seen[-1]):
                self.to_kernel.offer(self._marked(self.seen[-1]).octets, now)
        for _, frame in self.to_kernel.due(now):
            os.write(self._tap, frame)

    def _marked(self, seen: Seen) -> Seen:
        """Return the frame as a router hands it on that is busy, or as it is."""
        octets = seen.octets
        is_4, is_6 = octets[12:14] == b"\x08\x00", octets[12:14] == b"\x86\xdd"
        congested = octets[15] | (0x03 if is_4 else 0x30)
        if not (is_4 or is_6) or seen.codepoint not in (1, 2) or not self.marks(seen):
            return seen
        head = octets[:15] + bytes([congested])
        if is_4:
            field = checksum.of(head[14:] + octets[16:24] + bytes(2) + octets[26:34])
            return replace(
                seen, octets=head + octets[16:24] + field.to_bytes(2, "big") + octets[26:]
            )
        return replace(seen, octets=head + octets[16:])

    async def until(self, condition: Callable[[], object], *, within_s: float = LIMIT_S) -> None:
        """Wait until *condition* holds."""
        async with asyncio.timeout(within_s):
            while not condition():
                await asyncio.sleep(_MOMENT_S)

    async def silence(self) -> None:
        """Wait until nothing is on its way and nothing was for a moment."""
        seen = -1
        while seen != len(self.seen) or len(self.to_us) or len(self.to_kernel):
            seen = len(self.seen)
            await asyncio.sleep(_MOMENT_S)

    # What was seen.

    def segments(self, direction: str, port: int | None = None) -> list[Segment]:
        """Return the TCP segments that went "in" or "out", of one connection's *port*."""
        found = [each.segment() for each in self.seen if each.direction == direction]
        return [each for each in found if each and (port is None or port in each.ports)]

    def is_tail_probe(self, at: int) -> bool:
        """Tell whether our host asks with the last segment once more (RFC 8985 §7).

        It may on a clean wire: whoever does not read is acknowledged late by Linux, too.
        """
        probe = self.seen[at].segment()
        if probe is None or self.seen[at].direction != "out":
            return False
        ends = [end for place, end in self._ends_of(probe.ports) if place < at]
        return probe.end in ends and all((probe.end - end) & 0xFFFFFFFF < 1 << 31 for end in ends)

    def _ends_of(self, ports: tuple[int, int]) -> list[tuple[int, int]]:
        """Return where each segment that our host sent from *ports* was seen, and its end."""
        for place in range(self._parsed, len(self.seen)):
            seen = self.seen[place]
            segment = seen.segment() if seen.direction == "out" else None
            if segment is not None:
                self._ends.setdefault(segment.ports, []).append((place, segment.end))
        self._parsed = len(self.seen)
        return self._ends.get(ports, [])

    def save(self, file: Path) -> Path:
        """Write what was seen as a capture."""
        with file.open("wb") as stream:
            writer = PcapngWriter(stream)
            for each in self.seen:
                writer.packet(each.at_ns, "eth0", each.octets, direction=each.direction)
        return file

    # What our host does.

    async def ping(self, payload: bytes, to: str = "") -> bytes:
        """Return what an echo request with *payload* brings back."""
        sequence = len(self._pings) + 1
        answer = self._pings[sequence] = self._loop.create_future()
        address = ip_address(to or self.kernel)
        self.host.ping(address, identifier=7, sequence=sequence, payload=payload, now=monotonic())
        self.pump()
        async with asyncio.timeout(LIMIT_S):
            return (await answer).payload

    def _pinged(self, reply: EchoReply) -> None:
        answer = self._pings.get(reply.sequence)
        if answer is not None and not answer.done():
            answer.set_result(reply)

    def udp(self, port: int) -> UdpSocket:
        return self.host.udp_bind(None, port)

    def reflect(self, port: int) -> UdpSocket:
        """Send every datagram back to whom it came from."""
        socket = self.udp(port)

        def reflect() -> None:
            while (datagram := socket.receive()) is not None:
                socket.send(datagram.data, datagram.remote, monotonic())

        socket.on_ready = reflect
        return socket

    def serve(self, port: int, handle: Callable[[Stream], Awaitable[None]]) -> None:
        """Let *handle* have every connection to *port*."""
        listener = self.host.tcp_listen(None, port)

        async def run(stream: Stream) -> None:
            try:
                await handle(stream)
            finally:
                stream.close()

        def ready() -> None:
            while (connection := listener.accept()) is not None:
                self.tasks.spawn(run(Stream(self, connection)), name=f"port {port}")

        listener.on_ready = ready

    def begin(self, port: int, *, local_port: int = 0, to: str = "") -> Stream:
        """Begin a connection to the kernel's *port*."""
        remote, local = (ip_address(to or self.kernel), port), (None, local_port)
        stream = Stream(self, self.host.tcp_connect(remote, monotonic(), local=local))
        self.pump()
        return stream

    async def connect(self, port: int, *, local_port: int = 0, to: str = "") -> Stream:
        """Return a connection to the kernel's *port*; raises OSError."""
        stream = self.begin(port, local_port=local_port, to=to)
        await stream.until(lambda: stream.connection.established)
        return stream


class Stream:
    """A TCP connection of our host that can be awaited."""

    def __init__(self, station: Station, connection: TcpConnection) -> None:
        self.station, self.connection = station, connection
        self._changed = asyncio.Event()
        connection.on_change = self._changed.set

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until *condition* holds; raises the error that ends the connection first."""
        async with asyncio.timeout(LIMIT_S):
            while not condition():
                if self.connection.error is not None:
                    raise self.connection.error
                self._changed.clear()
                await self._changed.wait()

    async def read(self, octets_max: int = 1 << 16) -> bytes:
        """Return what there is; nothing at the end of the stream."""
        connection = self.connection
        await self.until(lambda: connection.readable_octets or connection.end_of_stream)
        data = connection.read(octets_max, monotonic())
        if not data and connection.error is not None:
            raise connection.error
        self.station.pump()
        return data

    async def read_all(self) -> bytes:
        """Return everything up to the end of the stream."""
        received = bytearray()
        while data := await self.read():
            received += data
        return bytes(received)

    async def write(self, data: bytes) -> None:
        """Return when all of *data* was taken."""
        rest = memoryview(data)
        while True:
            rest = rest[self.connection.write(rest, monotonic()) :]
            self.station.pump()
            if not rest:
                return
            await self.until(lambda: self.connection.writable_octets)

    def end(self) -> None:
        """Send FIN; go on receiving."""
        self.connection.shutdown_write(monotonic())
        self.station.pump()

    def close(self) -> None:
        self.connection.close(monotonic())
        self.station.pump()

    def abort(self) -> None:
        self.connection.abort(monotonic())
        self.station.pump()

    async def closed(self) -> None:
        """Wait until both directions are over."""
        await self.until(lambda: self.connection.closed)
