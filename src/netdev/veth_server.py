"""The datapath's end of the veths: one listening SEQPACKET socket, one connection per pod.

It listens and does the hello; what arrives afterwards is read by the owner of the port, who knows
into which buffer.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgpack

from componentbase.unix import socket_path
from netdev.veth import SEND_BUFFER_OCTETS, new_socket

_BACKLOG: Final = 512
_HELLO_OCTETS_MAX: Final = 4096
_HELLO_TIMEOUT_S: Final = 5.0

#: Takes the interface's name, the connected socket and whether the pod asks for offload; returns
#: an error text, or "" when it took the socket over.
OnHello = Callable[[str, socket.socket, bool], str]


class VethServer:
    """Accept pods at *path* and hand each to *on_hello*."""

    def __init__(self, path: Path, on_hello: OnHello) -> None:
        self._path, self._on_hello = path, on_hello
        self._listening: socket.socket | None = None
        self._greeting: dict[socket.socket, asyncio.TimerHandle] = {}

    def start(self) -> None:
        """Listen; a socket file that a dead process left behind is replaced."""
        self._loop = asyncio.get_running_loop()
        self._path.unlink(missing_ok=True)
        listening = new_socket()
        with socket_path(self._path) as address:
            listening.bind(address)
        os.chmod(self._path, 0o600)
        listening.listen(_BACKLOG)
        self._listening = listening
        self._loop.add_reader(listening, self._acceptable)

    def close(self) -> None:
        """Stop listening and cut those that have not been handed over."""
        if self._listening is not None:
            self._loop.remove_reader(self._listening)
            self._listening.close()
            self._listening = None
        for veth in list(self._greeting):
            self._stop_greeting(veth)
            veth.close()
        self._path.unlink(missing_ok=True)

    def _acceptable(self) -> None:
        assert self._listening is not None
        try:
            veth, _ = self._listening.accept()
        except OSError:
            return
        veth.setblocking(False)
        veth.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_OCTETS)
        self._greeting[veth] = self._loop.call_later(_HELLO_TIMEOUT_S, self._refuse, veth)
        self._loop.add_reader(veth, self._greeted, veth)

    def _stop_greeting(self, veth: socket.socket) -> None:
        self._greeting.pop(veth).cancel()
        self._loop.remove_reader(veth)

    def _refuse(self, veth: socket.socket) -> None:
        self._stop_greeting(veth)
        veth.close()

    def _greeted(self, veth: socket.socket) -> None:
        try:
            hello = msgpack.unpackb(veth.recv(_HELLO_OCTETS_MAX))
        except BlockingIOError:
            return
        except (OSError, ValueError, msgpack.UnpackException):
            hello = None
        known = hello if isinstance(hello, dict) else {}
        interface, offload = known.get("interface"), known.get("offload") is True
        if not isinstance(interface, str):
            self._refuse(veth)
            return
        self._stop_greeting(veth)
        error = self._on_hello(interface, veth, offload)
        if error:
            _answer(veth, {"error": error})
            veth.close()


def accept(veth: socket.socket, *, offload: bool = False) -> None:
    """Tell the pod that its interface is up; call it before the first frame."""
    _answer(veth, {"ok": True, "offload": True} if offload else {"ok": True})


def _answer(veth: socket.socket, answer: dict[str, object]) -> None:
    try:
        veth.send(msgpack.packb(answer))
    except OSError:
        pass  # It has gone again; the owner's next read says so.
