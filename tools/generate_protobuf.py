#!/usr/bin/env python3
"""Write kubeapi's protobuf table from the descriptors that a kubectl carries.

    .venv/bin/python tools/generate_protobuf.py /path/to/kubectl

A kubectl of 1.32 or later holds the FileDescriptors of the built-in types as gzip blobs in its
data. Only field numbers, types and whether a value is a pointer in Go are taken from them; the
names of JSON come from `kubeapi.schema`. Written is `src/kubeapi/protobuf/messages.json.gz`, see
`kubeapi.protobuf.messages` for its form. The same kubectl gives the same octets.
"""

from __future__ import annotations

import gzip
import json
import re
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from google.protobuf import descriptor_pb2
from google.protobuf.message import DecodeError

from kubeapi.schema.types import definition

OUT: Final = Path(__file__).parents[1] / "src" / "kubeapi" / "protobuf" / "messages.json.gz"
_BLOB: Final = re.compile(rb"\x1f\x8b\x08\x00\x00\x00\x00\x00")
_BLOB_MAX: Final = 600_000
#: gogoproto.nullable = false, as it stands in a field's options: field 65001, varint 0.
_NOT_A_POINTER: Final = b"\xc8\xde\x1f\x00"

_META: Final = "k8s.io.apimachinery.pkg.apis.meta.v1"
#: Versions whose kinds are decoded: what is stable, and the little that is not.
_PACKAGES: Final = re.compile(
    r"k8s\.io\.api\.\w+\.v[0-9]+|k8s\.io\.api\.(networking|policy)\.v1beta1"
)
_META_KINDS: Final = ("DeleteOptions", "Status", "PartialObjectMetadata")
_LETTERS: Final = {3: "i", 5: "i", 8: "b", 9: "s", 11: "m", 12: "y"}
_REPEATED: Final = 3

Descriptor = descriptor_pb2.DescriptorProto


def files(octets: bytes) -> dict[str, descriptor_pb2.FileDescriptorProto]:
    """Return every file of descriptors in *octets* by its name."""
    found = {}
    for match in _BLOB.finditer(octets):
        blob = octets[match.start() : match.start() + _BLOB_MAX]
        file = descriptor_pb2.FileDescriptorProto()
        try:
            file.ParseFromString(zlib.decompressobj(31).decompress(blob))
        except (zlib.error, DecodeError):
            continue
        if file.name.endswith(".proto"):
            found[file.name] = file
    return found


def descriptors(octets: bytes) -> dict[str, Descriptor]:
    """Return every message in *octets* by its full name."""
    return {
        f"{file.package}.{message.name}": message
        for file in files(octets).values()
        for message in file.message_type
    }


def properties(message: str) -> dict[str, Any]:
    """Return the JSON properties of a message, none where OpenAPI has no such definition."""
    try:
        return dict(definition(f"io.k8s.{message.removeprefix('k8s.io.')}").get("properties", {}))
    except KeyError:
        return {}


def in_json(name: str, own: dict[str, Any]) -> str:
    """Return the JSON name of a field: its own, or one that differs in case."""
    alike = [each for each in own if each.lower() == name.lower()]
    return name if name in own or not alike else alike[0]


def embeds(own: dict[str, Any], known: dict[str, Descriptor], target: str) -> bool:
    """Tell whether a Go struct is embedded inline: its fields stand among *own*, in JSON."""
    return (
        all(
            field.name in own or embeds(own, known, field.type_name.lstrip("."))
            for field in known[target].field
        )
        if target in known
        else False
    )


def rows(name: str, known: dict[str, Descriptor]) -> Iterator[list[Any]]:
    """Yield [number, JSON name, letter, flags, message] of each field of message *name*."""
    message, own = known[name], properties(name)
    maps = {nested.name: nested for nested in message.nested_type if nested.options.map_entry}
    for field in message.field:
        letter, target = _LETTERS[field.type], field.type_name.lstrip(".")
        options = field.options.SerializeToString()
        flags = "" if _NOT_A_POINTER in options or field.label == _REPEATED else "p"
        if (entry := maps.get(target.rpartition(".")[2])) is not None:
            value = entry.field[1]
            letter, target, flags = _LETTERS[value.type], value.type_name.lstrip("."), "k"
        elif field.label == _REPEATED:
            flags = "r"
        elif letter == "m" and own and field.name not in own and embeds(own, known, target):
            flags = "e"
        yield [
            field.number,
            in_json(field.name, own),
            letter,
            flags,
            *([target] if letter == "m" else []),
        ]


def main() -> None:
    known = descriptors(Path(sys.argv[1]).read_bytes())
    kinds: list[str] = []
    for name in known:
        package, _, kind = name.rpartition(".")
        if (_PACKAGES.fullmatch(package) and properties(name).keys() >= {"kind", "apiVersion"}) or (
            package == _META and kind in _META_KINDS
        ):
            kinds.append(name)
    wanted, table = list(kinds), {}
    while wanted:
        name = wanted.pop()
        if name not in table:
            table[name] = list(rows(name, known))
            wanted += [row[4] for row in table[name] if row[2] == "m"]
    text = json.dumps(dict(sorted(table.items())), separators=(",", ":"))
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_bytes(gzip.compress(text.encode(), mtime=0))
    print(f"{len(table)} messages, {len(kinds)} kinds, {OUT.stat().st_size} octets")


if __name__ == "__main__":
    main()
