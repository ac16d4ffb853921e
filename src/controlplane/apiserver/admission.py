"""What is asked of a write besides the object itself (upstream: admission plugins).

NamespaceLifecycle: nothing is created in a namespace that is missing or being deleted, and the
built-in namespaces stay. DefaultIngressClass: an Ingress that names no class gets the default one.
What upstream's plugins fill into pods, the pods' own row does. The rest of upstream's plugins is
absent.
"""

from __future__ import annotations

from typing import Final

from controlplane.apiserver import keys
from controlplane.apiserver.cacher import Cacher
from controlplane.apiserver.kinds.ingress import CLASS_ANNOTATION
from controlplane.apiserver.kinds.ingressclass import DEFAULT_ANNOTATION
from controlplane.apiserver.kinds.kind import Kind
from kubeapi.objects import Object, annotations_of, is_being_deleted, name_of
from kubeapi.resources import INGRESSCLASSES, NAMESPACES
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


def default_ingress_class(cacher: Cacher, ingress: Object) -> None:
    """Give an Ingress that names no class the default one, if there is one.

    Of several defaults the youngest counts, of those of one second the first by name.
    """
    spec = ingress.get("spec") or {}
    if spec.get("ingressClassName") is not None or CLASS_ANNOTATION in annotations_of(ingress):
        return
    stored = cacher.cache(INGRESSCLASSES).below(keys.prefix(INGRESSCLASSES))
    classes = [each.object for each in stored]
    defaults = [each for each in classes if annotations_of(each).get(DEFAULT_ANNOTATION) == "true"]
    defaults.sort(key=name_of)
    defaults.sort(key=lambda each: str(each["metadata"]["creationTimestamp"]), reverse=True)
    if defaults:
        ingress["spec"] = {**spec, "ingressClassName": name_of(defaults[0])}


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
