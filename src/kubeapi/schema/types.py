"""The types of Kubernetes 1.32 as a compact table: properties, required, patch strategies.

`tools/generate_schema.py` writes the table from the release's OpenAPI definitions. It is read
when the first schema is asked for, and each kind's graph of types is built when it is first
needed: a process that never validates never pays. What network-policy-api adds to Kubernetes (CRDs
there) stands in `network_policy_api.json`, written by hand; so do metrics.k8s.io, which is
metrics-server's, and, in `later_releases.json`, what is served of later releases.
"""

from __future__ import annotations

import functools
import gzip
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from importlib import resources
from typing import Any, Final

import msgspec


class Shape(Enum):
    """What kind of value a schema describes."""

    ANY = "any"
    SCALAR = "scalar"
    OBJECT = "object"  # with named properties
    MAP = "map"  # with any keys
    LIST = "array"


ABSENT: Final = object()  # No default: null may be one.


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rules:
    """What a custom kind says of a value beyond its shape (`kubeapi.schema.structural`)."""

    nullable: bool = False
    default: Any = ABSENT
    #: x-kubernetes-preserve-unknown-fields: what no property is named for stays.
    preserves: bool = False
    #: x-kubernetes-embedded-resource, and the object itself: apiVersion, kind and metadata.
    embedded: bool = False
    #: What is asked of name and generateName there.
    metadata: TypeSchema | None = None
    #: OpenAPI's keywords about the value alone: enum, pattern, format, minimum, …
    keywords: Mapping[str, Any] = field(default_factory=dict)
    all_of: tuple[TypeSchema, ...] = ()
    any_of: tuple[TypeSchema, ...] = ()
    one_of: tuple[TypeSchema, ...] = ()
    is_not: TypeSchema | None = None
    #: x-kubernetes-validations, as they were written.
    validations: tuple[Mapping[str, Any], ...] = ()


class TypeSchema:
    """What a value may look like, and how patches merge it.

    Built once and never changed. Not a frozen dataclass only because types refer to themselves
    (JSONSchemaProps), so that the properties are filled in after the object exists.
    """

    __slots__ = (
        "format",
        "item",
        "list_map_keys",
        "list_type",
        "map_type",
        "merge_key",
        "name",
        "patch_strategies",
        "properties",
        "python_types",
        "required",
        "rules",
        "shape",
        "type_name",
    )

    def __init__(self, name: str, shape: Shape, type_name: str = "", format: str = "") -> None:
        self.name = name  # of the definition; empty for what stands inline
        self.shape = shape
        self.type_name, self.format = type_name, format
        self.python_types: frozenset[type] = _PYTHON_TYPES.get(type_name, frozenset())
        self.properties: dict[str, TypeSchema] = {}
        self.required: tuple[str, ...] = ()
        self.item: TypeSchema = self  # of a list or map; itself where there are none
        self.patch_strategies: frozenset[str] = frozenset()
        self.merge_key = ""
        self.list_type, self.map_type = "", ""
        self.list_map_keys: tuple[str, ...] = ()
        self.rules: Rules | None = None  # of custom kinds alone

    def property(self, name: str) -> TypeSchema:
        """Return the schema below key *name*; ANYTHING where nothing is known."""
        if self.shape is Shape.OBJECT:
            return self.properties.get(name, ANYTHING)
        return self.item if self.shape is Shape.MAP else ANYTHING

    def __repr__(self) -> str:
        return f"TypeSchema({self.name or self.type_name or self.shape.value})"


_PYTHON_TYPES: Final[dict[str, frozenset[type]]] = {
    "string": frozenset({str}),
    "boolean": frozenset({bool}),
    "integer": frozenset({int}),
    "number": frozenset({int, float}),
    "array": frozenset({list}),
    "object": frozenset({dict}),
    "int-or-string": frozenset({int, str}),
    "quantity": frozenset({int, float, str}),
}

#: What was written by hand; the last word on a definition counts.
_BY_HAND: Final = (
    "network_policy_api.json",
    "resource_metrics.json",
    "later_releases.json",
)

ANYTHING: Final = TypeSchema("", Shape.ANY)


def read_table(name: str) -> bytes:
    """Return the decompressed octets of a generated table."""
    return gzip.decompress((resources.files(__package__) / name).read_bytes())


