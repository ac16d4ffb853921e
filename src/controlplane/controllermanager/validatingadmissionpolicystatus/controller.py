"""Write a policy's status: which of its expressions do not fit the kinds that it matches.

Upstream: validatingadmissionpolicystatus. Each generation is checked once. The interpreter of
expressions is imported with the first policy: most clusters have none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from controlplane.controllermanager.context import Context
from controlplane.controllermanager.custom_kinds import versions_of
from kubeapi import resources
from kubeapi.client import WorkQueue, run_workers
from kubeapi.objects import Object, name_of
from kubeapi.resources import CUSTOMRESOURCEDEFINITIONS, VALIDATINGADMISSIONPOLICIES, Resource
from kubeapi.status import StatusError, is_not_found

if TYPE_CHECKING:
    from controlplane.controllermanager.validatingadmissionpolicystatus.type_checking import (
        GroupVersionKind,
    )
    from kubeapi.cel.types import Type

_WORKERS: Final = 5
_NAME: Final = "validatingadmissionpolicy-status-controller"


class ValidatingAdmissionPolicyStatus:
    """Policies in, their status out."""

    def __init__(self, context: Context) -> None:
        self._client = context.client
        self._queue: WorkQueue[str] = WorkQueue("validatingadmissionpolicy-status")
        self._policies = context.informer(VALIDATINGADMISSIONPOLICIES)
        self._definitions = context.informer(CUSTOMRESOURCEDEFINITIONS)
        self._policies.add_handler(
            on_add=lambda new: self._queue.add(name_of(new)),
            on_update=lambda _old, new: self._queue.add(name_of(new)),
        )

    async def run(self) -> None:
        await self._policies.wait_synced()
        await self._definitions.wait_synced()
        await run_workers(self._queue, self._reconcile, workers=_WORKERS)

    async def _reconcile(self, name: str) -> None:
        policy = self._policies.get(name)
        if policy is None:
            return
        generation = policy["metadata"].get("generation") or 0
        if generation <= ((policy.get("status") or {}).get("observedGeneration") or 0):
            return
        warnings = await self._warnings(policy)
        status = {
            "observedGeneration": generation,
            "typeChecking": {"expressionWarnings": warnings} if warnings else {},
        }
        applied = {
            "apiVersion": VALIDATINGADMISSIONPOLICIES.api_version,
            "kind": VALIDATINGADMISSIONPOLICIES.kind,
            "metadata": {"name": name},
            "status": status,
        }
        resource = VALIDATINGADMISSIONPOLICIES
        try:
            await self._client.apply(resource, applied, manager=_NAME, subresource="status")
        except StatusError as error:
            if not is_not_found(error):
                raise

    async def _warnings(self, policy: Object) -> list[Object]:
        from controlplane.controllermanager.validatingadmissionpolicystatus import type_checking

        kinds = [
            (kind, found)
            for kind in type_checking.kinds_to_check(policy, self._kinds_for)
            if (found := await self._type(kind)) is not None
        ]
        params, param_kind = None, (policy.get("spec") or {}).get("paramKind")
        if param_kind is not None:
            group, _, version = (param_kind.get("apiVersion") or "").rpartition("/")
            name = param_kind.get("kind") or ""
            params = await self._type(type_checking.GroupVersionKind(group, version, name))
        return type_checking.warnings_of(policy, kinds, params)

    def _resources(self) -> Sequence[Resource]:
        custom = [each for crd in self._definitions.items() for each in versions_of(crd)]
        return [*resources.ALL, *custom]

    def _kinds_for(self, group: str, version: str, plural: str) -> list[GroupVersionKind]:
        from controlplane.controllermanager.validatingadmissionpolicystatus.type_checking import (
            GroupVersionKind,
        )

        return [
            GroupVersionKind(each.group, each.version, each.kind)
            for each in self._resources()
            if (each.group, each.version, each.plural) == (group, version, plural)
        ]

    async def _type(self, kind: GroupVersionKind) -> Type | None:
        """Return the type of a kind's objects; None where nothing is known of them."""
        from kubeapi.schema import schema_for
        from kubeapi.schema.structural import build
        from kubeapi.schema.structural.object_types import object_type

        asked = (kind.group, kind.version, kind.kind)
        found = next((r for r in self._resources() if (r.group, r.version, r.kind) == asked), None)
        if found is None:
            return None
        if not found.custom:
            schema = schema_for(found.api_version, found.kind)
            return None if schema is None else object_type(schema)
        try:
            crd = await self._client.get(CUSTOMRESOURCEDEFINITIONS, found.qualified)
        except StatusError as error:
            if is_not_found(error):
                return None
            raise
        versions = {version["name"]: version for version in crd["spec"]["versions"]}
        props = (versions[found.version].get("schema") or {}).get("openAPIV3Schema") or {}
        return object_type(build(props))
