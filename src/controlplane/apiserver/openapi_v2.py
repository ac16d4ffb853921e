"""The OpenAPI v2 document that clients fall back to, as good as empty.

kubectl asks for it only when OpenAPI v3, which has everything, does not know a kind; it then
goes on to say that the server has no such kind. It reads protobuf alone: gnostic's
openapi.v2.Document, of which swagger (field 1), info (2: title 1, version 2) and paths (8) are
written here. One message with length-delimited fields needs no library.
"""

from __future__ import annotations

from typing import Final

#: What is served. Clients ask for it by a name with an @, which no media type may have.
CONTENT_TYPE: Final = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
MEDIA_TYPES: Final = (
    CONTENT_TYPE,
    "application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
)
_LENGTH_DELIMITED: Final = 2
_SWAGGER, _INFO, _PATHS = 1, 2, 8
_TITLE, _VERSION = 1, 2


def _varint(number: int) -> bytes:
    octets = bytearray()
    while number > 0x7F:
        octets.append(number & 0x7F | 0x80)
        number >>= 7
    octets.append(number)
    return bytes(octets)


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | _LENGTH_DELIMITED) + _varint(len(content)) + content


def document(version: str) -> bytes:
    """Return the document of a server of this *version*."""
    info = _field(_TITLE, b"Kubernetes") + _field(_VERSION, version.encode())
    return _field(_SWAGGER, b"2.0") + _field(_INFO, info) + _field(_PATHS, b"")


def is_accepted(accept: str) -> bool:
    """Tell whether a client reads what we have."""
    types = [clause.partition(";")[0].strip().lower() for clause in accept.split(",")]
    return any(one in (*MEDIA_TYPES, "*/*", "application/*") for one in types)
