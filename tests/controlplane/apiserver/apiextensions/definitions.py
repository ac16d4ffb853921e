"""CustomResourceDefinitions for tests, after those in upstream's integration tests."""

from __future__ import annotations

from typing import Any


def crd(
    group: str,
    schema: dict[str, Any],
    *,
    kind: str = "Noxu",
    scope: str = "Namespaced",
    **version: Any,
) -> dict[str, Any]:
    """Return a definition with one version."""
    plural = f"{kind.lower()}s"
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": scope,
            "names": {"plural": plural, "kind": kind},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": {"type": "object", **schema}},
                    **version,
                }
            ],
        },
    }


ANYTHING: dict[str, Any] = {"x-kubernetes-preserve-unknown-fields": True}

#: A small definition with everything that a definition can have.
EVERYTHING: dict[str, Any] = {
    "properties": {
        "spec": {
            "type": "object",
            "required": ["size"],
            "properties": {
                "size": {"type": "integer", "minimum": 1, "maximum": 9, "default": 3},
                "mode": {"type": "string", "enum": ["slow", "fast"], "default": "slow"},
                "image": {"type": "string", "maxLength": 20, "pattern": "^[a-z]+$"},
                "port": {"x-kubernetes-int-or-string": True},
                "note": {"type": "string", "nullable": True},
                "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                "ports": {
                    "type": "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["name"],
                    "items": {
                        "type": "object",
                        "required": ["name"],
                        "properties": {
                            "name": {"type": "string"},
                            "number": {"type": "integer", "default": 80},
                        },
                    },
                },
                "tags": {
                    "type": "array",
                    "x-kubernetes-list-type": "set",
                    "items": {"type": "string"},
                },
                "template": {
                    "type": "object",
                    "x-kubernetes-embedded-resource": True,
                    "x-kubernetes-preserve-unknown-fields": True,
                },
                "ratio": {"type": "number", "multipleOf": 0.5},
            },
            "x-kubernetes-validations": [
                {
                    "rule": "self.mode != 'fast' || self.size > 1",
                    "message": "fast needs more than one",
                },
                {"rule": "self.size >= oldSelf.size", "message": "may not shrink"},
            ],
        },
        "status": {
            "type": "object",
            "properties": {"ready": {"type": "integer"}, "selector": {"type": "string"}},
        },
    }
}
VERSION_PARTS: dict[str, Any] = {
    "subresources": {
        "status": {},
        "scale": {
            "specReplicasPath": ".spec.size",
            "statusReplicasPath": ".status.ready",
            "labelSelectorPath": ".status.selector",
        },
    },
    "additionalPrinterColumns": [
        {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
        {"name": "Mode", "type": "string", "jsonPath": ".spec.mode"},
        {"name": "First", "type": "string", "jsonPath": '.spec.ports[?(@.name=="a")].number'},
    ],
    "selectableFields": [{"jsonPath": ".spec.mode"}],
}
