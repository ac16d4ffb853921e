"""What belongs to a node by way of its pods (upstream: plugin/pkg/auth/authorizer/node/graph.go).

    node <- pod <- secret, configmap, service account, claim <- volume <- secret

Only which pods a node has is kept up to date with every change; what a pod names is read from it
when a node first asks. Writing pods so costs nothing here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from controlplane.apiserver.authz.references import Reference, references
from kubeapi.objects import Object

#: Finds an object: by plural, namespace ("" for what is in none) and name.
Lookup = Callable[[str, str, str], Object | None]

_SECRET_PATHS: Final = (
    ("csi", "nodePublishSecretRef"),
    ("csi", "nodeStageSecretRef"),
    ("csi", "controllerPublishSecretRef"),
    ("csi", "controllerExpandSecretRef"),
    ("csi", "nodeExpandSecretRef"),
)


class Graph:
    """The pods of every node, and paths from other objects to them."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._node_of: dict[tuple[str, str], str] = {}
        self._pods: dict[str, dict[str, dict[str, None]]] = {}  # Node → namespace → names.
        self._references: dict[tuple[str, str], frozenset[Reference]] = {}

    def put_pod(self, namespace: str, name: str, node: str) -> None:
        """Take a pod as bound to *node*, "" while it is to none."""
        key = (namespace, name)
        self._references.pop(key, None)
        if self._node_of.get(key, "") == node:
            return
        self.drop_pod(namespace, name)
        if node:
            self._node_of[key] = node
            self._pods.setdefault(node, {}).setdefault(namespace, {})[name] = None

    def drop_pod(self, namespace: str, name: str) -> None:
        """Forget a pod."""
        self._references.pop((namespace, name), None)
        node = self._node_of.pop((namespace, name), None)
        if node is None:
            return
        namespaces = self._pods[node]
        del namespaces[namespace][name]
        if not namespaces[namespace]:
            del namespaces[namespace]
        if not namespaces:
            del self._pods[node]

    def clear(self) -> None:
        """Forget everything."""
        self._node_of.clear()
        self._pods.clear()
        self._references.clear()

    def has_path(self, node: str, plural: str, namespace: str, name: str) -> bool:
        """Tell whether the object belongs to *node*."""
        match plural:
            case "pods":
                return self._node_of.get((namespace, name)) == node
            case "persistentvolumes":
                return self._claims_volume(node, name)
            case "volumeattachments":
                found = self._lookup(plural, "", name)
                return found is not None and (found.get("spec") or {}).get("nodeName") == node
        if any((plural, name) in named for named in self._named_in(node, namespace)):
            return True
        return plural == "secrets" and self._is_secret_of_volume(node, namespace, name)

    def _named_in(self, node: str, namespace: str) -> Iterator[frozenset[Reference]]:
        for name in self._pods.get(node, {}).get(namespace, ()):
            key = (namespace, name)
            found = self._references.get(key)
            if found is None:
                pod = self._lookup("pods", namespace, name)
                found = self._references[key] = frozenset() if pod is None else references(pod)
            yield found

    def _claims(self, node: str) -> Iterator[tuple[str, str]]:
        """Return the claims of all pods of *node*, by namespace and name."""
        for namespace in self._pods.get(node, ()):
            for named in self._named_in(node, namespace):
                yield from (
                    (namespace, name)
                    for plural, name in sorted(named)
                    if plural == "persistentvolumeclaims"
                )

    def _claims_volume(self, node: str, volume: str) -> bool:
        found = self._lookup("persistentvolumes", "", volume)
        claim = ((found or {}).get("spec") or {}).get("claimRef") or {}
        wanted = (str(claim.get("namespace")), str(claim.get("name")))
        return any(found == wanted for found in self._claims(node))

    def _is_secret_of_volume(self, node: str, namespace: str, name: str) -> bool:
        for claim_namespace, claim in self._claims(node):
            held = self._lookup("persistentvolumeclaims", claim_namespace, claim) or {}
            volume_name = (held.get("spec") or {}).get("volumeName")
            volume = self._lookup("persistentvolumes", "", volume_name) if volume_name else None
            spec = (volume or {}).get("spec") or {}
            for source, reference in _SECRET_PATHS:
                secret = (spec.get(source) or {}).get(reference) or {}
                if (secret.get("namespace"), secret.get("name")) == (namespace, name):
                    return True
        return False
