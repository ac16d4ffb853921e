"""A host that listens, talks and has a connection, and a peer that says anything at all."""

from __future__ import annotations

import random
from functools import partial
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface

from fuzzing.packets import ipv4, ipv6, mended_ipv4, mended_ipv6, script, steps, tcp
from fuzzing.target import Target
from netstack import ip_fragment, neighbour
from netstack.host import Host
from netstack.offload import completed
from netstack.tcp.connection import TcpConnection
from netstack.tcp.settings import TcpSettings
from netstack.wire import tcp as tcp_wire
from netstack.wire.arp import Arp, Operation
from simulator.checkers import wrong_checksum, wrong_checksum6

US, PEER = IPv4Address("10.0.0.1"), IPv4Address("10.0.0.2")
OUR_MAC, PEER_MAC = b"\x02\0\0\0\0\x01", b"\x02\0\0\0\0\x02"
US6, PEER6 = IPv6Address("fd00::1"), IPv6Address("fd00::2")
_IPV4, _ARP, _IPV6 = b"\x08\0", b"\x08\x06", b"\x86\xdd"
#: Ways of a step to be a frame.
_KINDS = 15
_TCP = TcpSettings(send_buffer_octets=8192, receive_buffer_octets=8192, time_wait_s=1.0)


def _host(address: IPv4Address, mac: bytes) -> Host:
    return Host(
        mac=mac,
        address=IPv4Interface(f"{address}/24"),
        gateway=PEER if address == US else US,
        address6=IPv6Interface(f"{US6 if address == US else PEER6}/64"),
        mtu=1450,
        rng=random.Random(7),
        tcp=_TCP,
    )


class Stage:
    """Two hosts with a connection; then one of them falls silent and the fuzzer speaks for it."""

    def __init__(self, *, offload: bool = False) -> None:
        """With *offload* the fuzzer is a link that has agreed to partial and super-frames."""
        self.now, self.partial = 1000.0, offload
        self.host, peer = _host(US, OUR_MAC), _host(PEER, PEER_MAC)
        self.listener = self.host.tcp_listen(None, 80, backlog=4)
        self.listener.on_ready = self._accept
        self.socket = self.host.udp_bind(None, 53)
        self.connections: list[TcpConnection] = []
        theirs = peer.tcp_connect((US, 80), self.now)
        for _ in range(6):
            self.host.receive_frames(peer.frames_to_send(), self.now)
            peer.receive_frames(self.host.frames_to_send(), self.now)
        assert theirs.established
        self.connection = self.connections[0]
        self.host.offload = offload
        self.connection.write(b"x" * 4000, self.now)

    def receive(self, frames: list[bytes]) -> None:
        self.host.receive_frames(frames, self.now, partial=self.partial)

    def _accept(self) -> None:
        while (connection := self.listener.accept()) is not None:
            self.connections.append(connection)
            connection.on_change = partial(self._act, connection)

    def _act(self, connection: TcpConnection) -> None:
        connection.read(1024, self.now)
        if connection.end_of_stream:
            connection.close(self.now)

    def frame(self, kind: int, body: bytes) -> bytes:
        """Return the frame that a step stands for."""
        source, destination = PEER.packed, US.packed
        to_us = OUR_MAC + PEER_MAC
        if kind % _KINDS > 8:
            return to_us + _IPV6 + self._packet6(kind % _KINDS, body)
        match kind % _KINDS:
            case 0:
                return body
            case 1:
                return to_us + _ARP + body
            case 2:
                return to_us + _IPV4 + mended_ipv4(body)
            case 3:
                return to_us + _IPV4 + ipv4(6, source, destination, self._segment(body))
            case 4:
                ports = body[:2].ljust(2, b"\1") + b"\0\x50"
                number = int.from_bytes(body[2:6], "big")
                segment = tcp(ports, number, 0, body[6:])
                return to_us + _IPV4 + ipv4(6, source, destination, segment)
            case 5:
                length = (8 + len(body)).to_bytes(2, "big")
                return to_us + _IPV4 + ipv4(17, source, destination, b"\0\x35\0\x35" + length
                                            + b"\0\0" + body)  # fmt: skip
            case 6:
                return to_us + _IPV4 + ipv4(1, source, destination, body)
            case 7:
                flags = int.from_bytes(body[:2], "big")
                return to_us + _IPV4 + ipv4(17, source, destination, body[2:], flags=flags)
            case _:
                quoted = ipv4(6, destination, source, self._segment(body[8:]))
                return to_us + _IPV4 + ipv4(1, source, destination, body[:8].ljust(8, b"\3")
                                            + quoted)  # fmt: skip

    def _packet6(self, kind: int, body: bytes) -> bytes:
        """Return the IPv6 packet that a step stands for."""
        source, destination = PEER6.packed, US6.packed
        match kind:
            case 9:
                return mended_ipv6(body)
            case 10:  # Neighbour discovery, which only neighbours may send: hop limit 255.
                return ipv6(58, source, destination, body, hops=255)
            case 11:
                return ipv6(58, source, destination, b"\x02\0\0\0" + body, hops=64)
            case 12:
                segment = tcp(body[:2].ljust(2, b"\1") + b"\0\x50", 1, 0, body[2:])
                return ipv6(6, source, destination, segment, hops=64)
            case 13:
                length = (8 + len(body)).to_bytes(2, "big")
                datagram = b"\0\x35\0\x35" + length + b"\0\0" + body
                return ipv6(17, source, destination, datagram, hops=64)
            case _:
                return ipv6(body[0] if body else 0, source, destination, body[1:], hops=64)

    def _segment(self, body: bytes) -> bytes:
        """Return a segment near the window of the connection."""
        body = body.ljust(4, b"\0")
        connection = self.connection
        sequence = connection.rcv_nxt + int.from_bytes(body[:2], "big", signed=True)
        acknowledgment = connection.snd_nxt + int.from_bytes(body[2:4], "big", signed=True)
        return tcp(connection.key[8:12], sequence, acknowledgment, body[4:])

    def check(self) -> None:
        """Nothing may have grown, and what we say must be right."""
        host = self.host
        frames = host.frames_to_send()
        for frame in completed(frames) if self.partial else frames:
            if frame[12:14] == _IPV4:
                assert not wrong_checksum(memoryview(frame)[14:]), frame.hex()
            elif frame[12:14] == _IPV6:
                assert not wrong_checksum6(memoryview(frame)[14:]), frame.hex()
        assert len(host.tcp.context.connections) < 80
        for table in (host.neighbours, host.neighbours6):
            assert len(table.entries()) <= neighbour.GC_THRESH3
        for connection in self.connections:
            assert connection.readable_octets <= _TCP.receive_buffer_octets
            assert connection.unacknowledged_octets <= _TCP.send_buffer_octets


