"""A claim that names no class gets the default one (upstream: storage/storageclass/setdefault).

A claim that names the class "" wants none, and stays as it is.
"""

from __future__ import annotations

from controlplane.apiserver.admission.attributes import Attributes, Mutating, Operation
from controlplane.apiserver.admission.defaults import default_name
from controlplane.apiserver.cacher import Cacher
from controlplane.apiserver.kinds.kind import Kind
from controlplane.apiserver.kinds.storage.volumes import CLASS_ANNOTATION
from controlplane.volume.classes import is_default
from kubeapi.objects import annotations_of
from kubeapi.resources import PERSISTENTVOLUMECLAIMS, STORAGECLASSES


class DefaultStorageClass(Mutating):
    """Completes new PersistentVolumeClaims."""

    name = "DefaultStorageClass"

    def __init__(self, cacher: Cacher) -> None:
        self._cacher = cacher

    def handles(self, operation: Operation, kind: Kind, subresource: str) -> bool:
        created = operation is Operation.CREATE and not subresource
        return created and kind.resource == PERSISTENTVOLUMECLAIMS

    async def admit(self, attributes: Attributes) -> None:
        claim = attributes.obj
        assert claim is not None
        if claim["spec"].get("storageClassName") is not None:
            return
        if CLASS_ANNOTATION in annotations_of(claim):
            return
        if name := default_name(self._cacher, STORAGECLASSES, is_default):
            claim["spec"]["storageClassName"] = name
