"""Is this container's process at work? Asked by the engine every few seconds.

`python -m podwire.compose health WHAT`, from the standard library alone: each question is a process
of its own and should cost next to nothing. An API server is asked `/readyz`; a node must accept
at a socket of each of its processes; a scheduler or controller manager, which listens
nowhere, must hold a connection to an API server.
"""

from __future__ import annotations

import socket
import ssl
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

_TIMEOUT_S: Final = 2.0
_API_PORT: Final = 6443
_KUBELET_PORT: Final = 10250
_ESTABLISHED: Final = "01"
_CA: Final = "/etc/podwire/pki/ca.crt"
_NODE_SOCKETS: Final = ("cri.sock", "netlink.sock")
_NODES: Final = Path("/var/lib/podwire/compose/nodes")


def _apiserver() -> None:
    context = ssl.create_default_context(cafile=_CA)
    with (
        socket.create_connection(("127.0.0.1", _API_PORT), _TIMEOUT_S) as connection,
        context.wrap_socket(connection, server_hostname="127.0.0.1") as stream,
    ):
        stream.sendall(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        status = stream.recv(64).partition(b"\r\n")[0]
    if b" 200 " not in status:
        raise OSError(f"/readyz: {status.decode(errors='replace')}")


def _client() -> None:
    if not has_connection(Path("/proc/net/tcp").read_text(), _API_PORT):
        raise OSError("no connection to an API server")


def _node() -> None:
    node = socket.gethostname()
    for name in _NODE_SOCKETS:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_TIMEOUT_S)
            try:
                connection.connect(f"{_NODES}/{node}/{name}")
            except OSError as error:
                raise OSError(f"{name}: {error}") from None
    socket.create_connection((node, _KUBELET_PORT), _TIMEOUT_S).close()


def _balancer() -> None:
    socket.create_connection(("127.0.0.1", _API_PORT), _TIMEOUT_S).close()


#: What a container plays -> the question; OSError is "no".
QUESTIONS: Final[Mapping[str, Callable[[], None]]] = {
    "apiserver": _apiserver,
    "balancer": _balancer,
    "client": _client,
    "node": _node,
}


def has_connection(table: str, port: int) -> bool:
    """Tell whether /proc/net/tcp lists an established connection to a remote *port*."""
    for line in table.splitlines()[1:]:
        _, _, remote, state, *_ = line.split()
        if state == _ESTABLISHED and int(remote.partition(":")[2], 16) == port:
            return True
    return False


def ask(what: str) -> int:
    """Ask *what*; 0 is healthy, 1 is not, and 2 that there is no such question."""
    if what not in QUESTIONS:
        print(f"there is no {what}; ask about one of {', '.join(QUESTIONS)}", file=sys.stderr)
        return 2
    try:
        QUESTIONS[what]()
    except OSError as error:
        print(f"{what}: {error}")
        return 1
    return 0
