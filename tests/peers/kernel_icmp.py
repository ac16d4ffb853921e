"""Echo requests of the kernel's, from raw sockets: no `ping` need be installed."""

from __future__ import annotations

import asyncio
import itertools
import socket
import struct

from length import LIMIT_S
from netns import Namespace

from netstack.wire.icmp import Icmp, IcmpView, Type, echo

_IDENTIFIER = 9
_ECHO_REPLY_6 = 129
_sequences = itertools.count()


def open_raw(namespace: Namespace, source: str = "") -> socket.socket:
    raw = namespace.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    if source:
        raw.bind((source, 0))
    return raw


async def ping6(raw: socket.socket, address: str, payload: bytes) -> bytes:
    """Return what comes back with an ICMPv6 echo request, whose checksum the kernel sees to."""
    loop, sequence = asyncio.get_running_loop(), next(_sequences) & 0xFFFF
    numbers = struct.pack("!HH", _IDENTIFIER, sequence)
    await loop.sock_sendto(raw, b"\x80\0\0\0" + numbers + payload, (address, 0))
    async with asyncio.timeout(LIMIT_S):
        while True:
            message = await loop.sock_recv(raw, 1 << 16)
            if message[0] == _ECHO_REPLY_6 and message[4:8] == numbers:
                return message[8:]


async def ping(raw: socket.socket, address: str, payload: bytes) -> bytes:
    """Return what comes back with the kernel's echo request."""
    loop, sequence = asyncio.get_running_loop(), next(_sequences) & 0xFFFF
    request = echo(Type.ECHO_REQUEST, _IDENTIFIER, sequence, payload).emit()
    await loop.sock_sendto(raw, request, (address, 0))
    async with asyncio.timeout(LIMIT_S):
        while True:
            packet = await loop.sock_recv(raw, 1 << 16)
            message = Icmp.parse(IcmpView(packet[20:]))
            wanted = (Type.ECHO_REPLY, _IDENTIFIER, sequence)
            if (message.type, message.identifier, message.sequence) == wanted:
                return message.body
