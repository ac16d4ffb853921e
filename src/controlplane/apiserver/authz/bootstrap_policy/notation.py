"""How the tables of this room are written: rules as words, roles and bindings as objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from controlplane.apiserver.authz.rule import Rule
from kubeapi.objects import Object

API_VERSION: Final = "rbac.authorization.k8s.io/v1"
GROUP: Final = "rbac.authorization.k8s.io"
#: Whether a server that starts puts back what was changed (upstream: AutoUpdateAnnotationKey).
AUTOUPDATE: Final = "rbac.authorization.kubernetes.io/autoupdate"
AGGREGATE: Final = "rbac.authorization.k8s.io/aggregate-to-"
_LABELS: Final = {"kubernetes.io/bootstrapping": "rbac-defaults"}
#: How the tables call the group without a name.
_CORE: Final = "core"

READ: Final = "get list watch"
WRITE: Final = "create delete deletecollection patch update"
READ_WRITE: Final = f"{READ} {WRITE}"
RECORD: Final = "create patch update"


def may(verbs: str, groups: str, resources: str, names: str = "") -> Rule:
    """Return the rule that these words say; the order is upstream's, the alphabet's."""
    return Rule(
        tuple(sorted(verbs.split())),
        tuple("" if group == _CORE else group for group in groups.split()),
        tuple(sorted(resources.split())),
        tuple(sorted(names.split())),
    )


def may_path(verbs: str, urls: str) -> Rule:
    """Return the rule about paths that these words say."""
    return Rule(tuple(verbs.split()), urls=tuple(sorted(urls.split())))


EVENTS: Final = may(RECORD, "core events.k8s.io", "events")


def _metadata(name: str, namespace: str, labels: Mapping[str, str]) -> Object:
    metadata: Object = {"name": name}
    if namespace:
        metadata["namespace"] = namespace
    return metadata | {"labels": {**_LABELS, **labels}, "annotations": {AUTOUPDATE: "true"}}


def role(
    name: str, rules: Sequence[Rule], namespace: str = "", labels: Mapping[str, str] | None = None
) -> Object:
    """Return a ClusterRole, or with a namespace a Role."""
    return {
        "apiVersion": API_VERSION,
        "kind": "Role" if namespace else "ClusterRole",
        "metadata": _metadata(name, namespace, labels or {}),
        "rules": [rule.to_object() for rule in rules],
    }


def aggregated(name: str, into: str = "") -> Object:
    """Return a ClusterRole that is made of those labelled for it, itself part of *into*."""
    labels = {f"{AGGREGATE}{into}": "true"} if into else {}
    selectors = [{"matchLabels": {f"{AGGREGATE}{name}": "true"}}]
    return {
        "apiVersion": API_VERSION,
        "kind": "ClusterRole",
        "metadata": _metadata(name, "", labels),
        "aggregationRule": {"clusterRoleSelectors": selectors},
    }


def group(name: str) -> Object:
    return {"kind": "Group", "apiGroup": GROUP, "name": name}


def user(name: str) -> Object:
    return {"kind": "User", "apiGroup": GROUP, "name": name}


def account(name: str, namespace: str = "kube-system") -> Object:
    return {"kind": "ServiceAccount", "name": name, "namespace": namespace}


def binding(
    name: str, subjects: Sequence[Object], *, namespace: str = "", role: str = ""
) -> Object:
    """Return a binding of *subjects* to the role *role*, by default of the same name."""
    kind = "Role" if namespace else "ClusterRole"
    return {
        "apiVersion": API_VERSION,
        "kind": f"{kind}Binding",
        "metadata": _metadata(name, namespace, {}),
        "subjects": list(subjects),
        "roleRef": {"apiGroup": GROUP, "kind": kind, "name": role or name},
    }
