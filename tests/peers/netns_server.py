"""Run in a network namespace of its own: opens sockets and TAP devices there for a test outside.

A socket belongs to the namespace that it was made in, whoever holds it. So the test stays one
process that sees both ends of a conversation, and needs no rights outside. Started by netns.py;
ends with the test, because its connection does.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import struct
import sys

TUNSETIFF, IFF_TAP_NO_PI = 0x400454CA, 0x1002


def open_tap(name: str) -> int:
    tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP_NO_PI))
    return tap


def serve(test: socket.socket) -> None:
    test.send(b"here")
    while octets := test.recv(4096):
        wanted = json.loads(octets)
        try:
            if "tap" in wanted:
                fd = open_tap(wanted["tap"])
            else:
                fd = socket.socket(*wanted["socket"]).detach()
        except OSError as error:
            test.send(str(error).encode())
            continue
        socket.send_fds(test, [b""], [fd])
        os.close(fd)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
