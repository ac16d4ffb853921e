"""What decisions depend on besides nodes and pods, as the watches tell it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kubeapi.client import InformerFactory
from kubeapi.objects import Object, labels_of, namespace_of
from kubeapi.resources import NAMESPACES, PODDISRUPTIONBUDGETS

_BY_NAMESPACE = "namespace"


class WatchedListers:
    """Reads the informers' stores."""

    def __init__(self, informers: InformerFactory) -> None:
        self.namespaces = informers.informer(NAMESPACES)
        self._budgets = informers.informer(
            PODDISRUPTIONBUDGETS, indexers={_BY_NAMESPACE: lambda obj: [namespace_of(obj)]}
        )

    def namespace_labels(self, name: str) -> Mapping[str, str]:
        namespace = self.namespaces.get(name)
        return {} if namespace is None else labels_of(namespace)

    def budgets(self, namespace: str) -> Sequence[Object]:
        return self._budgets.by_index(_BY_NAMESPACE, namespace)
