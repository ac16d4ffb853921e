"""Claims and volumes are protected from the start (upstream: storageobjectinuseprotection)."""

from __future__ import annotations

from typing import Final

from controlplane.apiserver.admission.attributes import Attributes, Mutating, Operation
from controlplane.apiserver.kinds.kind import Kind
from controlplane.volume.protection import CLAIM_FINALIZER, VOLUME_FINALIZER, protected
from kubeapi.resources import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES

_FINALIZERS: Final = {
    PERSISTENTVOLUMECLAIMS: CLAIM_FINALIZER,
    PERSISTENTVOLUMES: VOLUME_FINALIZER,
}


class StorageObjectInUseProtection(Mutating):
    """Adds the finalizers that two controllers take away."""

    name = "StorageObjectInUseProtection"

    def handles(self, operation: Operation, kind: Kind, subresource: str) -> bool:
        created = operation is Operation.CREATE and not subresource
        return created and kind.resource in _FINALIZERS

    async def admit(self, attributes: Attributes) -> None:
        obj = attributes.obj
        assert obj is not None
        wanted = protected(obj, _FINALIZERS[attributes.kind.resource])
        if wanted is not None:
            obj["metadata"] = wanted["metadata"]
