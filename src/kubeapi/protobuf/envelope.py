"""What stands around an object: the magic, and which kind it is (upstream: runtime.Unknown)."""

from __future__ import annotations

from typing import Final

from kubeapi.objects import Object
from kubeapi.protobuf.messages import message_of
from kubeapi.protobuf.wire import MalformedProtobuf, read, varint

_MAGIC: Final = b"k8s\0"
_LENGTH_DELIMITED: Final = 2
_TYPE_META, _RAW, _ENCODING = 1, 2, 3
_API_VERSION, _KIND = 1, 2


def decode(octets: bytes) -> Object:
    """Return the object in *octets*; raises MalformedProtobuf."""
    if not octets.startswith(_MAGIC):
        raise MalformedProtobuf("the body does not begin as Kubernetes' protobuf does")
    try:
        outer = _parts(octets[len(_MAGIC) :])
        inner = _parts(outer.get(_TYPE_META, b""))
        api_version = inner.get(_API_VERSION, b"").decode()
        kind = inner.get(_KIND, b"").decode()
    except IndexError:
        raise MalformedProtobuf("the body ends in the middle of a value") from None
    except UnicodeDecodeError:
        raise MalformedProtobuf("apiVersion or kind is no UTF-8") from None
    if outer.get(_ENCODING):
        raise MalformedProtobuf("the object is encoded once more, which no client does")
    message = message_of(api_version, kind)
    if message is None:
        raise MalformedProtobuf(
            f'no kind "{kind}" is registered for version "{api_version}" in protobuf; send JSON'
        )
    return {"apiVersion": api_version, "kind": kind, **read(outer.get(_RAW, b""), message)}


def _parts(octets: bytes) -> dict[int, bytes]:
    """Return the fields of a message that has texts, octets and messages alone."""
    found, at = {}, 0
    while at < len(octets):
        tag, at = varint(octets, at)
        size, at = varint(octets, at)
        if tag & 7 != _LENGTH_DELIMITED or at + size > len(octets):
            raise MalformedProtobuf("the body is no runtime.Unknown")
        found[tag >> 3] = octets[at : at + size]
        at += size
    return found
