"""How the control plane is: what `kubectl get componentstatuses` asks.

Upstream's server asks each component's health port. Here the store is asked whether it answers,
and the scheduler and the controller manager are well as long as somebody renews their Lease.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from componentbase.clock import Clock, parse_rfc3339
from controlplane.apiserver import keys
from controlplane.apiserver.cacher import Cacher
from controlplane.apiserver.exchange import Answer, Request
from controlplane.apiserver.kinds.componentstatus import HEALTHY
from controlplane.apiserver.kinds.kind import Kind
from controlplane.apiserver.registry.pages import Page
from controlplane.apiserver.routes.resources import ResourceRoutes
from controlplane.apiserver.stored import StoredObject, encode
from kubeapi.objects import Object
from kubeapi.resources import LEASES
from kubeapi.status import method_not_allowed, not_found

_NAMESPACE: Final = "kube-system"
_STORE: Final = "etcd-0"
#: Components → the Lease that its leader renews.
_LEASES: Final = {
    "controller-manager": "kube-controller-manager",
    "scheduler": "kube-scheduler",
}
_DEPRECATED: Final = "v1 ComponentStatus is deprecated in v1.19+"


class ComponentStatusRoutes:
    """Answers get and list."""

    def __init__(
        self, resources: ResourceRoutes, is_store_well: Callable[[], bool], wall: Clock
    ) -> None:
        self._resources, self._is_store_well, self._wall = resources, is_store_well, wall

    async def serve(self, kind: Kind, request: Request) -> Answer:
        """Answer; raises StatusError 404, 405."""
        info, cacher = request.info, self._resources.registry.cacher
        if info.verb not in kind.verbs or info.subresource:
            raise method_not_allowed(kind.resource, info.verb)
        await cacher.wait_until_fresh()
        form, found = self._resources.form(kind, request), self._statuses(kind, cacher)
        if info.verb == "list":
            answer = form.list(Page(cacher.revision, tuple(found.values())))
        elif info.name in found:
            answer = form.object(found[info.name])
        else:
            raise not_found(kind.resource, info.name)
        return Answer(body=answer.body, content_type=answer.content_type, warnings=(_DEPRECATED,))

    def _statuses(self, kind: Kind, cacher: Cacher) -> dict[str, StoredObject]:
        errors = {name: self._lease_error(cacher, lease) for name, lease in _LEASES.items()}
        errors[_STORE] = "" if self._is_store_well() else "the store does not answer"
        return {
            name: StoredObject(kind, "", encode(status), 0, status)
            for name, error in errors.items()
            for status in (_status(kind, name, error),)
        }

    def _lease_error(self, cacher: Cacher, name: str) -> str:
        """Return why nobody holds a Lease; empty when somebody does."""
        found = cacher.cache(LEASES).get(keys.key(LEASES, _NAMESPACE, name))
        spec = {} if found is None else found.object.get("spec") or {}
        renewed, lasts_s = spec.get("renewTime"), spec.get("leaseDurationSeconds") or 0
        if not spec.get("holderIdentity") or not renewed:
            return f"nobody leads: the Lease {_NAMESPACE}/{name} has no holder"
        if self._wall() > parse_rfc3339(renewed) + lasts_s:
            return f"nobody leads: the Lease {_NAMESPACE}/{name} was not renewed since {renewed}"
        return ""


def _status(kind: Kind, name: str, error: str) -> Object:
    condition = {"type": HEALTHY, "status": "False" if error else "True"}
    condition |= {"message": "", "error": error} if error else {"message": "ok"}
    return {
        "kind": kind.resource.kind,
        "apiVersion": kind.resource.api_version,
        "metadata": {"name": name},
        "conditions": [condition],
    }
