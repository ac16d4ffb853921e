"""OpenAPI v2 as protobuf: gnostic's openapi.v2.Document, which clients before kubectl 1.27 read.

The table has the messages that our documents need: for each key of JSON the number of its field
and what it holds. What begins with `x-` goes into a message's vendor extensions as a line of
YAML, which JSON is. Document, Paths and Definitions are written piece by piece: of repeated fields
the octets simply follow each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from controlplane.apiserver.openapi import swagger
from kubeapi.objects import Object

#: What is served. Clients ask for it by a name with an @, which no media type may have.
CONTENT_TYPE: Final = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
OLD_CONTENT_TYPE: Final = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"

_VARINT, _LENGTH_DELIMITED = 0, 2
_SWAGGER, _INFO, _PATHS, _DEFINITIONS, _SECURITY, _SECURITY_DEFINITIONS = 1, 2, 8, 9, 12, 13
_NAMED_PATH, _NAMED_SCHEMA = 2, 1

#: Key → (field, what it holds): a message's name, a list of one in brackets, a map in braces, or
#: text, flag, integer, any.
_Fields = Mapping[str, tuple[int, str]]
_PARAMETER: Final[_Fields] = {
    "required": (1, "flag"),
    "in": (2, "text"),
    "description": (3, "text"),
    "name": (4, "text"),
}
_MESSAGES: Final[Mapping[str, _Fields]] = {
    "Info": {"title": (1, "text"), "version": (2, "text")},
    "PathItem": {
        "get": (2, "Operation"),
        "put": (3, "Operation"),
        "post": (4, "Operation"),
        "delete": (5, "Operation"),
        "options": (6, "Operation"),
        "head": (7, "Operation"),
        "patch": (8, "Operation"),
        "parameters": (9, "[ParametersItem]"),
    },
    "Operation": {
        "tags": (1, "[text]"),
        "description": (3, "text"),
        "operationId": (5, "text"),
        "produces": (6, "[text]"),
        "consumes": (7, "[text]"),
        "parameters": (8, "[ParametersItem]"),
        "responses": (9, "Responses"),
        "schemes": (10, "[text]"),
        "x-": (13, "{any}"),
    },
    "BodyParameter": {
        "description": (1, "text"),
        "name": (2, "text"),
        "in": (3, "text"),
        "required": (4, "flag"),
        "schema": (5, "Schema"),
    },
    "query": {**_PARAMETER, "type": (6, "text"), "uniqueItems": (20, "flag")},
    "path": {**_PARAMETER, "type": (5, "text"), "uniqueItems": (19, "flag")},
    "Response": {"description": (1, "text"), "schema": (2, "SchemaItem")},
    "Schema": {
        "$ref": (1, "text"),
        "format": (2, "text"),
        "title": (3, "text"),
        "description": (4, "text"),
        "default": (5, "any"),
        "maxLength": (11, "integer"),
        "minLength": (12, "integer"),
        "pattern": (13, "text"),
        "maxItems": (14, "integer"),
        "minItems": (15, "integer"),
        "uniqueItems": (16, "flag"),
        "maxProperties": (17, "integer"),
        "minProperties": (18, "integer"),
        "required": (19, "[text]"),
        "enum": (20, "[any]"),
        "additionalProperties": (21, "SchemaItem"),
        "type": (22, "TypeItem"),
        "items": (23, "SchemaItem"),
        "properties": (25, "Properties"),
        "example": (30, "any"),
        "x-": (31, "{any}"),
    },
    "ApiKey": {
        "type": (1, "text"),
        "name": (2, "text"),
        "in": (3, "text"),
        "description": (4, "text"),
    },
}
_BODY, _OTHER, _QUERY, _PATH = 1, 2, 3, 4
_API_KEY: Final = 2


def encoded(documents: Iterable[Object]) -> bytes:
    """Return the document of *documents* as protobuf."""
    paths, definitions = bytearray(), bytearray()
    for section, name, value in swagger.pieces(documents):
        if section == "paths":
            paths += _named(_NAMED_PATH, name, _message("PathItem", value))
        else:
            definitions += _named(_NAMED_SCHEMA, name, _message("Schema", value))
    keys = b"".join(
        _named(1, name, _field(_API_KEY, _message("ApiKey", value)))
        for name, value in swagger.SECURITY.items()
    )
    asked = b"".join(
        _field(_SECURITY, _named(1, name, b"")) for each in swagger.REQUIREMENT for name in each
    )
    return b"".join(
        (
            _field(_SWAGGER, b"2.0"),
            _field(_INFO, _message("Info", swagger.INFO)),
            _field(_PATHS, paths),
            _field(_DEFINITIONS, definitions),
            asked,
            _field(_SECURITY_DEFINITIONS, keys),
        )
    )


def _varint(number: int) -> bytes:
    octets = bytearray()
    while number > 0x7F:
        octets.append(number & 0x7F | 0x80)
        number >>= 7
    octets.append(number)
    return bytes(octets)


def _field(number: int, content: bytes | bytearray) -> bytes:
    return _varint(number << 3 | _LENGTH_DELIMITED) + _varint(len(content)) + content


def _named(number: int, name: str, value: bytes) -> bytes:
    """Return an entry of a map: a message of a name (1) and a value (2)."""
    return _field(number, _field(1, name.encode()) + _field(2, value))


def _message(name: str, value: Object) -> bytes:
    """Return a message of the table."""
    fields, written = _MESSAGES[name], bytearray()
    for key, item in value.items():
        if key.startswith("x-"):
            written += _named(fields["x-"][0], key, _any(item))
        elif key in fields:
            number, what = fields[key]
            written += _value(number, what, item)
    return bytes(written)


def _value(number: int, what: str, value: object) -> bytes:
    """Return a field, or each of a list."""
    if what.startswith("["):
        assert isinstance(value, list)
        return b"".join(_value(number, what[1:-1], item) for item in value)
    if what in ("flag", "integer"):
        assert isinstance(value, int)
        return _varint(number << 3 | _VARINT) + _varint(value)
    return _field(number, _content(what, value))


def _content(what: str, value: object) -> bytes:
    match what:
        case "text":
            return str(value).encode()
        case "any":
            return _any(value)
        case "SchemaItem" if isinstance(value, bool):  # additionalProperties may be a flag.
            return _value(2, "flag", value)
        case "TypeItem":
            return _field(1, str(value).encode())
    assert isinstance(value, dict)
    match what:
        case "SchemaItem":
            return _field(1, _message("Schema", value))
        case "Properties":
            return b"".join(_named(1, n, _message("Schema", item)) for n, item in value.items())
        case "Responses":
            return b"".join(
                _named(1, code, _field(1, _message("Response", item)))
                for code, item in value.items()
            )
        case "ParametersItem":
            return _field(1, _parameter(value))
    return _message(what, value)


def _parameter(value: Object) -> bytes:
    """Return a Parameter: of a body, or one of the others by where it stands."""
    if value["in"] == "body":
        return _field(_BODY, _message("BodyParameter", value))
    where = str(value["in"])
    number = _QUERY if where == "query" else _PATH
    return _field(_OTHER, _field(number, _message(where, value)))


def _any(value: object) -> bytes:
    """Return an Any: the value as YAML."""
    return _field(2, msgspec.json.encode(value) + b"\n")
