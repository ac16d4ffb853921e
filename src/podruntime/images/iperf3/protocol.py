"""What iperf3's client and server tell each other over their control connection.

A cookie of 37 octets opens every connection of a test: the first is the control connection, the
others are its streams. Then states, one signed octet each, and three times JSON behind its length
in four octets: the client's wishes, and both sides' results.
"""

from __future__ import annotations

import asyncio
import enum
import json
import secrets
import string
import struct
from typing import Final

COOKIE_OCTETS: Final = 37
PORT: Final = 5201
#: How long a peer may take for its next word, besides the test's own time.
PATIENCE_S: Final = 10.0
_JSON_MAX: Final = 64 * 1024
_LENGTH: Final = struct.Struct("!I")
_ALPHABET: Final = string.ascii_lowercase + string.digits[2:8]  # That of base 32.


class State(enum.IntEnum):
    """The states of a test, by iperf3's numbers."""

    TEST_START = 1
    TEST_RUNNING = 2
    TEST_END = 4
    PARAM_EXCHANGE = 9
    CREATE_STREAMS = 10
    SERVER_TERMINATE = 11
    CLIENT_TERMINATE = 12
    EXCHANGE_RESULTS = 13
    DISPLAY_RESULTS = 14
    IPERF_DONE = 16
    ACCESS_DENIED = -1
    SERVER_ERROR = -2


class BadPeer(Exception):
    """The other side ended the test, or does not speak iperf3."""


def make_cookie() -> bytes:
    """Return what marks the connections of one test."""
    letters = "".join(secrets.choice(_ALPHABET) for _ in range(COOKIE_OCTETS - 1))
    return letters.encode() + b"\0"


class Control:
    """A control connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    def tell(self, state: State) -> None:
        """Send a state."""
        self._writer.write(struct.pack("!b", state))

    async def heard(self, *, within_s: float = PATIENCE_S) -> State:
        """Return the state that the peer tells; raises BadPeer."""
        (number,) = struct.unpack("!b", await self._read(1, within_s))
        try:
            return State(number)
        except ValueError:
            raise BadPeer(f"unknown control message {number}") from None

    async def expect(self, *states: State, within_s: float = PATIENCE_S) -> State:
        """Return the next state, one of *states*; raises BadPeer."""
        state = await self.heard(within_s=within_s)
        if state is State.ACCESS_DENIED:
            raise BadPeer("the server is busy running a test. try again later")
        if state in (State.SERVER_TERMINATE, State.CLIENT_TERMINATE):
            raise BadPeer(f"the {state.name.partition('_')[0].lower()} has terminated")
        if state not in states:
            raise BadPeer(f"unexpected control message {state.name}")
        return state

    def send(self, message: dict[str, object]) -> None:
        """Send JSON."""
        octets = json.dumps(message).encode()
        self._writer.write(_LENGTH.pack(len(octets)) + octets)

    async def receive(self) -> dict[str, object]:
        """Return the peer's JSON; raises BadPeer."""
        (length,) = _LENGTH.unpack(await self._read(_LENGTH.size, PATIENCE_S))
        if length > _JSON_MAX:
            raise BadPeer(f"a message of {length} octets")
        try:
            message: object = json.loads(await self._read(length, PATIENCE_S))
        except (ValueError, RecursionError):
            raise BadPeer("unable to parse a message") from None
        if not isinstance(message, dict):
            raise BadPeer("unable to parse a message")
        return message

    async def _read(self, octets: int, within_s: float) -> bytes:
        try:
            async with asyncio.timeout(within_s):
                return await self._reader.readexactly(octets)
        except TimeoutError:
            raise BadPeer("the control connection is silent") from None
        except (OSError, asyncio.IncompleteReadError):
            raise BadPeer("the control socket has closed unexpectedly") from None
