"""Bodies of the API: JSON for everybody, MessagePack between our own processes.

The same objects in both; upstream's counterpart is its protobuf serializer. Which one a server
speaks shows in the Content-Type of its first answer.
"""

from __future__ import annotations

from typing import Any, Final

import msgpack
import msgspec

from componentbase.decoding import UNREADABLE

JSON: Final = "application/json"
MSGPACK: Final = "application/vnd.podwire.msgpack"

#: No object or list that we read may be larger.
BODY_MAX: Final = 256 * 1024 * 1024
#: What a watch's unpacker begins with, and grows from; without it that is 1 MB for each.
_BUFFER_OCTETS: Final = 16 * 1024


class MalformedBody(ValueError):
    """The octets are not what their media type says."""


def encode(value: Any, media_type: str) -> bytes:
    return msgspec.msgpack.encode(value) if media_type == MSGPACK else msgspec.json.encode(value)


def decode(octets: bytes, media_type: str) -> Any:
    """Return the value; raises MalformedBody."""
    try:
        if media_type == MSGPACK:
            return msgspec.msgpack.decode(octets)
        return msgspec.json.decode(octets)
    except UNREADABLE as error:
        raise MalformedBody(str(error)) from None


class WatchDecoder:
    """Cuts the octets of a watch into its events, whichever way they arrive."""

    def __init__(self, media_type: str) -> None:
        self._unpacker = (
            msgpack.Unpacker(
                read_size=_BUFFER_OCTETS, max_buffer_size=BODY_MAX, strict_map_key=False
            )
            if media_type == MSGPACK
            else None
        )
        self._rest = b""

    def feed(self, octets: bytes) -> list[Any]:
        """Return the events that are complete now; raises MalformedBody."""
        if self._unpacker is None:
            *lines, self._rest = (self._rest + octets).split(b"\n")
            return [decode(line, JSON) for line in lines if line.strip()]
        try:
            self._unpacker.feed(octets)
            return list(self._unpacker)
        except (TypeError, ValueError, msgpack.UnpackException, msgpack.BufferFull) as error:
            # TypeError: a map's key is a list.
            raise MalformedBody(str(error) or type(error).__name__) from None
