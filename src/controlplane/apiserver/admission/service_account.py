"""A pod runs as an account that exists, and gets what it has (upstream: serviceaccount).

What it gets, and which Secrets it may have, stands in `serviceaccount.admission`.
"""

from __future__ import annotations

import asyncio
import random
from typing import Final

from controlplane.apiserver import keys
from controlplane.apiserver.admission.attributes import Attributes, Operation
from controlplane.apiserver.authz.references import MIRROR
from controlplane.apiserver.cacher import Cacher
from controlplane.apiserver.kinds.kind import Kind
from controlplane.apiserver.registry.create import generated_name
from controlplane.apiserver.serviceaccount import admission
from controlplane.apiserver.stored import StoredObject
from kubeapi.objects import annotations_of
from kubeapi.resources import PODS, SERVICEACCOUNTS

#: A new namespace's default account is made by a controller: how often it is looked for, and how
#: long between (upstream: the ServiceAccount plugin's getServiceAccount).
_ATTEMPTS: Final = 10
_WAIT_S: Final = 0.1


class ServiceAccount:
    """Completes new pods, and judges which Secrets they have."""

    name = "ServiceAccount"

    def __init__(self, cacher: Cacher, rng: random.Random) -> None:
        self._cacher, self._rng = cacher, rng

    def handles(self, operation: Operation, kind: Kind, subresource: str) -> bool:
        if kind.resource != PODS:
            return False
        is_debugging = operation is Operation.UPDATE and subresource == "ephemeralcontainers"
        return is_debugging or (operation is Operation.CREATE and not subresource)

    async def validate(self, attributes: Attributes) -> None:
        pod = attributes.obj
        assert pod is not None
        if MIRROR in annotations_of(pod):
            return
        name = pod["spec"].get("serviceAccountName", "")
        account = await self._find(keys.key(SERVICEACCOUNTS, attributes.namespace, name))
        if account is None:
            raise admission.unknown_account(pod, attributes.namespace)
        is_new = attributes.operation is Operation.CREATE
        admission.check_secrets(pod, account.object, is_new=is_new)

    async def admit(self, attributes: Attributes) -> None:
        pod = attributes.obj
        assert pod is not None
        if MIRROR in annotations_of(pod) or attributes.operation is not Operation.CREATE:
            return None
        name = pod["spec"]["serviceAccountName"]
        patient = name == admission.DEFAULT
        for attempt in range(_ATTEMPTS if patient else 1):
            if attempt:
                await asyncio.sleep(_WAIT_S)
            account = await self._find(keys.key(SERVICEACCOUNTS, attributes.namespace, name))
            if account is not None:
                volume = generated_name(admission.VOLUME_PREFIX, self._rng)
                return admission.admit(pod, account.object, volume)
        raise admission.unknown_account(pod, attributes.namespace)

    async def _find(self, key: str) -> StoredObject | None:
        seen, cache = self._cacher.revision, self._cacher.cache(SERVICEACCOUNTS)
        found = cache.get(key)
        if found is None and await self._cacher.has_moved_since(seen):
            found = cache.get(key)
        return found
