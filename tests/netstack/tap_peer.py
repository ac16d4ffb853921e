"""Run in a network namespace of its own: one of our hosts and the kernel, at two ends of a TAP.

Both speak IPv4 or IPv6 with each other, neighbour discovery included. Prints one JSON object: what
was tried, and whether it went well. Started by test_kernel.py.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import random
import select
import socket
import struct
import sys
import threading
import time
from contextlib import suppress
from ipaddress import IPv4Interface, IPv6Interface, ip_address

from netstack.host import Host
from netstack.wire import icmp, icmpv6

ADDRESSES = {4: ("10.99.0.1", "10.99.0.2"), 6: ("fd00:99::1", "fd00:99::2")}
FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
TUNSETIFF, IFF_TAP_NO_PI = 0x400454CA, 0x1002
SIOCSIFADDR, SIOCSIFNETMASK, SIOCSIFFLAGS, SIOCSIFMTU = 0x8916, 0x891C, 0x8914, 0x8922
IFF_UP_RUNNING = 0x41
DATA = random.Random(1).randbytes(2_000_000)
PING = bytes(range(200)) * 10  # In fragments, both ways.
LIMIT_S = 30


def open_tap(name="tap0"):
    """Make the kernel's end, with an address of each family that the kernel has."""
    tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP_NO_PI))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for request, text in ((SIOCSIFADDR, ADDRESSES[4][0]), (SIOCSIFNETMASK, "255.255.255.0")):
            address = struct.pack("HH4s8x", socket.AF_INET, 0, socket.inet_aton(text))
            fcntl.ioctl(control, request, struct.pack("16s16s8x", name.encode(), address))
        fcntl.ioctl(control, SIOCSIFMTU, struct.pack("16si20x", name.encode(), 1450))
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sH22x", name.encode(), IFF_UP_RUNNING))
    with suppress(OSError), socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as control:
        address = socket.inet_pton(socket.AF_INET6, ADDRESSES[6][0])
        request = struct.pack("=16sIi", address, 64, socket.if_nametoindex(name))
        fcntl.ioctl(control, SIOCSIFADDR, request)
    return tap


def listen(family, address):
    """Listen on the kernel's side, as soon as it has found its own address to be free."""
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    end = time.monotonic() + LIMIT_S
    while True:
        try:
            listener.bind((address, 7))
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
        else:
            listener.listen()
            return listener


class Echo:
    """Send back what comes, close when the peer does."""

    def __init__(self, connection):
        self.connection, self.waiting = connection, b""
        connection.on_change = self.act
        self.act()

    def act(self):
        now = time.monotonic()
        if not self.waiting:
            self.waiting = self.connection.read(65536, now)
        while self.waiting:
            taken = self.connection.write(self.waiting, now)
            if not taken:
                return
            self.waiting = self.waiting[taken:] or self.connection.read(65536, now)
        if self.connection.end_of_stream:
            self.connection.close(now)


class Client:
    """Send DATA, keep what comes back."""

    def __init__(self, connection):
        self.connection, self.sent, self.received = connection, 0, bytearray()
        connection.on_change = self.act

    def act(self):
        now = time.monotonic()
        self.received += self.connection.read(1 << 20, now)
        while self.sent < len(DATA):
            taken = self.connection.write(DATA[self.sent : self.sent + 65536], now)
            if not taken:
                return
            self.sent += taken
        self.connection.shutdown_write(now)
        if self.connection.end_of_stream:
            self.connection.close(now)


def kernel_pings(family, ours):
    """Return what the kernel's own ICMP, by a raw socket, hears back from us."""
    protocol = socket.IPPROTO_ICMP if family == socket.AF_INET else socket.IPPROTO_ICMPV6
    with socket.socket(family, socket.SOCK_RAW, protocol) as raw:
        raw.settimeout(LIMIT_S)
        if family == socket.AF_INET:
            raw.sendto(icmp.echo(icmp.Type.ECHO_REQUEST, 9, 1, PING).emit(), (ours, 0))
        else:  # The kernel fills the checksum in (RFC 3542 §3.1).
            request = icmpv6.echo(icmpv6.Type.ECHO_REQUEST, 9, 1, PING)
            raw.sendto(request.emit(ip_address("::"), ip_address("::")), (ours, 0))
        skip, reply = (20, 0) if family == socket.AF_INET else (0, 129)
        while True:
            message = raw.recv(8192)[skip:]
            if message[0] == reply and message[4:6] == b"\x00\x09":
                return message[8:]


