"""Roles of add-ons, and their bindings to the add-ons' accounts."""

from __future__ import annotations

from typing import Any, Final

Object = dict[str, Any]

_GROUP: Final = "rbac.authorization.k8s.io"


def role(kind: str, metadata: Object, rules: list[Object]) -> Object:
    """Return a Role or ClusterRole."""
    return {
        "apiVersion": f"{_GROUP}/v1",
        "kind": kind,
        "metadata": dict(metadata),
        "rules": rules,
    }


def binding(kind: str, metadata: Object, account: tuple[str, str]) -> Object:
    """Return the binding of *account*, a namespace and a name, to the role of the same name."""
    namespace, name = account
    return {
        "apiVersion": f"{_GROUP}/v1",
        "kind": f"{kind}Binding",
        "metadata": dict(metadata),
        "roleRef": {"apiGroup": _GROUP, "kind": kind, "name": metadata["name"]},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
    }
