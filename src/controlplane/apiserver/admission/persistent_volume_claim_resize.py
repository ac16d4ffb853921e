"""Only claims whose class allows it may grow (upstream: storage/persistentvolume/resize)."""

from __future__ import annotations

from controlplane.apiserver import keys
from controlplane.apiserver.admission.attributes import Attributes, Operation, Validating
from controlplane.apiserver.cacher import Cacher
from controlplane.apiserver.kinds.kind import Kind
from controlplane.apiserver.kinds.storage.persistentvolumeclaim import grows
from controlplane.apiserver.kinds.storage.volumes import shown_class
from kubeapi.resources import PERSISTENTVOLUMECLAIMS, STORAGECLASSES
from kubeapi.status import forbidden

_NO_GROWTH = (
    "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc "
    "must support resize"
)


class PersistentVolumeClaimResize(Validating):
    """Judges changes of claims."""

    name = "PersistentVolumeClaimResize"

    def __init__(self, cacher: Cacher) -> None:
        self._cacher = cacher

    def handles(self, operation: Operation, kind: Kind, subresource: str) -> bool:
        changed = operation is Operation.UPDATE and not subresource
        return changed and kind.resource == PERSISTENTVOLUMECLAIMS

    async def validate(self, attributes: Attributes) -> None:
        claim, old = attributes.obj, attributes.old
        assert claim is not None
        assert old is not None
        if not grows(claim["spec"], old["spec"]):
            return
        if (old.get("status") or {}).get("phase") != "Bound":
            why = "Only bound persistent volume claims can be expanded"
            raise forbidden(attributes.kind.resource, attributes.name, why)
        key = keys.key(STORAGECLASSES, "", shown_class(claim))
        found = self._cacher.cache(STORAGECLASSES).get(key)
        if found is None or not found.object.get("allowVolumeExpansion"):
            raise forbidden(attributes.kind.resource, attributes.name, _NO_GROWTH)