def conversation(octets: bytes, *, offload: bool = False) -> None:
    stage = Stage(offload=offload)
    batch: list[bytes] = []
    for kind, body in steps(octets):
        if kind >= 0xF0:  # Time passes.
            stage.receive(batch)
            batch.clear()
            stage.now += (kind & 15) ** 3 * 0.01
            stage.host.handle_deadline(stage.now)
            stage.check()
        else:
            batch.append(stage.frame(kind, body))
    stage.receive(batch)
    stage.check()
    while stage.socket.receive() is not None:
        pass
    for _ in range(40):
        stage.now += 60.0
        stage.host.handle_deadline(stage.now)
        stage.check()


def reassembly(octets: bytes) -> None:
    """Fragments of whatever offset and length; what is kept is bounded."""
    drops = Stage().host.drops
    parts = ip_fragment.Reassembly(drops, lambda _packet, _now: None)
    for kind, body in steps(octets):
        flags = int.from_bytes(body[:2], "big") | (0x2000 if kind & 1 else 0)
        packet = ipv4(17, PEER.packed, bytes([kind >> 1]) * 4, body[2:], flags=flags)
        whole = parts.add(packet, 1.0)
        assert whole is None or len(whole) <= 65535
        assert len(parts) <= ip_fragment.PACKETS_MAX
    parts.handle_deadline(100.0)


_FLAGS = tcp_wire.Flag
_DATA = bytes(4) + bytes([_FLAGS.ACK | _FLAGS.PSH]) + b"\xff\xff\0" + b"hello"
_FIN = bytes(4) + bytes([_FLAGS.ACK | _FLAGS.FIN]) + b"\xff\xff\0"
_SACKED = bytes(4) + bytes([_FLAGS.ACK]) + b"\xff\xff\x03" + b"\x01\x01\x05\x0a" + bytes(8)
_SYN = b"\x99\x99" + bytes(4) + bytes([_FLAGS.SYN]) + b"\xff\xff\x01" + b"\x02\x04\x05\x82"
_SEEDS = [
    script((3, _DATA), (3, _FIN), (0xF5, b"")),
    script((3, _SACKED), (0xF3, b""), (3, b"\0\x10" + _DATA[2:])),
    script((4, _SYN), (4, _SYN), (0xFF, b"")),
    script((1, Arp(Operation.REQUEST, PEER_MAC, PEER, bytes(6), US).emit())),
    script((5, b"question"), (6, b"\x08\0\0\0\0\1\0\1echo")),
    script((7, b"\x20\0" + bytes(16)), (7, b"\0\2" + bytes(16)), (0xFF, b"")),
    script((8, b"\x03\x04\0\0\0\0\x02\x58"), (8, b"\x03\x01" + bytes(6))),
    script((2, bytes.fromhex("46000000000000004006000001020304") + US.packed + bytes(30))),
    script((10, b"\x87\0\0\0\0\0\0\0" + US6.packed + b"\x01\x01" + PEER_MAC)),
    script((10, b"\x88\0\0\0\x60\0\0\0" + PEER6.packed + b"\x02\x01" + PEER_MAC)),
    script((10, b"\x86\0\0\0\x40\0\x07\x08" + bytes(8) + b"\x05\x01\0\0\0\0\x05\x00")),
    script((11, b"\0\0\x05\0" + bytes(60)), (10, b"\x80\0\0\0\0\1\0\1echo")),
    script((12, b"\x99\x99\x02\xff\xff\0"), (13, b"question"), (0xF9, b"")),
    script((14, b"\x00\x3a\0\x01\x04" + bytes(4) + b"\x80\0\0\0\0\1\0\1")),
    script(
        (14, b"\x2c\x11\0\0\x01\0\0\0\7" + bytes(16)), (14, b"\x2c\x11\0\0\x10\0\0\0\7" + bytes(9))
    ),
    script((0, b"\xff" * 6 + PEER_MAC + b"\x86\xdd" + bytes(40))),
]

TARGETS = {
    "host": Target(conversation, ("netstack",), _SEEDS),
    "host-offload": Target(partial(conversation, offload=True), ("netstack",), _SEEDS),
    "reassembly": Target(reassembly, ("netstack",), [
        script((1, bytes(18)), (0, b"\0\2" + bytes(10))), script((1, b"\x1f\xff" + bytes(8)))
    ]),
}  # fmt: skip
