"""Makes the roles and bindings that every cluster has (upstream: rbac/bootstrap-roles hook).

All of them at once, so that the store commits them together; what is there and complete costs a
look-up. `authz.bootstrap_policy.reconcile` decides.
"""

from __future__ import annotations

import asyncio
from typing import Final

from controlplane.apiserver.authz.bootstrap_policy.reconcile import (
    completed,
    leads_elsewhere,
    policy,
)
from controlplane.apiserver.kinds.kind import Kind
from controlplane.apiserver.kinds.served import ServedKinds
from controlplane.apiserver.registry.options import DeleteOptions, WriteOptions
from controlplane.apiserver.registry.registry import Registry
from kubeapi.objects import Object, name_of, namespace_of
from kubeapi.resources import CLUSTERROLEBINDINGS, CLUSTERROLES, ROLEBINDINGS, ROLES
from kubeapi.status import StatusError, is_already_exists, is_not_found

_RESOURCES: Final = {
    each.kind: each for each in (ROLES, CLUSTERROLES, ROLEBINDINGS, CLUSTERROLEBINDINGS)
}


class RbacBootstrap:
    """Creates what is missing, and completes what was cut down."""

    def __init__(self, registry: Registry, kinds: ServedKinds) -> None:
        self._registry, self._kinds = registry, kinds

    async def run(self) -> None:
        """Make sure of everything; raises StatusError, StorageError."""
        await asyncio.gather(*map(self._ensure, policy()))

    async def _ensure(self, wanted: Object) -> None:
        kind = self._kinds.of(_RESOURCES[wanted["kind"]])
        namespace, name = namespace_of(wanted), name_of(wanted)
        try:
            found = self._registry.get(kind, namespace, name).object
        except StatusError as error:
            if not is_not_found(error):
                raise
            return await self._create(kind, namespace, wanted)
        if leads_elsewhere(wanted, found):
            await self._remove(kind, namespace, name)
            return await self._create(kind, namespace, wanted)
        if completed(wanted, found) != found:
            await self._registry.update(
                kind, namespace, name, lambda old: completed(wanted, old), WriteOptions()
            )
        return None

    async def _create(self, kind: Kind, namespace: str, obj: Object) -> None:
        try:
            await self._registry.create(kind, namespace, obj, WriteOptions())
        except StatusError as error:
            if not is_already_exists(error):  # Another server was faster.
                raise

    async def _remove(self, kind: Kind, namespace: str, name: str) -> None:
        try:
            await self._registry.delete(kind, namespace, name, DeleteOptions())
        except StatusError as error:
            if not is_not_found(error):
                raise
