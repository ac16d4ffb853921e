"""What is asked of a write besides the object itself (upstream: admission plugins).

NamespaceLifecycle: nothing is created in a namespace that is missing or being deleted, and the
built-in namespaces stay. What upstream's plugins fill into pods, the pods' own row does. The rest
of upstream's plugins is absent.
"""

from __future__ import annotations

from typing import Final

from controlplane.apiserver import keys
from controlplane.apiserver.cacher import Cacher
from controlplane.apiserver.kinds.kind import Kind
from kubeapi.objects import is_being_deleted
from kubeapi.resources import NAMESPACES
from kubeapi.status import StatusError, forbidden, not_found

#: Namespaces that may not be deleted.
_IMMORTAL: Final = ("default", "kube-system", "kube-public")


def check_namespace(cacher: Cacher, kind: Kind, namespace: str, name: str) -> None:
    """Raise StatusError 404 or 403 when nothing may be created in *namespace*."""
    if not kind.resource.namespaced:
        return
    found = cacher.cache(NAMESPACES).get(keys.key(NAMESPACES, "", namespace))
    if found is None:
        raise not_found(NAMESPACES, namespace)
    if is_being_deleted(found.object):
        raise _terminating(kind, namespace, name)


def check_deletable(kind: Kind, name: str) -> None:
    """Raise StatusError 403 for what must stay."""
    if kind.resource == NAMESPACES and name in _IMMORTAL:
        raise forbidden(NAMESPACES, name, "this namespace may not be deleted")


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
