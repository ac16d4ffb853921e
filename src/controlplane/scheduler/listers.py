"""What decisions depend on besides nodes and pods, as the watches tell it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kubeapi.client import InformerFactory
from kubeapi.objects import Object, labels_of, make_key, namespace_of
from kubeapi.resources import (
    CSINODES,
    NAMESPACES,
    PERSISTENTVOLUMECLAIMS,
    PERSISTENTVOLUMES,
    PODDISRUPTIONBUDGETS,
    REPLICASETS,
    REPLICATIONCONTROLLERS,
    SERVICES,
    STATEFULSETS,
    STORAGECLASSES,
)

_BY_NAMESPACE = "namespace"


class WatchedListers:
    """Reads the informers' stores."""

    def __init__(self, informers: InformerFactory) -> None:
        self.namespaces = informers.informer(NAMESPACES)
        by_namespace = {_BY_NAMESPACE: lambda obj: [namespace_of(obj)]}
        self._budgets = informers.informer(PODDISRUPTIONBUDGETS, indexers=by_namespace)
        self._services = informers.informer(SERVICES, indexers=by_namespace)
        self._controllers = {
            each.kind: informers.informer(each)
            for each in (REPLICASETS, REPLICATIONCONTROLLERS, STATEFULSETS)
        }
        self.claims = informers.informer(PERSISTENTVOLUMECLAIMS)
        self.persistent_volumes = informers.informer(PERSISTENTVOLUMES)
        self.classes = informers.informer(STORAGECLASSES)
        self.csi_nodes = informers.informer(CSINODES)

    def namespace_labels(self, name: str) -> Mapping[str, str]:
        namespace = self.namespaces.get(name)
        return {} if namespace is None else labels_of(namespace)

    def budgets(self, namespace: str) -> Sequence[Object]:
        return self._budgets.by_index(_BY_NAMESPACE, namespace)

    def services(self, namespace: str) -> Sequence[Object]:
        return self._services.by_index(_BY_NAMESPACE, namespace)

    def controller(self, kind: str, namespace: str, name: str) -> Object | None:
        return self._controllers[kind].get(make_key(namespace, name))

    def claim(self, namespace: str, name: str) -> Object | None:
        return self.claims.get(make_key(namespace, name))

    def volume(self, name: str) -> Object | None:
        return self.persistent_volumes.get(name)

    def volumes(self) -> Sequence[Object]:
        return self.persistent_volumes.items()

    def storage_class(self, name: str) -> Object | None:
        return self.classes.get(name) if name else None

    def csi_node(self, name: str) -> Object | None:
        return self.csi_nodes.get(name)
