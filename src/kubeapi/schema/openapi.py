"""OpenAPI v3: the index and one document per group and version (upstream: kube-openapi handler3).

Made for readers such as kubectl (`explain`, client-side `apply`, `--server-side`) from the same
table that validation uses. A document holds the components its resources refer to, with their
descriptions, and the paths with the parameters clients look for: kubectl decides by
`fieldValidation` on PATCH whether the server validates. Responses name their schema only for
what a client decodes; error responses are left out.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from kubeapi.objects import Object
from kubeapi.resources import ALL, Resource
from kubeapi.schema.types import definition, definition_name, read_table

RELEASE: Final = "v1.32.0"

_MEDIA_TYPES: Final = ("application/json", "application/yaml")
_PATCH_MEDIA_TYPES: Final = (
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
)
_CUSTOM_PATCH_MEDIA_TYPES: Final = (*_PATCH_MEDIA_TYPES[:2], "application/apply-patch+yaml")
_META: Final = "io.k8s.apimachinery.pkg.apis.meta.v1"


def _group_path(group: str, version: str) -> str:
    return f"apis/{group}/{version}" if group else f"api/{version}"


@dataclass(frozen=True, slots=True)
class CustomSchema:
    """A custom kind's schema as its definition has it; decoded when it is asked for."""

    document: Callable[[], Object]
    stamp: str  # Changes with the document.


Custom = Mapping[Resource, CustomSchema]
_NONE: Final[Custom] = {}


def openapi_v3_paths(resources: Sequence[Resource] = ALL, custom: Custom = _NONE) -> Object:
    """Return the index: for each group and version the URL of its document."""
    served = {(r.group, r.version): None for r in resources}
    return {
        "paths": {
            _group_path(group, version): {
                "serverRelativeURL": f"/openapi/v3/{_group_path(group, version)}"
                f"?hash={_hash(group, version, resources, custom)}"
            }
            for group, version in sorted(served)
        }
    }


def _hash(group: str, version: str, resources: Sequence[Resource], custom: Custom) -> str:
    """Return a text that changes when the document would."""
    mine = [r for r in resources if (r.group, r.version) == (group, version)]
    named = sorted(r.plural + (custom[r].stamp if r in custom else "") for r in mine)
    return hashlib.sha256("/".join([RELEASE, group, version, *named]).encode()).hexdigest().upper()


def openapi_v3_document(
    group: str, version: str, resources: Sequence[Resource] = ALL, custom: Custom = _NONE
) -> Object | None:
    """Return the document of a group and version; None when none of *resources* is in it."""
    mine = [r for r in resources if (r.group, r.version) == (group, version)]
    if not mine:
        return None
    paths: Object = {}
    for resource in mine:
        paths |= _paths(resource)
    roots = [f"{_META}.DeleteOptions", f"{_META}.Status", f"{_META}.Patch"]
    made: Object = {}
    for resource in mine:
        names = [_definition_of(resource), f"{_definition_of(resource)}List"]
        if resource in custom:
            made |= dict(zip(names, _custom(resource, custom[resource].document()), strict=True))
            names = [f"{_META}.ObjectMeta", f"{_META}.ListMeta"]
        roots += names
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": RELEASE},
        "paths": paths,
        "components": {"schemas": dict(sorted({**_components(roots), **made}.items()))},
    }


def _custom(resource: Resource, schema: Object) -> tuple[Object, Object]:
    """Return the components of a custom kind and of its list."""
    kind = {"group": resource.group, "version": resource.version, "kind": resource.kind}
    properties = {**_type_meta(), **(schema.get("properties") or {}), "metadata": _meta("Object")}
    ours = {"type": "object", **schema, "properties": properties} | _tagged(kind)
    items = {"type": "array", "items": _reference(_definition_of(resource))}
    listed = {
        "description": f"{resource.kind}List is a list of {resource.kind}",
        "type": "object",
        "required": ["items"],
        "properties": {**_type_meta(), "items": items, "metadata": _meta("List")},
    }
    return ours, listed | _tagged({**kind, "kind": resource.list_kind})


def _tagged(kind: Object) -> Object:
    return {"x-kubernetes-group-version-kind": [kind]}


def _type_meta() -> Object:
    return {name: _component_field("ConfigMap", name) for name in ("apiVersion", "kind")}


def _component_field(kind: str, name: str) -> Object:
    """Return a property of a core kind, with what is said of it: it means the same everywhere."""
    found: Object = _component(f"io.k8s.api.core.v1.{kind}", [])["properties"][name]
    return found


def _meta(what: str) -> Object:
    kind = "ConfigMap" if what == "Object" else "ConfigMapList"
    return _component_field(kind, "metadata")


def _reference(name: str) -> Object:
    return {"allOf": [{"$ref": f"#/components/schemas/{name}"}]}


def _definition_of(resource: Resource) -> str:
    if resource.custom:
        reversed_group = ".".join(reversed(resource.group.split(".")))
        return f"{reversed_group}.{resource.version}.{resource.kind}"
    name = definition_name(resource.api_version, resource.kind)
    assert name is not None, f"{resource} is no built-in kind"
    return name


# --- components ------------------------------------------------------------------------------


