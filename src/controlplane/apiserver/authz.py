"""Who may do what: a table (upstream: RBAC bootstrap policy, node authorizer, NodeRestriction).

Simplified: there are no Role objects. The controller manager is one user with every right on
resources, where upstream gives each controller an account of its own. A node reads what any node
needs, and the ConfigMaps and Secrets that a pod bound to it names; it writes only its own Node
and Lease, the status of pods bound to it, and events. Service accounts may ask what there is
(discovery) and about themselves, and nothing else unless they stand in the table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from controlplane.apiserver.authn import User
from controlplane.apiserver.request_info import RequestInfo
from kubeapi.objects import Object
from kubeapi.pod_containers import every_container

MASTERS: Final = "system:masters"
_NODES: Final = "system:nodes"
_NODE_PREFIX: Final = "system:node:"
_NODE_LEASES: Final = "kube-node-lease"

#: Served to everybody, known or not (upstream: system:public-info-viewer).
_PUBLIC: Final = ("/healthz", "/livez", "/readyz", "/version")
#: Served to everybody known (upstream: system:discovery).
_DISCOVERY: Final = ("/api", "/apis", "/openapi")

_ALL: Final = frozenset({"*"})
_READ: Final = frozenset({"get", "list", "watch"})
_LIST: Final = frozenset({"list", "watch"})
_WRITE: Final = frozenset({"create", "update", "patch", "delete"})
_RECORD: Final = frozenset({"create", "update", "patch"})

#: User → resource (with subresource) → verbs; "*" stands for every one.
_USERS: Final[Mapping[str, Mapping[str, frozenset[str]]]] = {
    "system:kube-controller-manager": {"*": _ALL},
    "system:kube-scheduler": {
        "*": _READ,
        "pods": _READ | {"delete"},
        "pods/binding": frozenset({"create"}),
        "pods/status": frozenset({"update", "patch"}),
        "events": _RECORD | _READ,
        "leases": _READ | _RECORD,
    },
}
#: Service accounts of the cluster's own programs, likewise (upstream: their ClusterRoles).
_ACCOUNTS: Final[Mapping[str, Mapping[str, frozenset[str]]]] = {
    "system:serviceaccount:kube-system:coredns": {
        "services": _LIST,
        "endpointslices": _LIST,
        "pods": _LIST,
        "namespaces": _LIST,
        "nodes": frozenset({"get"}),
    },
    "system:serviceaccount:ingress-nginx:ingress-nginx": {
        "ingresses": _READ,
        "ingresses/status": frozenset({"update", "patch"}),
        "ingressclasses": _READ,
        "services": _READ,
        "endpointslices": _LIST,
        "secrets": _READ,
        "events": _RECORD,
    },
}
#: What every node may do, whichever object it is.
_ANY_NODE: Final[Mapping[str, frozenset[str]]] = {
    "nodes": _READ,
    "pods": _READ,
    "services": _READ,
    "endpointslices": _READ,
    "networkpolicies": _READ,
    "adminnetworkpolicies": _READ,
    "baselineadminnetworkpolicies": _READ,
    "clusternetworkpolicies": _READ,
    "namespaces": _READ,
    "serviceaccounts": _READ,
    # For its own pods only: the route looks at what the token is to be bound to.
    "serviceaccounts/token": frozenset({"create"}),
    "events": _RECORD | _READ,
}
#: What a node may read because a pod that is bound to it refers to it by name.
_REFERENCED: Final[Mapping[str, frozenset[str]]] = {
    "configmaps": frozenset({"get"}),
    "secrets": frozenset({"get"}),
}
#: What everybody known may do (upstream: system:basic-user): ask about oneself.
_EVERYONE: Final[Mapping[str, frozenset[str]]] = {
    "selfsubjectaccessreviews": frozenset({"create"}),
    "selfsubjectrulesreviews": frozenset({"create"}),
    "selfsubjectreviews": frozenset({"create"}),
}
#: What a node may do to its own Node.
_OWN_NODE: Final[Mapping[str, frozenset[str]]] = {
    "nodes": _RECORD,
    "nodes/status": frozenset({"update", "patch"}),
}
#: What a node may do to a pod that is bound to it.
_BOUND_POD: Final[Mapping[str, frozenset[str]]] = {
    "pods": frozenset({"delete"}),
    "pods/status": frozenset({"update", "patch", "get"}),
    "pods/eviction": frozenset({"create"}),
}


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a request may go on; with *bound_to* only if the pod it names, or one that refers
    to the object it names, is bound to that node."""

    allowed: bool
    bound_to: str = ""


