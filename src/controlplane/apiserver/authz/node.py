"""What a node may do for the pods that are bound to it (upstream: authorizer/node).

Secrets, ConfigMaps, claims and volumes only where a pod of its own leads to them; Leases, CSINodes
and Nodes only its own; pods only its own, or with a field selector that says so. All else stands in
a list of rules. That what it writes is its own, too, sees the admission plugin NodeRestriction to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from controlplane.apiserver.authn import NODES, User
from controlplane.apiserver.authz.bootstrap_policy.node_rules import NODE_RULES
from controlplane.apiserver.authz.graph import Graph
from controlplane.apiserver.authz.rights import Rights
from controlplane.apiserver.request_info import RequestInfo

_PREFIX: Final = "system:node:"
_LEASES_IN: Final = "kube-node-lease"
_READ: Final = ("get", "list", "watch")
_OWN: Final = ("get", "create", "update", "patch", "delete")

#: None: allowed. A text: no opinion, and why.
Opinion = str | None


def node_of(user: User) -> str | None:
    """Return the node that *user* is, "" for one without a name; None for anybody else."""
    if NODES not in user.groups or not user.name.startswith(_PREFIX):
        return None
    return user.name.removeprefix(_PREFIX)


class NodeAuthorizer:
    """Answers for nodes."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._rights = Rights(NODE_RULES)
        self._parts: Mapping[tuple[str, str], Callable[[str, RequestInfo], Opinion]] = {
            ("", "secrets"): self._read_object,
            ("", "configmaps"): self._read_object,
            ("", "persistentvolumeclaims"): self._claim,
            ("", "persistentvolumes"): self._get_object,
            ("storage.k8s.io", "volumeattachments"): self._get_object,
            ("", "serviceaccounts"): self._token,
            ("coordination.k8s.io", "leases"): self._lease,
            ("storage.k8s.io", "csinodes"): self._csi_node,
            ("", "nodes"): self._node,
            ("", "pods"): self._pod,
        }

    def judge(self, user: User, info: RequestInfo) -> Opinion:
        """Return None when *user* is a node that may do this."""
        node = node_of(user)
        if node is None:
            return ""
        if not node:
            return f'unknown node for user "{user.name}"'
        part = self._parts.get((info.group, info.resource))
        if part is not None:
            return part(node, info)
        what = f"{info.resource}/{info.subresource}" if info.subresource else info.resource
        return None if what and self._rights.allow(info, what) else ""

    def _related(self, node: str, info: RequestInfo) -> Opinion:
        name = info.object_name
        if not name:
            return "No Object name found"
        if self.graph.has_path(node, info.resource, info.namespace, name):
            return None
        return f"no relationship found between node '{node}' and this object"

    def _get_object(self, node: str, info: RequestInfo) -> Opinion:
        if info.verb != "get":
            return "can only get individual resources of this type"
        if info.subresource:
            return "cannot get subresource"
        return self._related(node, info)

    def _read_object(self, node: str, info: RequestInfo) -> Opinion:
        if info.verb not in _READ:
            return "can only read resources of this type"
        if info.subresource:
            return "cannot read subresource"
        if not info.namespace:
            return "can only read namespaced object of this type"
        return self._related(node, info)

    def _claim(self, node: str, info: RequestInfo) -> Opinion:
        if info.subresource != "status":
            return self._get_object(node, info)
        if info.verb not in ("update", "patch"):
            return "can only get/update/patch this type"
        return self._related(node, info)

    def _token(self, node: str, info: RequestInfo) -> Opinion:
        if info.verb != "create" or not info.name:
            return "can only create tokens for individual service accounts"
        if info.subresource != "token":
            return "can only create token subresource of serviceaccount"
        return self._related(node, info)

    def _lease(self, node: str, info: RequestInfo) -> Opinion:
        if info.verb not in _OWN:
            return "can only get, create, update, patch, or delete a node lease"
        if info.namespace != _LEASES_IN:
            return f'can only access leases in the "{_LEASES_IN}" system namespace'
        if info.verb != "create" and info.name != node:
            return "can only access node lease with the same name as the requesting node"
        return None

    def _csi_node(self, node: str, info: RequestInfo) -> Opinion:
        if info.verb not in _OWN:
            return "can only get, create, update, patch, or delete a CSINode"
        if info.subresource:
            return "cannot authorize CSINode subresources"
        if info.verb != "create" and info.name != node:
            return "can only access CSINode with the same name as the requesting node"
        return None

    def _node(self, node: str, info: RequestInfo) -> Opinion:
        match info.subresource, info.verb:
            case ("", "create" | "update" | "patch") | ("status", "update" | "patch"):
                return None
            case "", "get" | "list" | "watch":
                name = info.object_name
                if name == node:
                    return None
                every = f"node '{node}' cannot read all nodes, only its own Node object"
                other = f"node '{node}' cannot read '{name}', only its own Node object"
                return other if name else every
        return ""

    def _pod(self, node: str, info: RequestInfo) -> Opinion:
        match info.subresource, info.verb:
            case "", "get":
                return self._get_object(node, info)
            case "", "list" | "watch":
                if ("spec.nodeName", node) in info.fields:
                    return None
                if info.object_name:
                    return self._related(node, info)
                return "can only list/watch pods with spec.nodeName field selector"
            case (
                ("", "create" | "delete") | ("status", "update" | "patch") | ("eviction", "create")
            ):
                return None
        return ""
