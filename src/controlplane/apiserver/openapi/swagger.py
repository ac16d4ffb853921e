"""OpenAPI v2, made from the documents of version 3 (upstream: kube-openapi builder, openapiconv).

Version 2 knows no alternatives: a quantity is a text, an answer that may be of two types is the
first. What custom kinds say in structural schemas beyond types is left out, as upstream leaves it.
Documents come one after the other and go as they are converted: what is held are octets.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from controlplane.apiserver.openapi.documents import RELEASE
from kubeapi.objects import Object

INFO: Final[Object] = {"title": "Kubernetes", "version": RELEASE}
SECURITY: Final[Object] = {
    "BearerToken": {
        "type": "apiKey",
        "in": "header",
        "name": "authorization",
        "description": "Bearer Token authentication",
    }
}
REQUIREMENT: Final[list[Object]] = [{"BearerToken": []}]
_METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch")
#: What a schema of version 2 does not have; JSONSchemaProps has properties of these names.
_ABSENT: Final = frozenset({"nullable", "oneOf", "anyOf", "not"})

_BUILT_IN: Final = "io.k8s."

Piece = tuple[str, str, Object]


def pieces(documents: Iterable[Object]) -> Iterator[Piece]:
    """Yield (`paths` or `definitions`, name, value) of all *documents*, each definition once."""
    seen: set[str] = set()
    for document in documents:
        for path, item in document["paths"].items():
            yield "paths", path, _path_item(item)
        for name, schema in document["components"]["schemas"].items():
            if name not in seen:
                seen.add(name)
                yield "definitions", name, _without_defaults(name, converted(schema))


def encoded(documents: Iterable[Object]) -> bytes:
    """Return the document as JSON."""
    found: dict[str, dict[str, msgspec.Raw]] = {"paths": {}, "definitions": {}}
    for section, name, value in pieces(documents):
        found[section][name] = msgspec.Raw(msgspec.json.encode(value))
    document = {
        "swagger": "2.0",
        "info": INFO,
        **{section: dict(sorted(values.items())) for section, values in found.items()},
        "securityDefinitions": SECURITY,
        "security": REQUIREMENT,
    }
    return msgspec.json.encode(document)


# --- schemas -----------------------------------------------------------------------------------


def converted(schema: Object) -> Object:
    """Return a schema of version 3 as version 2 has it."""
    if "$ref" in schema:
        return {"$ref": _reference(schema["$ref"])}
    result: Object = {}
    for key, value in schema.items():
        match key:
            case "properties":
                result[key] = {name: converted(below) for name, below in value.items()}
            case "items" | "additionalProperties":
                result[key] = converted(value) if isinstance(value, dict) else value
            case "allOf":
                result |= _only(value)
            case "oneOf" | "anyOf":
                result |= _alternatives(schema, value)
            case _ if key not in _ABSENT:
                result[key] = value
    return result


def _only(schemas: list[Object]) -> Object:
    """Return the one reference that was wrapped; other conjunctions have no place."""
    if len(schemas) == 1 and "$ref" in schemas[0]:
        return {"$ref": _reference(schemas[0]["$ref"])}
    return {}


def _alternatives(schema: Object, offered: list[Object]) -> Object:
    """Return what stands for alternatives: the first answer, or a text."""
    if "$ref" in offered[0]:
        return converted(offered[0])
    is_text = "type" not in schema and {"type": "string"} in offered
    return {"type": "string"} if is_text else {}


def _without_defaults(name: str, schema: Object) -> Object:
    """Return a built-in definition without defaults, as upstream shows it (PruneDefaults)."""
    if not name.startswith(_BUILT_IN) or "properties" not in schema:
        return schema
    properties = {
        field: {key: value for key, value in below.items() if key != "default"}
        for field, below in schema["properties"].items()
    }
    return {**schema, "properties": properties}


def _reference(reference: str) -> str:
    return f"#/definitions/{reference.rpartition('/')[2]}"


# --- operations --------------------------------------------------------------------------------


def _path_item(item: Object) -> Object:
    result: Object = {
        method: _operation(operation) for method, operation in item.items() if method in _METHODS
    }
    if "parameters" in item:
        result["parameters"] = [_parameter(each) for each in item["parameters"]]
    return result


def _parameter(parameter: Object) -> Object:
    plain = {key: value for key, value in parameter.items() if key != "schema"}
    return {**plain, **parameter["schema"]}


def _operation(operation: Object) -> Object:
    answers: Object = operation["responses"]
    said = {
        key: value
        for key, value in operation.items()
        if key not in ("parameters", "requestBody", "responses")
    }
    made: Object = {**said, "schemes": ["https"], "produces": list(answers["200"]["content"])}
    given = [_parameter(each) for each in operation.get("parameters", ())]
    if "requestBody" in operation:
        body = operation["requestBody"]
        made["consumes"] = list(body["content"])
        taken: Object = {"name": "body", "in": "body", "schema": _schema(body)}
        given.insert(0, {**taken, "required": True} if body.get("required") else taken)
    if given:
        made["parameters"] = given
    made["responses"] = {code: _response(answer) for code, answer in answers.items()}
    return made


def _response(answer: Object) -> Object:
    return {"description": answer["description"], "schema": _schema(answer)}


def _schema(body: Object) -> Object:
    """Return the schema that all media types of a body share."""
    first: Object = next(iter(body["content"].values()))["schema"]
    return converted(first)
