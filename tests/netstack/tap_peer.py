"""Run in a network namespace of its own: one of our hosts and the kernel, at two ends of a TAP.

Prints one JSON object: what was tried, and whether it went well. Started by test_kernel.py.
"""

from __future__ import annotations

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
from ipaddress import IPv4Address, IPv4Interface

from netstack.host import Host
from netstack.wire.icmp import Icmp, IcmpView, Type, echo

KERNEL, OURS = "10.99.0.1", "10.99.0.2"
TUNSETIFF, IFF_TAP_NO_PI = 0x400454CA, 0x1002
SIOCSIFADDR, SIOCSIFNETMASK, SIOCSIFFLAGS, SIOCSIFMTU = 0x8916, 0x891C, 0x8914, 0x8922
IFF_UP_RUNNING = 0x41
DATA = random.Random(1).randbytes(2_000_000)
LIMIT_S = 30


def open_tap(name="tap0"):
    tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP_NO_PI))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for request, text in ((SIOCSIFADDR, KERNEL), (SIOCSIFNETMASK, "255.255.255.0")):
            address = struct.pack("HH4s8x", socket.AF_INET, 0, socket.inet_aton(text))
            fcntl.ioctl(control, request, struct.pack("16s16s8x", name.encode(), address))
        fcntl.ioctl(control, SIOCSIFMTU, struct.pack("16si20x", name.encode(), 1450))
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sH22x", name.encode(), IFF_UP_RUNNING))
    return tap


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


def kernel_side(results, listener):
    """Use the kernel's stack, blocking, in a thread."""
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as raw:
        raw.settimeout(LIMIT_S)
        raw.sendto(echo(Type.ECHO_REQUEST, 9, 1, b"kernel").emit(), (OURS, 0))
        while True:
            message = Icmp.parse(IcmpView(raw.recv(2048)[20:]))
            if (message.type, message.identifier) == (Type.ECHO_REPLY, 9):
                break
        results["kernel pings us"] = message.body == b"kernel"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        datagrams.settimeout(LIMIT_S)
        datagrams.sendto(b"d" * 5000, (OURS, 53))
        results["udp with fragments"] = datagrams.recv(65536) == b"d" * 5000
    with socket.create_connection((OURS, 80), timeout=LIMIT_S) as connection:
        results["kernel connects"] = exchange(connection)
    accepted, _ = listener.accept()
    with accepted:
        accepted.settimeout(LIMIT_S)
        while chunk := accepted.recv(65536):
            accepted.sendall(chunk)
    with socket.socket() as refused:
        refused.settimeout(LIMIT_S)
        results["kernel is refused"] = refused.connect_ex((OURS, 81)) != 0


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
        return frame[23:24] != b"\x06" or chance.random() >= loss

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


def main(loss):
    tap = open_tap()
    host = Host(
        mac=bytes([2, 0, 0, 0, 0, 2]),
        address=IPv4Interface(f"{OURS}/24"),
        gateway=None,
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
    host.ping(IPv4Address(KERNEL), identifier=3, sequence=1, payload=b"us", now=time.monotonic())
    listener = socket.create_server((KERNEL, 7))
    client = Client(host.tcp_connect((IPv4Address(KERNEL), 7), time.monotonic()))
    thread = threading.Thread(target=kernel_side, args=(results, listener), daemon=True)
    thread.start()
    carry(tap, host, lambda: not thread.is_alive() and client.connection.closed, loss)
    results["we ping the kernel"] = [each.payload for each in replies] == [b"us"]
    results["we connect"] = bytes(client.received) == DATA
    results["we close"] = client.connection.closed and client.connection.error is None
    bad = ("checksum", "malformed")
    results["nothing malformed"] = not [
        each for each in host.drops if any(word in each.value for word in bad)
    ]
    print(json.dumps(results))


if __name__ == "__main__":
    main(float(sys.argv[1]))
