"""An echo server over TCP or UDP, whose answers are checked octet by octet (RFC 862)."""

from __future__ import annotations

import struct
from typing import Final

from loadgen.http1 import BadResponse
from loadgen.plan import LoadPlan
from loadgen.protocols.codec import Answer

_NUMBER: Final = struct.Struct("!Q")
_PATTERN: Final = bytes(range(33, 127))
_ANSWER: Final = Answer()


class EchoCodec:
    """One connection, or one socket of datagrams. Each payload begins with a number of its own."""

    def __init__(self, plan: LoadPlan) -> None:
        rest = plan.size - _NUMBER.size
        self._rest = (_PATTERN * (rest // len(_PATTERN) + 1))[:rest]
        self._is_datagram = plan.target.is_datagram
        self._number = 0
        self._wanted, self._got = b"", b""

    def request(self) -> bytes:
        self._number += 1
        self._wanted = _NUMBER.pack(self._number) + self._rest
        self._got = b""
        return self._wanted

    def feed(self, octets: bytes) -> Answer | None:
        if self._is_datagram:
            return self._feed_datagram(octets)
        self._got += octets
        if self._got == self._wanted:
            return _ANSWER
        if not self._wanted.startswith(self._got):
            raise BadResponse("the echo differs from what was sent")
        return None

    def _feed_datagram(self, octets: bytes) -> Answer | None:
        if octets == self._wanted:
            return _ANSWER
        if octets[_NUMBER.size :] == self._rest:
            return None  # An earlier one: networks duplicate datagrams, and delay them.
        raise BadResponse("the echo differs from what was sent")

    def end(self) -> Answer | None:
        if self._got:
            raise BadResponse("the connection closed in the middle of an echo")
        return None

    @property
    def is_idle(self) -> bool:
        return not self._got