@functools.cache
def _descriptions() -> dict[str, msgspec.Raw]:
    return msgspec.json.decode(read_table("descriptions.json.gz"), type=dict[str, msgspec.Raw])


def _components(roots: Iterable[str]) -> Object:
    """Return the schemas of *roots* and of all that they refer to."""
    found: Object = {}
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = _component(name, waiting)
    return dict(sorted(found.items()))


def _component(name: str, waiting: list[str]) -> Object:
    entry = definition(name)
    prose = _descriptions().get(name)  # What is written by hand has its prose beside it.
    text, fields = msgspec.json.decode(prose) if prose is not None else ("", {})
    result: Object = {"description": text} if text else {}
    result |= _converted(entry, waiting)
    if "properties" in entry:
        result["properties"] = {
            field: _described(_converted(schema, waiting), fields.get(field))
            for field, schema in entry["properties"].items()
        }
    return result


def _described(schema: Object, text: str | None) -> Object:
    return {"description": text, **schema} if text else schema


#: Formats that OpenAPI says with alternatives.
_ALTERNATIVES: Final[dict[str, Object]] = {
    "quantity": {"oneOf": [{"type": "string"}, {"type": "number"}]},
    "int-or-string": {
        "format": "int-or-string",
        "oneOf": [{"type": "integer"}, {"type": "string"}],
    },
}


def _converted(schema: dict[str, Any], waiting: list[str]) -> Object:
    """Return *schema* in v3's form, noting in *waiting* which definitions it refers to."""
    special = _ALTERNATIVES.get(schema.get("format", ""))
    if special is not None:
        return dict(special)
    result: Object = {}
    for key, value in schema.items():
        match key:
            case "properties":
                continue
            case "$ref":
                waiting.append(value)
                # A reference beside other keywords has to be wrapped: OpenAPI 3.0 ignores them.
                result["allOf"] = [{"$ref": f"#/components/schemas/{value}"}]
            case "items" | "additionalProperties":
                result[key] = _converted(value, waiting)
            case _:
                result[key] = value
    return result


# --- paths -----------------------------------------------------------------------------------


def _paths(resource: Resource) -> Object:
    collection, item = resource.path(), f"{resource.path()}/{{name}}"
    found: Object = {}
    if resource.namespaced:
        found[collection] = {"get": _operation(resource, "list"), "parameters": _LIST_PARAMETERS}
        collection = resource.path("{namespace}")
        item = f"{collection}/{{name}}"
    in_path = [_parameter("namespace", "path")] if resource.namespaced else []
    found[collection] = {
        "get": {**_operation(resource, "list"), "parameters": _LIST_PARAMETERS},
        "post": _operation(resource, "post", writes=True),
        "delete": _operation(resource, "deletecollection"),
        "parameters": in_path,
    }
    found[item] = {
        "get": _operation(resource, "get"),
        "put": _operation(resource, "put", writes=True),
        "patch": _operation(resource, "patch", writes=True),
        "delete": _operation(resource, "delete"),
        "parameters": [_parameter("name", "path"), *in_path],
    }
    return found


def _parameter(name: str, where: str = "query", type: str = "string") -> Object:
    schema = {"type": type, "uniqueItems": True}
    if where == "path":
        return {"name": name, "in": where, "required": True, "schema": schema}
    return {"name": name, "in": where, "schema": schema}


_LIST_PARAMETERS: Final = [
    _parameter("allowWatchBookmarks", type="boolean"),
    _parameter("continue"),
    _parameter("fieldSelector"),
    _parameter("labelSelector"),
    _parameter("limit", type="integer"),
    _parameter("resourceVersion"),
    _parameter("timeoutSeconds", type="integer"),
    _parameter("watch", type="boolean"),
]
_WRITE_PARAMETERS: Final = [
    _parameter("dryRun"),
    _parameter("fieldManager"),
    _parameter("fieldValidation"),
    _parameter("pretty"),
]


def _operation(resource: Resource, action: str, *, writes: bool = False) -> Object:
    ours = _definition_of(resource)
    answer = {
        "list": f"{ours}List",
        "delete": f"{_META}.Status",
        "deletecollection": f"{_META}.Status",
    }.get(action, ours)
    operation: Object = {
        "operationId": f"{action}{resource.group.partition('.')[0].capitalize()}"
        f"{resource.version.capitalize()}{resource.kind}",
        "responses": {"200": {"description": "OK", "content": _content(answer, _MEDIA_TYPES)}},
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": {
            "group": resource.group,
            "version": resource.version,
            "kind": resource.kind,
        },
    }
    if writes:
        operation["parameters"] = _WRITE_PARAMETERS
        body, media = ours, tuple[str, ...](_MEDIA_TYPES)
        if action == "patch":
            body = f"{_META}.Patch"
            media = _CUSTOM_PATCH_MEDIA_TYPES if resource.custom else _PATCH_MEDIA_TYPES
        operation["requestBody"] = {"content": _content(body, media), "required": True}
    return operation


def _content(name: str, media_types: Sequence[str]) -> Object:
    schema = {"schema": {"$ref": f"#/components/schemas/{name}"}}
    return dict.fromkeys(media_types, schema)
