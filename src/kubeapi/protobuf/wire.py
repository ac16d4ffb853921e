"""The wire format of proto2, read straight into what JSON would have said.

https://protobuf.dev/programming-guides/encoding. Fields that are not in the table are passed over,
as a client of a later release may send them. Of a field that stands twice and is not repeated the
last one counts. No message of the table stands within itself, so depth needs no bound.
"""

from __future__ import annotations

import base64
from typing import Final

from kubeapi.objects import Object
from kubeapi.protobuf.messages import Field, Fields, fields_of
from kubeapi.protobuf.well_known import CONVERTED, Unfit

_VARINT_BITS_MAX: Final = 64
_SIGN: Final = 1 << 63
_VARINT, _FIXED64, _LENGTH_DELIMITED, _FIXED32 = _WIRES = 0, 1, 2, 5
_KEY, _VALUE = 1, 2


class MalformedProtobuf(ValueError):
    """The octets are no message of the kind that they say."""


def read(octets: bytes, message: str) -> Object:
    """Return the message as JSON has it; raises MalformedProtobuf."""
    into: Object = {}
    try:
        _read(octets, 0, len(octets), fields_of(message), into)
    except IndexError:
        raise MalformedProtobuf("the message ends in the middle of a value") from None
    except UnicodeDecodeError:
        raise MalformedProtobuf("a text is no UTF-8") from None
    except Unfit as error:
        raise MalformedProtobuf(str(error)) from None
    return into


def varint(octets: bytes, at: int) -> tuple[int, int]:
    """Return the number at *at*, and where the next value begins."""
    value = shift = 0
    while True:
        octet = octets[at]
        at += 1
        value |= (octet & 0x7F) << shift
        if octet < 0x80:
            return value, at
        shift += 7
        if shift >= _VARINT_BITS_MAX:
            raise MalformedProtobuf("a number has more than 64 bits")


def _read(octets: bytes, at: int, end: int, fields: Fields, into: Object) -> None:
    while at < end:
        tag = octets[at]
        at += 1
        if tag >= 0x80:
            tag, at = varint(octets, at - 1)
        field, wire = fields.get(tag), tag & 7
        if field is None and wire in _WIRES:
            _check_unknown(tag, fields)
        if wire == _LENGTH_DELIMITED:
            size = octets[at]
            at += 1
            if size >= 0x80:
                size, at = varint(octets, at - 1)
            begin, at = at, at + size
            if at > end:
                raise MalformedProtobuf("a value is longer than the message around it")
            if field is not None:
                _take(octets, begin, at, field, into)
        elif wire == _VARINT:
            number, at = varint(octets, at)
            if field is not None:
                _put(field, _scalar(field, number), into)
        elif wire in (_FIXED32, _FIXED64):  # No field of ours; a later release may have one.
            at += 4 if wire == _FIXED32 else 8
        else:
            raise MalformedProtobuf(f"there is no wire type {wire}")
    if at != end:
        raise MalformedProtobuf("a value is longer than the message around it")


def _check_unknown(tag: int, fields: Fields) -> None:
    """Raise MalformedProtobuf where a field that is known has the wire type of another."""
    number = tag & ~7
    if any(number | wire in fields for wire in (_VARINT, _LENGTH_DELIMITED)):
        raise MalformedProtobuf(f"wrong wire type {tag & 7} for field {number >> 3}")


def _scalar(field: Field, number: int) -> int | bool:
    if field.letter == "b":
        return number != 0
    return number - (1 << 64) if number & _SIGN else number


def _take(octets: bytes, at: int, end: int, field: Field, into: Object) -> None:
    """Read a value that tells its length."""
    match field.flags:
        case "e":
            _read(octets, at, end, fields_of(field.message), into)
        case "k":
            key, value = _entry(octets, at, end, field)
            into.setdefault(field.name, {})[key] = value
        case _ if field.letter in "ib":
            while at < end:
                number, at = varint(octets, at)
                _put(field, _scalar(field, number), into)
        case _:
            _put(field, _value(octets, at, end, field), into)


def _put(field: Field, value: object, into: Object) -> None:
    if field.flags == "r":
        into.setdefault(field.name, []).append(value)
    elif value or (field.flags == "p" and value is not None):
        into[field.name] = value
    else:
        into.pop(field.name, None)


def _value(octets: bytes, at: int, end: int, field: Field) -> object:
    if field.letter == "s":
        return octets[at:end].decode()
    if field.letter == "y":
        return base64.b64encode(octets[at:end]).decode()
    convert = CONVERTED.get(field.message)
    made: Object = {}
    _read(octets, at, end, fields_of(field.message), made)
    return made if convert is None else convert(made)


def _entry(octets: bytes, at: int, end: int, field: Field) -> tuple[str, object]:
    """Return a map's key and value: a message of the two; either may be left out."""
    key, value_at, value_end = "", end, end
    while at < end:
        tag, at = varint(octets, at)
        if tag & 7 != _LENGTH_DELIMITED:
            raise MalformedProtobuf("an entry of a map has a value that tells no length")
        size, at = varint(octets, at)
        begin, at = at, at + size
        if at > end:
            raise MalformedProtobuf("a value is longer than the message around it")
        if tag >> 3 == _KEY:
            key = octets[begin:at].decode()
        elif tag >> 3 == _VALUE:
            value_at, value_end = begin, at
    return key, _value(octets, value_at, value_end, field)
