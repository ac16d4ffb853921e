"""Ports of the node's network, for a pod that is in it: asked of the datapath, at once.

bind(2) answers before it returns, so this waits for the datapath, for `_ANSWER_S` at most. While
there is none, ports are taken on trust, and claimed when it is there again: a kernel that died
would have taken the pod with it.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import socket
from pathlib import Path
from typing import Final

from componentbase.unix import socket_path
from netstack.ports import Ephemeral

log = logging.getLogger(__name__)

_ANSWER_S: Final = 1.0
_ANSWER_OCTETS: Final = 4096

Port = tuple[str, int]  # Protocol, port.


class HostPorts:
    """The ports that the pod behind *interface* has."""

    def __init__(self, path: Path, interface: str) -> None:
        self._path, self._interface = path, interface
        self._socket: socket.socket | None = None
        self._claimed: dict[Port, None] = {}
        self._own: Ephemeral | None = None  # What the pod dials from.

    def claim(self, protocol: str, port: int) -> None:
        """Take a port of the node; raises OSError EADDRINUSE where another pod has it."""
        own = self._own
        if (protocol, port) in self._claimed or (own and own.first <= port <= own.last):
            return
        answer = self._ask({"protocol": protocol, "port": port})
        if answer is not None and "code" in answer:
            code = getattr(errno, str(answer["code"]), errno.EADDRINUSE)
            raise OSError(code, os.strerror(code))
        self._claimed[protocol, port] = None

    def again(self) -> Ephemeral | None:
        """Claim everything anew, of a datapath that knows nothing yet; return what to dial from."""
        self.close()
        for protocol, port in self._claimed:
            answer = self._ask({"protocol": protocol, "port": port})
            if answer is not None and "code" in answer:
                log.warning("port %s/%s of the node: %s", port, protocol, answer["error"])
        answer = self._ask({})
        if answer is None or "code" in answer:
            return None
        self._own = Ephemeral(first=int(str(answer["first"])), last=int(str(answer["last"])))
        return self._own

    def _ask(self, question: dict[str, object]) -> dict[str, object] | None:
        """Return the answer, None where nobody answers."""
        line = json.dumps({"interface": self._interface, **question}).encode() + b"\n"
        try:
            asked = self._connected()
            asked.sendall(line)
            octets = b""
            while not octets.endswith(b"\n"):
                part = asked.recv(_ANSWER_OCTETS)
                if not part:
                    raise ConnectionResetError
                octets += part
            answer: dict[str, object] = json.loads(octets)
        except (OSError, ValueError):
            self.close()
            return None
        return answer

    def _connected(self) -> socket.socket:
        if self._socket is None:
            made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            made.settimeout(_ANSWER_S)
            try:
                with socket_path(self._path) as address:
                    made.connect(address)
            except OSError:
                made.close()
                raise
            self._socket = made
        return self._socket

    def close(self) -> None:
        """Ask no more; what was claimed stays the pod's until its link is gone."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