_YES: Final = Decision(True)
_NO: Final = Decision(False)


def is_public(path: str) -> bool:
    """Tell whether *path* is served without authentication."""
    return f"/{path.split('/')[1]}" in _PUBLIC if path.startswith("/") else False


def authorize(user: User, info: RequestInfo) -> Decision:
    """Decide by user, verb and resource."""
    if MASTERS in user.groups:
        return _YES
    if not info.resource:
        known = info.verb == "get" and info.path.startswith((*_DISCOVERY, *_PUBLIC))
        return _YES if known else _NO
    what = f"{info.resource}/{info.subresource}" if info.subresource else info.resource
    rights = _USERS.get(user.name) or _ACCOUNTS.get(user.name) or {}
    if _granted(rights, what, info.verb) or _granted(_EVERYONE, what, info.verb):
        return _YES
    node = node_of(user)
    return _authorize_node(node, what, info) if node else _NO


def _authorize_node(node: str, what: str, info: RequestInfo) -> Decision:
    if _granted(_ANY_NODE, what, info.verb):
        return _YES
    # A create names its object in the body only: the registry sees to it (`created_by_node`).
    if _granted(_OWN_NODE, what, info.verb) and info.name in (node, ""):
        return _YES
    if what == "leases" and info.namespace == _NODE_LEASES and info.name in (node, ""):
        return Decision(info.verb in _WRITE or (info.verb == "get" and info.name == node))
    if _granted(_BOUND_POD, what, info.verb) and info.name:
        return Decision(True, bound_to=node)
    if _granted(_REFERENCED, what, info.verb) and info.name:
        return Decision(True, bound_to=node)
    return _NO


def _granted(rights: Mapping[str, frozenset[str]], what: str, verb: str) -> bool:
    verbs = rights.get(what) or rights.get("*") or frozenset()
    return "*" in verbs or verb in verbs


def node_of(user: User) -> str:
    """Return the node that *user* is, "" for anybody else."""
    is_node = _NODES in user.groups and user.name.startswith(_NODE_PREFIX)
    return user.name.removeprefix(_NODE_PREFIX) if is_node else ""


def refers_to(pod: Object, plural: str, name: str) -> bool:
    """Tell whether *pod* names the ConfigMap or Secret *name* (upstream: node.Graph.AddPod)."""
    spec = pod.get("spec") or {}
    key = "configMap" if plural == "configmaps" else "secret"
    named = [item.get("name") for item in spec.get("imagePullSecrets") or () if key == "secret"]
    for volume in spec.get("volumes") or ():
        for source in (volume, *((volume.get("projected") or {}).get("sources") or ())):
            content = source.get(key) or {}
            named.append(content.get("secretName") or content.get("name"))
    for container in every_container(spec):
        wholes = [whole.get(f"{key}Ref") or {} for whole in container.get("envFrom") or ()]
        named.extend(whole.get("name") for whole in wholes)
        values = [one.get("valueFrom") or {} for one in container.get("env") or ()]
        named.extend((value.get(f"{key}KeyRef") or {}).get("name") for value in values)
    return name in named


def may_create_named(user: User, info: RequestInfo, obj: Object) -> bool:
    """Tell whether *user* may create an object of this name: a node only its own two."""
    if _NODES not in user.groups or info.resource not in ("nodes", "leases"):
        return True
    metadata = obj.get("metadata") or {}
    return _NODE_PREFIX + str(metadata.get("name")) == user.name


def denial(user: User, info: RequestInfo) -> str:
    """Return upstream's sentence for what *user* may not do."""
    if not info.resource:
        return f'User "{user.name}" cannot {info.verb} path "{info.path}"'
    what = f"{info.resource}/{info.subresource}" if info.subresource else info.resource
    where = f'in the namespace "{info.namespace}"' if info.namespace else "at the cluster scope"
    return (
        f'User "{user.name}" cannot {info.verb} resource "{what}" '
        f'in API group "{info.group}" {where}'
    )
