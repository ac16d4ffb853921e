"""Keep a pod's traffic inside the emulation: no kernel socket may reach an address.

A pod has no network namespace of the kernel's, so a library that opens a socket behind the event
loop's back would talk to the machine's real network. An audit hook, installed in the pod's
process after the fork, refuses that with a clear error. Unix sockets stay allowed: the pod's own
machinery uses them. It guards against accidents, not against hostile code.
"""

from __future__ import annotations

import errno
import socket
import sys
from typing import Final

_GUARDED: Final = {"socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg"}
_LOOKUPS: Final = {
    "socket.getaddrinfo",
    "socket.gethostbyname",
    "socket.gethostbyaddr",
    "socket.getnameinfo",
}
#: What every socket object is, however it was made.
_SOCKET: Final = socket.SocketType
_FAMILIES: Final = {socket.AF_INET, socket.AF_INET6}


def _refuse(event: str, arguments: tuple[object, ...]) -> None:
    opened = arguments[0] if event in _GUARDED else None
    if isinstance(opened, _SOCKET) and opened.family in _FAMILIES:
        raise OSError(
            errno.ENETUNREACH,
            f"{event}: a pod reaches the network through its event loop only"
            " (asyncio's create_connection, create_server, create_datagram_endpoint)",
        )
    if event in _LOOKUPS:
        raise socket.gaierror(
            socket.EAI_FAIL, f"{event}: use loop.getaddrinfo in a pod, it asks the pod's resolver"
        )


def install() -> None:
    """Guard this process from now on; it cannot be undone."""
    sys.addaudithook(_refuse)
