"""What the API server says goes into the index, as it says it.

Informers keep the little of each object that tells whether it has changed; the index keeps facts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from clusterdns.index import Index
from componentbase.tasks import Tasks
from kubeapi.client import Informer, RestClient
from kubeapi.objects import Object
from kubeapi.resources import ENDPOINTSLICES, NAMESPACES, PODS, SERVICES, Resource

_METADATA: Final = ("name", "namespace", "uid", "resourceVersion")
_SERVICE_NAME: Final = "kubernetes.io/service-name"


def slim(obj: Object) -> Object:
    """Return as much of *obj* as names need: of its metadata little, the rest as it is."""
    metadata = obj["metadata"]
    kept: Object = {key: metadata[key] for key in _METADATA if key in metadata}
    service = (metadata.get("labels") or {}).get(_SERVICE_NAME)
    if service:
        kept["labels"] = {_SERVICE_NAME: service}
    return {"metadata": kept} | {
        key: obj[key] for key in ("spec", "endpoints", "ports") if key in obj
    }


def slim_pod(pod: Object) -> Object:
    """Return as much of a pod as names need."""
    status = pod.get("status") or {}
    kept = {key: status[key] for key in ("phase", "podIPs") if key in status}
    return {"metadata": slim(pod)["metadata"], "status": kept}


class Watching:
    """Follows what the index is made of."""

    def __init__(self, client: RestClient, index: Index) -> None:
        self._client, self._index = client, index
        self._informers = [
            self._follow(client, SERVICES, index.put_service, index.remove_service),
            self._follow(client, ENDPOINTSLICES, index.put_slice, index.remove_slice),
            self._follow(client, NAMESPACES, index.put_namespace, index.remove_namespace),
        ]
        self._pods: Informer | None = None

    def _follow(
        self,
        client: RestClient,
        resource: Resource,
        put: Callable[[Object], None],
        remove: Callable[[Object], None],
    ) -> Informer:
        transform = slim_pod if resource == PODS else slim
        informer = Informer(client, resource, transform=transform)
        informer.add_handler(on_add=put, on_update=lambda _old, new: put(new), on_delete=remove)
        return informer

    def start(self, tasks: Tasks) -> None:
        """Begin to follow."""
        for informer in self._informers:
            tasks.spawn(informer.run(), name="informer", essential=True)
        tasks.spawn(self._say_synced(self._informers), name="first list")

    def follow_pods(self, tasks: Tasks) -> None:
        """Follow pods, too: `pods verified` wants it; nothing else does, so it is not for free."""
        if self._pods is None:
            index = self._index
            self._pods = self._follow(self._client, PODS, index.put_pod, index.remove_pod)
            tasks.spawn(self._pods.run(), name="informer", essential=True)

    async def _say_synced(self, informers: Iterable[Informer]) -> None:
        for informer in informers:
            await informer.wait_synced()
        self._index.synced = True
