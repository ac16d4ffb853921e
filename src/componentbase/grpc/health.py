"""grpc.health.v1: the two messages of Health.Check, as protobuf has them."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

CHECK: Final = "/grpc.health.v1.Health/Check"
_SERVICE_TAG: Final = 0x0A  # Field 1, a length and its octets.
_STATUS_TAG: Final = 0x08  # Field 1, a number.
_VARINT, _FIXED64, _TEXT, _FIXED32 = 0, 1, 2, 5


class ServingStatus(IntEnum):
    """HealthCheckResponse.ServingStatus."""

    UNKNOWN = 0
    SERVING = 1
    NOT_SERVING = 2
    SERVICE_UNKNOWN = 3


def emit_request(service: str) -> bytes:
    """Return a HealthCheckRequest."""
    name = service.encode()
    return bytes([_SERVICE_TAG]) + _varint(len(name)) + name if name else b""


def parse_request(octets: bytes) -> str:
    """Return the service that is asked about; raises ValueError."""
    service = b""
    for tag, value in _fields(octets):
        if tag == _SERVICE_TAG and isinstance(value, bytes):
            service = value
    return service.decode()


def emit_response(status: ServingStatus) -> bytes:
    """Return a HealthCheckResponse; the zero value is not spelled out."""
    return bytes([_STATUS_TAG, status]) if status else b""


def parse_response(octets: bytes) -> str:
    """Return the status by its name, or its number where it has none; raises ValueError."""
    status = 0
    for tag, value in _fields(octets):
        if tag == _STATUS_TAG and isinstance(value, int):
            status = value
    return ServingStatus(status).name if status in set(ServingStatus) else str(status)


def _fields(octets: bytes) -> list[tuple[int, int | bytes]]:
    """Return tag and value of every field."""
    fields, at = list[tuple[int, int | bytes]](), 0
    while at < len(octets):
        tag, at = _parse_varint(octets, at)
        kind = tag & 7
        if kind == _VARINT:
            value, at = _parse_varint(octets, at)
            fields.append((tag, value))
            continue
        if kind == _TEXT:
            length, at = _parse_varint(octets, at)
        elif kind in (_FIXED32, _FIXED64):
            length = 4 if kind == _FIXED32 else 8
        else:
            raise ValueError(f"protobuf: wire type {kind}")
        if at + length > len(octets):
            raise ValueError("protobuf: a field ends too early")
        fields.append((tag, octets[at : at + length]))
        at += length
    return fields


def _varint(value: int) -> bytes:
    octets = bytearray()
    while value >= 0x80:
        octets.append(value & 0x7F | 0x80)
        value >>= 7
    octets.append(value)
    return bytes(octets)


def _parse_varint(octets: bytes, at: int) -> tuple[int, int]:
    """Return the number at *at*, and where the next field begins."""
    value = 0
    for place, octet in enumerate(octets[at : at + 10]):
        value |= (octet & 0x7F) << 7 * place
        if not octet & 0x80:
            return value, at + place + 1
    raise ValueError("protobuf: a number has no end")
