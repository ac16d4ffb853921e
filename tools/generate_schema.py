#!/usr/bin/env python3
"""Write kubeapi's schema tables from the OpenAPI definitions of a Kubernetes release.

    python3 -m venv /tmp/schema && /tmp/schema/bin/pip install kubernetes-validate
    /tmp/schema/bin/python tools/generate_schema.py

`kubernetes-validate` (68 MB) carries the definitions of every release as JSON Schema; it is
needed here only, never at run time. Two files are written into `src/kubeapi/schema/`:
`types.json.gz` (names to definitions without prose: what validation and patches need) and
`descriptions.json.gz` (names to [description, {property: description}]: what `kubectl explain`
shows). The same input gives the same octets.
"""

from __future__ import annotations

import gzip
import importlib.util
import json
import sys
from pathlib import Path
from typing import Any, Final

RELEASE: Final = "v1.32.0"
OUT: Final = Path(__file__).parents[1] / "src" / "kubeapi" / "schema"

Definition = dict[str, Any]

#: What JSON Schema cannot say, or this source says too loosely.
CORRECTED: Final[dict[str, Definition]] = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": {"type": "string", "format": "quantity"},
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": {
        "type": "string",
        "format": "int-or-string",
    },
}

#: Required by the OpenAPI documents, yet the API server takes objects without them: these are
#: Go slices without omitempty, and an absent one is stored as null.
OPTIONAL: Final = {
    "io.k8s.api.discovery.v1.EndpointSlice": {"endpoints"},
    "io.k8s.api.rbac.v1.Role": {"rules"},
    "io.k8s.api.rbac.v1.ClusterRole": {"rules"},
}


def definitions() -> dict[str, Definition]:
    """Read the definitions out of the installed kubernetes-validate."""
    spec = importlib.util.find_spec("kubernetes_validate")
    if spec is None or spec.origin is None:
        sys.exit("kubernetes-validate is not installed here: see this file's first lines")
    folder = Path(spec.origin).parent / "kubernetes-json-schema" / f"{RELEASE}-local"
    loaded: dict[str, Definition] = json.loads((folder / "_definitions.json").read_bytes())["$defs"]
    return loaded


def plain(schema: Definition) -> Definition:
    """Return *schema* as OpenAPI has it: no nulls among types, short references, no prose."""
    result: Definition = {}
    for key, value in schema.items():
        match key:
            case "description" | "enum" | "properties" | "required":
                continue
            case "type":
                names = [value] if isinstance(value, str) else value
                result["type"] = next(name for name in names if name != "null")
            case "$ref":
                result["$ref"] = value.rpartition("/")[2]
            case "items" | "additionalProperties":
                result[key] = plain(value)
            case _:
                result[key] = value
    return result


def table(name: str, definition: Definition) -> Definition:
    """Return the entry of `types.json` for one definition."""
    if name in CORRECTED:
        return CORRECTED[name]
    entry = plain(definition)
    if "properties" in definition:
        entry["properties"] = {
            field: plain(schema) for field, schema in definition["properties"].items()
        }
    required = [f for f in definition.get("required", ()) if f not in OPTIONAL.get(name, ())]
    if required:
        entry["required"] = required
    return entry


def prose(definition: Definition) -> list[Any]:
    """Return the entry of `descriptions.json` for one definition."""
    fields = definition.get("properties", {})
    return [
        definition.get("description", ""),
        {name: field["description"] for name, field in fields.items() if "description" in field},
    ]


def write(name: str, value: Definition) -> None:
    text = json.dumps(value, separators=(",", ":"), sort_keys=True)
    octets = gzip.compress(text.encode(), compresslevel=9, mtime=0)
    (OUT / name).write_bytes(octets)
    print(f"{name}: {len(value)} definitions, {len(octets)} octets")


def main() -> None:
    found = definitions()
    write("types.json.gz", {name: table(name, item) for name, item in found.items()})
    write("descriptions.json.gz", {name: prose(item) for name, item in found.items()})


if __name__ == "__main__":
    main()
