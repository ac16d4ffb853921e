"""Make a listening socket deaf to some sources, as a cut wire would (classic BPF, socket(7)).

The kernel answers a SYN before this process hears of it, so a dialler behind a partition would see
a connection that hangs. A filter on the listening socket drops the SYN instead, without a word, and
its sender tries again as TCP does. Most kernels let any user attach one to his own socket. Where
the system knows no such thing (macOS), or keeps it from users, the dialler sees a connection, and
whatever he sends is not answered: `doors` holds it.
"""

from __future__ import annotations

import ctypes
import socket
import struct
from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final

_SO_ATTACH_FILTER: Final = 26
_SO_DETACH_FILTER: Final = 27
_INSTRUCTION: Final = struct.Struct("=HBBI")
_PROGRAM: Final = struct.Struct("HP")
_LOAD_WORD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_NETWORK_HEADER: Final = 0xFFF00000  # SKF_NET_OFF: the data of a TCP socket begins behind IP.
_SOURCE_AT: Final = 12
_WHOLE: Final = 0xFFFFFFFF
_ADDRESSES_MAX: Final = 1024  # The kernel takes 4,096 instructions.


@dataclass(frozen=True, slots=True)
class Deafness:
    """Whom a listening socket does not hear: all but *heard*, or nobody but *unheard*."""

    everybody: bool = False
    heard: tuple[IPv4Address, ...] = ()
    unheard: tuple[IPv4Address, ...] = ()

    def hears(self, address: IPv4Address) -> bool:
        """Tell whether *address* gets an answer."""
        return address in self.heard if self.everybody else address not in self.unheard


def program(deafness: Deafness) -> bytes:
    """Return the filter's instructions."""
    exceptions: Collection[IPv4Address] = deafness.heard if deafness.everybody else deafness.unheard
    otherwise = 0 if deafness.everybody else _WHOLE
    code = [_INSTRUCTION.pack(_LOAD_WORD, 0, 0, _NETWORK_HEADER + _SOURCE_AT)]
    for address in list(exceptions)[:_ADDRESSES_MAX]:
        code.append(_INSTRUCTION.pack(_JUMP_IF_EQUAL, 0, 1, int(address)))
        code.append(_INSTRUCTION.pack(_RETURN, 0, 0, _WHOLE - otherwise))
    code.append(_INSTRUCTION.pack(_RETURN, 0, 0, otherwise))
    return b"".join(code)


def apply(sock: socket.socket, deafness: Deafness) -> bool:
    """Let *deafness* hold for what arrives from now on; tell whether the system does that."""
    try:
        if not deafness.everybody and not deafness.unheard:
            sock.setsockopt(socket.SOL_SOCKET, _SO_DETACH_FILTER, 0)
            return True
        code = ctypes.create_string_buffer(program(deafness))
        instructions = len(code) // _INSTRUCTION.size
        value = _PROGRAM.pack(instructions, ctypes.addressof(code))
        sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, value)
    except OSError:
        return False  # No filter to detach, a system without them, or one that asks for root.
    return True
