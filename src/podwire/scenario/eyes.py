"""The shell that sees: informers and probes in, a World out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from componentbase.tasks import Tasks
from kubeapi.client import InformerFactory, RestClient, Unreachable
from kubeapi.objects import Object
from kubeapi.resources import CONFIGMAPS, DEPLOYMENTS, ENDPOINTSLICES, NAMESPACES, NODES, PODS
from kubeapi.status import StatusError, is_not_found
from podwire.scenario.world import World, endpoints_of, nodes_of, pods_of, wanted_of

_PROBE_EVERY_S: Final = 0.25
_PROBE_TIMEOUT_S: Final = 3.0
_NAMESPACE: Final = "default"
#: What probes of writing write.
_PROBE_NAME: Final = "podwire-scenario-probe"


class Eyes:
    """Watches a cluster; `world()` is what is known of it now."""

    def __init__(self, client: RestClient, *, probes_writes: bool) -> None:
        self._client, self._probes_writes = client, probes_writes
        factory = InformerFactory(client)
        self._factory = factory
        self._nodes = factory.informer(NODES)
        self._pods = factory.informer(PODS, namespace=_NAMESPACE)
        self._deployments = factory.informer(DEPLOYMENTS, namespace=_NAMESPACE)
        self._slices = factory.informer(ENDPOINTSLICES, namespace=_NAMESPACE)
        self._answers = self._writes = True
        self._count = 0

    async def open(self, tasks: Tasks) -> None:
        """Begin to watch; returns when everything was seen once."""
        self._factory.start(tasks)
        await self._factory.wait_synced()
        tasks.spawn(self._probe(), name="probe")

    def world(self) -> World:
        return World(
            nodes=nodes_of(self._nodes.items()),
            pods=pods_of(self._pods.items()),
            wanted=wanted_of(self._deployments.items()),
            endpoints=endpoints_of(self._slices.items()),
            answers=self._answers,
            writes=self._writes,
        )

    async def _probe(self) -> None:
        while True:
            self._answers = await self._succeeds(self._read)
            if self._probes_writes:
                self._writes = await self._succeeds(self._write)
            await asyncio.sleep(_PROBE_EVERY_S)

    @staticmethod
    async def _succeeds(ask: Callable[[], Awaitable[None]]) -> bool:
        try:
            async with asyncio.timeout(_PROBE_TIMEOUT_S):
                await ask()
        except (StatusError, Unreachable, TimeoutError):
            return False
        return True

    async def _read(self) -> None:
        await self._client.get(NAMESPACES, _NAMESPACE)

    async def _write(self) -> None:
        self._count += 1
        patch = {"data": {"count": str(self._count)}}
        try:
            await self._client.patch(CONFIGMAPS, _PROBE_NAME, patch, _NAMESPACE)
        except StatusError as error:
            if not is_not_found(error):
                raise
            new: Object = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}, **patch}
            new["metadata"] = {"name": _PROBE_NAME}
            await self._client.create(CONFIGMAPS, new, _NAMESPACE)

    async def clean(self) -> None:
        """Remove what the probes made."""
        if not self._count:
            return
        try:
            await self._client.delete(CONFIGMAPS, _PROBE_NAME, _NAMESPACE)
        except (StatusError, Unreachable):
            return  # It says "probe" and harms nobody.
