"""Nothing is created in a namespace that is missing or ends; the built-in ones stay.

Upstream: plugin/pkg/admission/namespace/lifecycle.
"""

from __future__ import annotations

from typing import Final

from controlplane.apiserver import keys
from controlplane.apiserver.admission.attributes import Attributes, Mutating, Operation
from controlplane.apiserver.cacher import Cacher
from controlplane.apiserver.kinds.kind import Kind
from kubeapi.objects import is_being_deleted
from kubeapi.resources import NAMESPACES
from kubeapi.status import StatusError, forbidden, not_found

#: Namespaces that may not be deleted.
_IMMORTAL: Final = ("default", "kube-system", "kube-public")


class NamespaceLifecycle(Mutating):
    """Guards namespaces at both ends of their lives."""

    name = "NamespaceLifecycle"

    def __init__(self, cacher: Cacher) -> None:
        self._cacher = cacher

    def handles(self, operation: Operation, kind: Kind, subresource: str) -> bool:
        if operation is Operation.DELETE:
            return kind.resource == NAMESPACES
        return operation is Operation.CREATE and kind.resource.namespaced and not subresource

    async def admit(self, attributes: Attributes) -> None:
        if attributes.operation is Operation.DELETE:
            if attributes.name in _IMMORTAL:
                why = "this namespace may not be deleted"
                raise forbidden(NAMESPACES, attributes.name, why)
            return
        seen = self._cacher.revision
        try:
            self._check(attributes)
        except StatusError:
            if not await self._cacher.has_moved_since(seen):
                raise
            self._check(attributes)

    def _check(self, attributes: Attributes) -> None:
        namespace = attributes.namespace
        found = self._cacher.cache(NAMESPACES).get(keys.key(NAMESPACES, "", namespace))
        if found is None:
            raise not_found(NAMESPACES, namespace)
        if is_being_deleted(found.object):
            raise _terminating(attributes.kind, namespace, attributes.name)


def _terminating(kind: Kind, namespace: str, name: str) -> StatusError:
    why = f"unable to create new content in namespace {namespace} because it is being terminated"
    error = forbidden(kind.resource, name, why)
    error.details["causes"] = [
        {
            "reason": "NamespaceTerminating",
            "message": f"namespace {namespace} is being terminated",
            "field": "metadata.namespace",
        }
    ]
    return error
