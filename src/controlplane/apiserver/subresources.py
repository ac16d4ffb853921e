"""What lies below an object's path, kind by kind (upstream: rest.StorageProvider's tables).

Discovery shows these rows and OpenAPI describes them; `routes.dispatch` knows who answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from controlplane.apiserver.kinds.kind import Kind
from kubeapi.resources import NAMESPACES, NODES, PODS, SERVICEACCOUNTS, SERVICES, Resource

_CHANGE: Final = ("get", "patch", "update")
_STREAM: Final = ("create", "get")
_PROXY: Final = ("create", "delete", "get", "patch", "update")


@dataclass(frozen=True, slots=True)
class Subresource:
    """A subresource as clients see it; what it takes may be a kind of another group."""

    name: str
    group: str
    version: str
    kind: str
    verbs: Sequence[str] = _CHANGE
    #: The connection is taken over (upstream: rest.Connecter).
    connects: bool = False
    #: What stands behind its name is another server's path.
    has_path: bool = False


_EXTRA: Final[Mapping[Resource, Sequence[Subresource]]] = {
    PODS: (
        Subresource("attach", "", "v1", "PodAttachOptions", _STREAM, connects=True),
        Subresource("binding", "", "v1", "Binding", ("create",)),
        Subresource("eviction", "policy", "v1", "Eviction", ("create",)),
        Subresource("exec", "", "v1", "PodExecOptions", _STREAM, connects=True),
        Subresource("log", "", "v1", "Pod", ("get",)),
        Subresource("portforward", "", "v1", "PodPortForwardOptions", _STREAM, connects=True),
        Subresource("proxy", "", "v1", "PodProxyOptions", _PROXY, connects=True, has_path=True),
    ),
    SERVICES: (
        Subresource("proxy", "", "v1", "ServiceProxyOptions", _PROXY, connects=True, has_path=True),
    ),
    NODES: (
        Subresource("proxy", "", "v1", "NodeProxyOptions", _PROXY, connects=True, has_path=True),
    ),
    SERVICEACCOUNTS: (
        Subresource("token", "authentication.k8s.io", "v1", "TokenRequest", ("create",)),
    ),
    NAMESPACES: (Subresource("finalize", "", "v1", "Namespace", ("update",)),),
}


def subresources_of(kind: Kind) -> list[Subresource]:
    """Return the subresources of *kind* by name."""
    resource = kind.resource
    found = list(_EXTRA.get(resource, ()))
    described = {"scale", *(item.name for item in found)}
    found += [
        Subresource(name, resource.group, resource.version, resource.kind)
        for name in dict.fromkeys((*kind.subresources, *kind.strategies))
        if name not in described
    ]
    if "scale" in kind.subresources:
        found.append(Subresource("scale", "autoscaling", "v1", "Scale"))
    return sorted(found, key=lambda item: item.name)
