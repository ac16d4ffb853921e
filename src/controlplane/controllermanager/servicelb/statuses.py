"""What load-balancer controllers write: finalizers, `status.loadBalancer`, upstream's events."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

from controlplane.controllermanager.context import Context
from controlplane.controllermanager.servicelb.plan import FINALIZER, has_finalizer, ingress_of
from kubeapi.objects import Object, key_of, name_of, namespace_of, resource_version_of
from kubeapi.resources import SERVICES

log = logging.getLogger(__name__)

_COMPONENT: Final = "service-controller"


class Statuses:
    """Writes for a controller, and says each reason of a refusal once."""

    def __init__(self, context: Context) -> None:
        self._client, self._recorder = context.client, context.recorder(_COMPONENT)
        self.refused: dict[str, str] = {}  # Service → why.

    async def ensure(self, service: Object, ingress: Sequence[Object]) -> None:
        """Give the Service these addresses; raises StatusError."""
        had = bool(ingress_of(service))
        if not had:
            self._tell(service, "EnsuringLoadBalancer", "Ensuring load balancer")
        if not has_finalizer(service):
            kept = service["metadata"].get("finalizers") or []
            service = await self._patch(service, {"metadata": {"finalizers": [*kept, FINALIZER]}})
        await self._patch(service, {"status": {"loadBalancer": {"ingress": [*ingress]}}}, "status")
        if had:
            self._tell(service, "UpdatedLoadBalancer", "Updated load balancer with new hosts")
        else:
            self._tell(service, "EnsuredLoadBalancer", "Ensured load balancer")

    async def release(self, service: Object, *, has_addresses: bool) -> None:
        """Take the addresses away, and let the Service go; raises StatusError."""
        self._tell(service, "DeletingLoadBalancer", "Deleting load balancer")
        if has_addresses:
            nothing: Object = {"status": {"loadBalancer": {"ingress": None}}}
            service = await self._patch(service, nothing, "status")
        kept = [each for each in service["metadata"].get("finalizers") or () if each != FINALIZER]
        await self._patch(service, {"metadata": {"finalizers": kept or None}})
        self._tell(service, "DeletedLoadBalancer", "Deleted load balancer")

    def refuse(self, service: Object, why: str) -> None:
        """Say why the Service stays pending, once for each reason."""
        key = key_of(service)
        if self.refused.get(key) == why:
            return
        self.refused[key] = why
        message = f"Error syncing load balancer: failed to ensure load balancer: {why}"
        self._recorder.event(service, "Warning", "SyncLoadBalancerFailed", message)
        log.warning("%s: %s", key, message)

    def _tell(self, service: Object, reason: str, message: str) -> None:
        self._recorder.event(service, "Normal", reason, message)

    async def _patch(self, service: Object, patch: Object, subresource: str = "") -> Object:
        """Change *service* unless somebody else just did."""
        metadata = {
            **(patch.get("metadata") or {}),
            "resourceVersion": resource_version_of(service),
        }
        return await self._client.patch(
            SERVICES,
            name_of(service),
            {**patch, "metadata": metadata},
            namespace_of(service),
            subresource=subresource,
        )
