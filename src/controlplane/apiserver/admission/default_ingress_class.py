"""An Ingress that names no class gets the default one (upstream: network/defaultingressclass)."""

from __future__ import annotations

from controlplane.apiserver.admission.attributes import Attributes, Mutating, Operation
from controlplane.apiserver.admission.defaults import default_name
from controlplane.apiserver.cacher import Cacher
from controlplane.apiserver.kinds.ingress import CLASS_ANNOTATION
from controlplane.apiserver.kinds.ingressclass import DEFAULT_ANNOTATION
from controlplane.apiserver.kinds.kind import Kind
from kubeapi.objects import Object, annotations_of
from kubeapi.resources import INGRESSCLASSES, INGRESSES


class DefaultIngressClass(Mutating):
    """Completes new Ingresses."""

    name = "DefaultIngressClass"

    def __init__(self, cacher: Cacher) -> None:
        self._cacher = cacher

    def handles(self, operation: Operation, kind: Kind, subresource: str) -> bool:
        return operation is Operation.CREATE and kind.resource == INGRESSES and not subresource

    async def admit(self, attributes: Attributes) -> None:
        ingress = attributes.obj
        assert ingress is not None
        spec = ingress.get("spec") or {}
        if spec.get("ingressClassName") is not None or CLASS_ANNOTATION in annotations_of(ingress):
            return
        if name := default_name(self._cacher, INGRESSCLASSES, _is_default):
            ingress["spec"] = {**spec, "ingressClassName": name}


def _is_default(ingress_class: Object) -> bool:
    return annotations_of(ingress_class).get(DEFAULT_ANNOTATION) == "true"
