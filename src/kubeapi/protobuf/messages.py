"""Which messages there are: field numbers, JSON names and kinds of values.

`tools/generate_protobuf.py` writes the table from a kubectl's descriptors. A row is [number, JSON
name, letter, flags] and the message's name where the letter is `m`. Letters: i integer, b boolean,
s string, y octets, m message. Flags: `r` repeated, `k` a map from strings, `e` embedded (its fields
stand among the outer ones in JSON), `p` a pointer in Go: only a pointer can say zero, what is zero
without being one was not said (Go's omitempty).
"""

from __future__ import annotations

import functools
import gzip
from importlib import resources
from typing import Final

import msgspec

from kubeapi.schema.types import definition_name

_META: Final = "k8s.io.apimachinery.pkg.apis.meta.v1"
#: Kinds that are sent under any group's name.
_IN_EVERY_GROUP: Final = ("DeleteOptions", "Status")
_VARINT, _LENGTH_DELIMITED = 0, 2
_WIRE_TYPES: Final = {"i": _VARINT, "b": _VARINT}


class Field:
    """One field of a message."""

    __slots__ = ("flags", "letter", "message", "name")

    def __init__(self, name: str, letter: str, flags: str, message: str) -> None:
        self.name, self.letter, self.flags, self.message = name, letter, flags, message


#: By tag: the number and the wire type, as they stand before each value.
Fields = dict[int, Field]


@functools.cache
def _rows() -> dict[str, msgspec.Raw]:
    # Undecoded until a message is met: most processes meet a handful of five hundred.
    table = gzip.decompress((resources.files(__package__) / "messages.json.gz").read_bytes())
    return msgspec.json.decode(table, type=dict[str, msgspec.Raw])


@functools.cache
def fields_of(message: str) -> Fields:
    """Return the fields of a message that is in the table."""
    fields: Fields = {}
    rows: list[list[object]] = msgspec.json.decode(_rows()[message])
    for row in rows:
        number, name, letter, flags, *target = row
        assert isinstance(number, int)
        field = Field(str(name), str(letter), str(flags), str(target[0]) if target else "")
        wire = _LENGTH_DELIMITED if field.flags == "k" else _WIRE_TYPES.get(field.letter, 2)
        fields[number << 3 | wire] = field
        if field.flags == "r" and wire == _VARINT:
            fields[number << 3 | _LENGTH_DELIMITED] = field  # Packed.
    return fields


def message_of(api_version: str, kind: str) -> str | None:
    """Return the message of a kind; None when it is none that is known."""
    if kind in _IN_EVERY_GROUP:
        return f"{_META}.{kind}"
    name = definition_name(api_version, kind)
    message = "" if name is None else "k8s.io." + name.removeprefix("io.k8s.")
    return message if message in _rows() else None