def kernel_side(results, listener, family, ours):
    """Use the kernel's stack, blocking, in a thread."""
    results["kernel pings us"] = kernel_pings(family, ours) == PING
    with socket.socket(family, socket.SOCK_DGRAM) as datagrams:
        datagrams.settimeout(LIMIT_S)
        datagrams.sendto(b"d" * 5000, (ours, 53))
        results["udp with fragments"] = datagrams.recv(65536) == b"d" * 5000
    with socket.socket(family, socket.SOCK_DGRAM) as datagrams:
        datagrams.settimeout(LIMIT_S)
        datagrams.connect((ours, 54))
        datagrams.send(b"anyone?")
        try:
            datagrams.recv(1)
        except ConnectionRefusedError:
            results["closed port is unreachable"] = True
    with socket.create_connection((ours, 80), timeout=LIMIT_S) as connection:
        results["kernel connects"] = exchange(connection)
    accepted, _ = listener.accept()
    with accepted:
        accepted.settimeout(LIMIT_S)
        while chunk := accepted.recv(65536):
            accepted.sendall(chunk)
    with socket.socket(family) as refused:
        refused.settimeout(LIMIT_S)
        results["kernel is refused"] = refused.connect_ex((ours, 81)) == errno.ECONNREFUSED


def exchange(connection):
    received = bytearray()

    def read():
        while chunk := connection.recv(65536):
            received.extend(chunk)

    reader = threading.Thread(target=read)
    reader.start()
    connection.sendall(DATA)
    connection.shutdown(socket.SHUT_WR)
    reader.join(LIMIT_S)
    return bytes(received) == DATA


def carry(tap, host, is_over, loss):
    """Be the wire until *is_over*; lose this share of the TCP segments."""
    chance = random.Random(2)

    def passes(frame):
        is_tcp = frame[23:24] == b"\x06" if frame[12] == 8 else frame[20:21] == b"\x06"
        return not is_tcp or chance.random() >= loss

    end = time.monotonic() + LIMIT_S
    while not is_over() and time.monotonic() < end:
        for frame in host.frames_to_send():
            try:
                if passes(frame):
                    os.write(tap, frame)
            except BlockingIOError:
                pass
        wait_s = min(0.05, max(0.0, host.deadline() - time.monotonic()))
        frames = []
        if select.select([tap], [], [], wait_s)[0]:
            try:
                while len(frames) < 64:
                    frames.append(os.read(tap, 2048))
            except BlockingIOError:
                pass
        host.receive_frames(filter(passes, frames), time.monotonic())
        if host.deadline() <= time.monotonic():
            host.handle_deadline(time.monotonic())


def main(loss, version):
    tap = open_tap()
    family, (kernel, our_address) = FAMILIES[version], ADDRESSES[version]
    host = Host(
        mac=bytes([2, 0, 0, 0, 0, 2]),
        address=IPv4Interface(f"{ADDRESSES[4][1]}/24"),
        gateway=None,
        address6=IPv6Interface(f"{ADDRESSES[6][1]}/64"),
        mtu=1450,
        rng=random.Random(1),
    )
    results, echoes = {}, []
    ours = host.tcp_listen(None, 80)
    ours.on_ready = lambda: echoes.append(Echo(ours.accept()))
    datagrams = host.udp_bind(None, 53)

    def reflect():
        while (datagram := datagrams.receive()) is not None:
            datagrams.send(datagram.data, datagram.remote, time.monotonic())

    datagrams.on_ready = reflect
    replies = []
    host.on_echo_reply = replies.append
    listener = listen(family, kernel)
    now = time.monotonic()
    host.ping(ip_address(kernel), identifier=3, sequence=1, payload=PING, now=now)
    client = Client(host.tcp_connect((ip_address(kernel), 7), now))
    asked = host.udp_bind(None, 0)
    asked.connect((ip_address(kernel), 99))
    asked.send(b"anyone?", None, now)
    thread = threading.Thread(
        target=kernel_side, args=(results, listener, family, our_address), daemon=True
    )
    thread.start()
    carry(tap, host, lambda: not thread.is_alive() and client.connection.closed, loss)
    results["we ping the kernel"] = [each.payload for each in replies] == [PING]
    results["we are refused"] = isinstance(asked.error, ConnectionRefusedError)
    results["we connect"] = bytes(client.received) == DATA
    results["we close"] = client.connection.closed and client.connection.error is None
    bad = ("checksum", "malformed", "bad", "conflict")
    results["nothing malformed"] = not [
        each for each in host.drops if any(word in each.value for word in bad)
    ]
    print(json.dumps(results))


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]))