@functools.cache
def _raw_definitions() -> dict[str, msgspec.Raw]:
    # Raw keeps the undecoded text: 300 KB instead of the 3 MB that dicts would take.
    folder = resources.files(__package__)
    added = [(folder / name).read_bytes() for name in _BY_HAND]
    return {
        name: raw
        for octets in (read_table("types.json.gz"), *added)
        for name, raw in msgspec.json.decode(octets, type=dict[str, msgspec.Raw]).items()
    }


def definition(name: str) -> dict[str, Any]:
    """Return the entry of one definition as it stands in the table."""
    decoded: dict[str, Any] = msgspec.json.decode(_raw_definitions()[name])
    return decoded


class GroupVersionKind(msgspec.Struct, frozen=True):
    group: str
    version: str
    kind: str


class _Named(msgspec.Struct):
    kinds: list[GroupVersionKind] = msgspec.field(
        default_factory=list, name="x-kubernetes-group-version-kind"
    )


@functools.cache
def _names() -> dict[tuple[str, str], str]:
    """Return (apiVersion, kind) → name of the definition."""
    found = {}
    for name, raw in _raw_definitions().items():
        kinds = msgspec.json.decode(raw, type=_Named).kinds
        if len(kinds) > 1:
            continue  # DeleteOptions and WatchEvent are in every group; they are no resources.
        for kind in kinds:
            version = f"{kind.group}/{kind.version}" if kind.group else kind.version
            found[version, kind.kind] = name
    return found


def definition_name(api_version: str, kind: str) -> str | None:
    return _names().get((api_version, kind))


_built: dict[str, TypeSchema] = {}


def schema_for(api_version: str, kind: str) -> TypeSchema | None:
    """Return the schema of a kind; None when this release has no such kind."""
    name = definition_name(api_version, kind)
    return None if name is None else schema_named(name)


def schema_named(name: str) -> TypeSchema:
    """Return the schema of a definition, for example `io.k8s.api.core.v1.PodSpec`."""
    schema = _built.get(name)
    if schema is not None:
        return schema
    entry = definition(name)
    if "properties" not in entry:
        schema = _built[name] = _inline(entry)
        schema.name = name
        return schema
    schema = _built[name] = TypeSchema(name, Shape.OBJECT, "object")
    schema.required = tuple(entry.get("required", ()))
    schema.map_type = entry.get("x-kubernetes-map-type", "")
    for name_below, inline in entry["properties"].items():
        schema.properties[name_below] = _property(inline)
    return schema


def _property(entry: dict[str, Any]) -> TypeSchema:
    if "$ref" not in entry:
        return _inline(entry)
    target = schema_named(entry["$ref"])
    strategies = entry.get("x-kubernetes-patch-strategy")
    if strategies is None:
        return target
    # The strategy belongs to the property, not to the type: a twin that shares the rest.
    twin = TypeSchema(target.name, target.shape, target.type_name, target.format)
    twin.properties, twin.required, twin.map_type = (
        target.properties,
        target.required,
        target.map_type,
    )
    twin.patch_strategies = frozenset(strategies.split(","))
    return twin


def _inline(entry: dict[str, Any]) -> TypeSchema:
    type_name, format = entry.get("type", ""), entry.get("format", "")
    if not type_name:
        return ANYTHING if "$ref" not in entry else schema_named(entry["$ref"])
    if type_name == "array":
        return _list(entry)
    if type_name == "object":
        schema = TypeSchema("", Shape.MAP, "object")
        schema.item = _property(entry.get("additionalProperties", {}))
        schema.map_type = entry.get("x-kubernetes-map-type", "")
        return schema
    return _scalar(format if format in ("quantity", "int-or-string") else type_name, format)


def _list(entry: dict[str, Any]) -> TypeSchema:
    schema = TypeSchema("", Shape.LIST, "array")
    schema.item = _property(entry["items"])
    schema.list_type = entry.get("x-kubernetes-list-type", "")
    schema.list_map_keys = tuple(entry.get("x-kubernetes-list-map-keys", ()))
    schema.merge_key = entry.get("x-kubernetes-patch-merge-key", "")
    strategies = entry.get("x-kubernetes-patch-strategy", "")
    schema.patch_strategies = frozenset(filter(None, strategies.split(",")))
    return schema


@functools.cache
def _scalar(type_name: str, format: str) -> TypeSchema:
    return TypeSchema("", Shape.SCALAR, type_name, format)
