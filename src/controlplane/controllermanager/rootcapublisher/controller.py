"""Every namespace has a ConfigMap with the authority that pods check the API server by.

Upstream: rootcacertpublisher. Somebody else's change of it is undone, as there.
"""

from __future__ import annotations

from typing import Final

from controlplane.controllermanager.context import Context
from kubeapi.client import WorkQueue, run_workers
from kubeapi.objects import (
    Object,
    annotations_of,
    is_being_deleted,
    key_of,
    make_key,
    name_of,
    namespace_of,
)
from kubeapi.resources import CONFIGMAPS, NAMESPACES
from kubeapi.status import StatusError, is_already_exists, is_not_found

_WORKERS: Final = 2
NAME: Final = "kube-root-ca.crt"
_DESCRIPTION: Final = {
    "kubernetes.io/description": "Contains a CA bundle that can be used to verify the"
    " kube-apiserver when using internal endpoints such as the internal service IP or"
    " kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes"
    " clusters."
}


def config_map(namespace: str, root_ca: str) -> Object:
    """Return the ConfigMap of *namespace*."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": NAME, "namespace": namespace, "annotations": dict(_DESCRIPTION)},
        "data": {"ca.crt": root_ca},
    }


def _is_described(found: Object) -> bool:
    return all(annotations_of(found).get(key) for key in _DESCRIPTION)


class RootCaPublisher:
    """Namespaces in, ConfigMaps out."""

    def __init__(self, context: Context) -> None:
        self._client, self._root_ca = context.client, context.root_ca
        self._queue: WorkQueue[str] = WorkQueue("root_ca_cert_publisher")
        self._namespaces = context.informer(NAMESPACES)
        self._maps = context.informers.informer(CONFIGMAPS, field_selector=f"metadata.name={NAME}")
        self._namespaces.add_handler(
            on_add=lambda new: self._queue.add(key_of(new)),
            on_update=lambda _old, new: self._queue.add(key_of(new)),
        )
        self._maps.add_handler(
            on_update=lambda _old, new: self._queue.add(namespace_of(new)),
            on_delete=lambda old: self._queue.add(namespace_of(old)),
        )

    async def run(self) -> None:
        await self._namespaces.wait_synced()
        await self._maps.wait_synced()
        await run_workers(self._queue, self._reconcile, workers=_WORKERS)

    async def _reconcile(self, name: str) -> None:
        namespace = self._namespaces.get(name)
        if not self._root_ca or namespace is None or is_being_deleted(namespace):
            return
        found = self._maps.get(make_key(name, NAME))
        wanted = config_map(name, self._root_ca)
        if found is not None and found.get("data") == wanted["data"] and _is_described(found):
            return
        try:
            if found is None:
                await self._client.create(CONFIGMAPS, wanted, name_of(namespace))
            else:
                annotations = {**annotations_of(found), **_DESCRIPTION}
                metadata = {**found["metadata"], "annotations": annotations}
                await self._client.update(
                    CONFIGMAPS, {**found, "data": wanted["data"], "metadata": metadata}
                )
        except StatusError as error:
            namespace_left = error.code in (403, 404)
            if not (is_already_exists(error) or is_not_found(error) or namespace_left):
                raise
