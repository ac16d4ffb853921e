"""The components of OpenAPI documents: what each type looks like (upstream: kube-openapi builder3).

Made for readers such as kubectl (`explain`, client-side `apply`, `--server-side`) from the same
table that validation uses, with descriptions; `enums.json` has what upstream marks as enums
(`+enum`), which validation knows better. Which paths there are, and what may be done there,
is the API server's to say. Of defaults only those are told that upstream's types mark themselves
(`+default`); that an absent text means "" goes without saying here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import resources
from typing import Any, Final

import msgspec

from kubeapi.objects import Object
from kubeapi.resources import Resource
from kubeapi.schema.types import definition, definition_name, read_table

META: Final = "io.k8s.apimachinery.pkg.apis.meta.v1"
_CORE: Final = "io.k8s.api.core.v1"
_RADOS: Final = {"keyring": "/etc/ceph/keyring", "pool": "rbd", "user": "admin"}
_SCALE_IO: Final = {"fsType": "xfs", "storageMode": "ThinProvisioned"}
#: Definition → property → what it is where it is left out.
_DEFAULTS: Final[Mapping[str, Mapping[str, object]]] = {
    f"{_CORE}.ContainerPort": {"protocol": "TCP"},
    f"{_CORE}.ServicePort": {"protocol": "TCP"},
    f"{_CORE}.GRPCAction": {"service": ""},
    f"{_CORE}.AzureDiskVolumeSource": {
        "cachingMode": "ReadWrite",
        "fsType": "ext4",
        "kind": "Shared",
        "readOnly": False,
    },
    f"{_CORE}.ISCSIVolumeSource": {"iscsiInterface": "default"},
    f"{_CORE}.ISCSIPersistentVolumeSource": {"iscsiInterface": "default"},
    f"{_CORE}.RBDVolumeSource": _RADOS,
    f"{_CORE}.RBDPersistentVolumeSource": _RADOS,
    f"{_CORE}.ScaleIOVolumeSource": _SCALE_IO,
    f"{_CORE}.ScaleIOPersistentVolumeSource": _SCALE_IO,
}


def reference(name: str) -> Object:
    """Return a reference to a component."""
    return {"$ref": f"#/components/schemas/{name}"}


def component_of(resource: Resource, *, as_list: bool = False) -> str:
    """Return the name of the component that a resource's kind, or a list of it, is."""
    end = "List" if as_list else ""
    if resource.custom:
        reversed_group = ".".join(reversed(resource.group.split(".")))
        return f"{reversed_group}.{resource.version}.{resource.kind}{end}"
    name = definition_name(resource.api_version, resource.kind)
    assert name is not None, f"{resource} is no built-in kind"
    return name + end


def _tagged(kind: Object) -> Object:
    return {"x-kubernetes-group-version-kind": [kind]}


class Components:
    """Writes components; the prose it needs, a megabyte, goes with it."""

    def __init__(self) -> None:
        octets = read_table("descriptions.json.gz")
        self._prose = msgspec.json.decode(octets, type=dict[str, msgspec.Raw])
        values = (resources.files(__package__) / "enums.json").read_bytes()
        self._values = msgspec.json.decode(values, type=dict[str, dict[str, list[str]]])
        self._made: dict[str, tuple[Object, list[str]]] = {}

    def of(self, roots: Iterable[str]) -> Object:
        """Return the schemas of *roots* and of all that they refer to."""
        found: Object = {}
        waiting = list(roots)
        while waiting:
            name = waiting.pop()
            if name not in found:
                found[name], below = self._component(name)
                waiting += below
        return dict(sorted(found.items()))

    def custom(self, resource: Resource, schema: Object) -> Object:
        """Return those of a custom kind, whose *schema* its definition has, and of its list."""
        kind = {"group": resource.group, "version": resource.version, "kind": resource.kind}
        written = schema.get("properties") or {}
        properties = {**self._type_meta(), **written, "metadata": self._field("metadata")}
        ours = {"type": "object", **schema, "properties": properties} | _tagged(kind)
        items = {"type": "array", "items": reference(component_of(resource))}
        metadata = self._field("metadata", "ConfigMapList")
        listed = {
            "description": f"{resource.kind}List is a list of {resource.kind}",
            "type": "object",
            "required": ["items"],
            "properties": {**self._type_meta(), "items": items, "metadata": metadata},
        }
        return {
            component_of(resource): ours,
            component_of(resource, as_list=True): listed
            | _tagged({**kind, "kind": resource.list_kind}),
        }

    def _type_meta(self) -> Object:
        return {name: self._field(name) for name in ("apiVersion", "kind")}

    def _field(self, name: str, kind: str = "ConfigMap") -> Object:
        """Return a property of a core kind: it means the same everywhere."""
        found: Object = self._component(f"io.k8s.api.core.v1.{kind}")[0]["properties"][name]
        return found

    def _component(self, name: str) -> tuple[Object, list[str]]:
        """Return a component, and which others it refers to."""
        if name in self._made:
            return self._made[name]
        entry, waiting = definition(name), list[str]()
        prose = self._prose.get(name)  # What is written by hand has its prose beside it.
        text, fields = msgspec.json.decode(prose) if prose is not None else ("", {})
        result: Object = {"description": text} if text else {}
        result |= _converted(entry, waiting)
        if "properties" in entry:
            result["properties"] = {
                field: _described(_converted(schema, waiting), fields.get(field))
                for field, schema in entry["properties"].items()
            }
        for field, default in _DEFAULTS.get(name, {}).items():
            result["properties"][field]["default"] = default
        for field, values in self._values.get(name, {}).items():
            schema = result["properties"][field]
            schema.get("items", schema)["enum"] = values  # Of a list: what each item may be.
        self._made[name] = result, waiting
        return result, waiting


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
                result["allOf"] = [reference(value)]
            case "items" | "additionalProperties":
                result[key] = _converted(value, waiting)
            case _:
                result[key] = value
    return result
