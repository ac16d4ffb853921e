"""An Ingress that names no class gets the default one (upstream: network/defaultingressclass).

Of several defaults the youngest counts, of those of one second the first by name.
"""

from __future__ import annotations

from controlplane.apiserver import keys
from controlplane.apiserver.admission.attributes import Attributes, Mutating, Operation
from controlplane.apiserver.cacher import Cacher
from controlplane.apiserver.kinds.ingress import CLASS_ANNOTATION
from controlplane.apiserver.kinds.ingressclass import DEFAULT_ANNOTATION
from controlplane.apiserver.kinds.kind import Kind
from kubeapi.objects import annotations_of, name_of
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
        stored = self._cacher.cache(INGRESSCLASSES).below(keys.prefix(INGRESSCLASSES))
        classes = [each.object for each in stored]
        defaults = [one for one in classes if annotations_of(one).get(DEFAULT_ANNOTATION) == "true"]
        defaults.sort(key=name_of)
        defaults.sort(key=lambda one: str(one["metadata"]["creationTimestamp"]), reverse=True)
        if defaults:
            ingress["spec"] = {**spec, "ingressClassName": name_of(defaults[0])}
