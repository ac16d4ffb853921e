"""Options of the pod's sockets: setsockopt(2) and getsockopt(2).

What the stack has is the stack's: TCP_NODELAY, TCP_USER_TIMEOUT, keep-alive, SO_LINGER's abort,
the sizes of its buffers. For the rest Linux is asked, by a kernel socket of the same kind that is
never bound: it refuses what it would refuse anywhere, and what it takes is remembered without
further effect.
"""

from __future__ import annotations

import socket
import struct
from typing import Final

from netstack.tcp.connection import TcpConnection
from podruntime.sandbox.tcp_info import tcp_info

#: The kernel's own sockets; code in pods finds another class under this name (pod_socket).
KernelSocket: Final = socket.socket
_NUMBER, _LINGER = struct.Struct("i"), struct.Struct("ii")
_KEEPALIVE: Final = {
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE): "keepalive_idle_s",
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL): "keepalive_interval_s",
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT): "keepalive_probes",
}
#: In milliseconds. Not every system has it; the number is Linux's.
_USER_TIMEOUT: Final = (socket.IPPROTO_TCP, getattr(socket, "TCP_USER_TIMEOUT", 18))
_NODELAY: Final = (socket.IPPROTO_TCP, socket.TCP_NODELAY)
#: What is taken without asking Linux.
_OURS: Final = (_NODELAY, (socket.IPPROTO_IPV6, socket.IPV6_V6ONLY))
_KEEP: Final = (socket.SOL_SOCKET, socket.SO_KEEPALIVE)
_SO_LINGER: Final = (socket.SOL_SOCKET, socket.SO_LINGER)
_RECEIVE_BUFFER: Final = (socket.SOL_SOCKET, socket.SO_RCVBUF)
_SEND_BUFFER: Final = (socket.SOL_SOCKET, socket.SO_SNDBUF)
_MAXSEG: Final = (socket.IPPROTO_TCP, socket.TCP_MAXSEG)
_ERROR: Final = (socket.SOL_SOCKET, socket.SO_ERROR)
#: A socket without a connection has the kernel's: closed, and all else zero.
_INFO: Final = (socket.IPPROTO_TCP, socket.TCP_INFO)

Key = tuple[int, int]
Value = int | bytes


class SocketOptions:
    """The options that were set on one socket."""

    def __init__(self, family: int, kind: int) -> None:
        self._family, self._kind = family, kind
        self._values: dict[Key, Value] = {}

    def set(self, key: Key, value: Value, connection: TcpConnection | None, now: float) -> None:
        """Set an option; raises the OSError that Linux would."""
        if not (key in _OURS and isinstance(value, int)):
            with self._judge() as judge:
                judge.setsockopt(*key, value)
        self._values[key] = value
        if connection is not None:
            self._apply(key, connection, now)

    def _judge(self) -> socket.socket:
        try:
            return KernelSocket(self._family, self._kind)
        except OSError:  # A machine without IPv6: what is asked of both families is the same.
            return KernelSocket(socket.AF_INET, self._kind)

    def apply(self, connection: TcpConnection, now: float) -> None:
        """Give a new *connection* what was set before there was one."""
        for key in self._values:
            self._apply(key, connection, now)

    def _apply(self, key: Key, connection: TcpConnection, now: float) -> None:
        value = self._values[key]
        if not isinstance(value, int):
            return
        if key == _NODELAY:
            connection.set_option(now, nodelay=bool(value))
        elif key == _USER_TIMEOUT:
            connection.set_option(now, user_timeout_s=value / 1000)
        elif key == _KEEP or (key in _KEEPALIVE and self._values.get(_KEEP)):
            times = {name: self._values.get(each) for each, name in _KEEPALIVE.items()}
            connection.set_option(now, keepalive=bool(self._values[_KEEP]), **times)  # type: ignore[arg-type]

    def given(self, key: Key) -> Value | None:
        """Return what was set, None when nothing was."""
        return self._values.get(key)

    def get(self, key: Key, octets: int, connection: TcpConnection | None, now: float) -> Value:
        """Return an option's value; *octets* as in getsockopt: 0 means a number."""
        if key == _INFO and connection is not None:
            return tcp_info(connection, now)[:octets]
        number = self._of_stack(key, connection)
        if number is None and key in self._values:
            value = self._values[key]
            if not isinstance(value, int):
                return value[:octets]
            number = value
        if number is not None:
            return _NUMBER.pack(number)[:octets] if octets else number
        with self._judge() as judge:
            return judge.getsockopt(*key, octets) if octets else judge.getsockopt(*key)

    def _of_stack(self, key: Key, connection: TcpConnection | None) -> int | None:
        if key == _ERROR:
            error = None if connection is None else connection.error
            return 0 if error is None else error.errno or 0
        if connection is None:
            return None
        known = {
            _NODELAY: int(connection.nodelay),
            _MAXSEG: connection.mss,
            _RECEIVE_BUFFER: connection.receive_limit,
            _SEND_BUFFER: connection.send_limit,
        }
        return known.get(key)

    @property
    def resets_on_close(self) -> bool:
        """Return whether SO_LINGER with a time of zero was asked for: close is an abort."""
        value = self._values.get(_SO_LINGER)
        if not isinstance(value, bytes) or len(value) < _LINGER.size:
            return False
        on, seconds = _LINGER.unpack_from(value)
        return bool(on) and seconds == 0
