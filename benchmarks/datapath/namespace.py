"""A network namespace to measure in: without the machine's firewall, and with a loopback device."""

from __future__ import annotations

import fcntl
import shutil
import socket
import struct
import subprocess
from typing import Final

#: Commands that run another one in a new network namespace: for root, and for anybody.
WAYS: Final = (["unshare", "-n"], ["unshare", "-Urn"])
_GET_FLAGS, _SET_FLAGS, _IS_UP = 0x8913, 0x8914, 1  # SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP


def allowed(way: list[str]) -> bool:
    """Tell whether this user may make a namespace in this *way*."""
    if shutil.which(way[0]) is None:
        return False
    return subprocess.run([*way, "true"], capture_output=True, check=False).returncode == 0


def loopback_up() -> None:
    """Switch `lo` on, which it is not in a new namespace."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sH14x", b"lo", 0)
        flags = struct.unpack_from("H", fcntl.ioctl(any_socket, _GET_FLAGS, request), 16)[0]
        if not flags & _IS_UP:
            fcntl.ioctl(any_socket, _SET_FLAGS, struct.pack("16sH14x", b"lo", flags | _IS_UP))
