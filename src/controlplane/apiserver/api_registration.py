"""Keeps an APIService for every group and version that is served (upstream: autoregister).

They are written after the start, all at once, and again whenever kinds come or go. Only those that
carry our label are ours to delete, and of several API servers only the first deletes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import Final

from controlplane.apiserver import keys, priorities
from controlplane.apiserver.discovery import METRICS
from controlplane.apiserver.kinds.kind import Kind
from controlplane.apiserver.kinds.served import ServedKinds
from controlplane.apiserver.masters import Masters
from controlplane.apiserver.registry.options import DeleteOptions, WriteOptions
from controlplane.apiserver.registry.registry import Registry
from controlplane.storage.interface import StorageError
from kubeapi.objects import Object, labels_of, name_of
from kubeapi.resources import APISERVICES
from kubeapi.status import StatusError, is_already_exists

log = logging.getLogger(__name__)

_AUTOMANAGED: Final = "kube-aggregator.kubernetes.io/automanaged"
_BUILT_IN, _CUSTOM = "onstart", "true"
_RETRY_S: Final = 1.0


def api_service(group: str, version: str) -> Object:
    """Return the APIService of a group and version that this server serves."""
    built_in = priorities.is_built_in(group)
    spec: Object = {"group": group} if group else {}
    return {
        "kind": APISERVICES.kind,
        "apiVersion": APISERVICES.api_version,
        "metadata": {
            "name": f"{version}.{group}",
            "labels": {_AUTOMANAGED: _BUILT_IN if built_in else _CUSTOM},
        },
        "spec": {
            **spec,
            "version": version,
            "groupPriorityMinimum": priorities.of_group(group),
            "versionPriority": priorities.of_version(group, version),
        },
    }


def wanted(kinds: Iterable[Kind]) -> dict[str, Object]:
    """Return the APIServices that there should be, by name."""
    served = dict.fromkeys((kind.resource.group, kind.resource.version) for kind in kinds)
    served |= {(group, version): None for group, made in METRICS.items() for version in made}
    services = (api_service(group, version) for group, version in served)
    return {name_of(service): service for service in services}


class ApiRegistration:
    """Writes what is missing, deletes what is served no longer."""

    def __init__(self, registry: Registry, kinds: ServedKinds, masters: Masters) -> None:
        self._registry, self._kinds, self._masters = registry, kinds, masters
        self._changed = asyncio.Event()
        self._changed.set()
        kinds.on_change(self._changed.set)

    async def run(self) -> None:
        """Keep them until cancelled."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                await self._sync()
            except (StatusError, StorageError) as error:
                log.info("the list of APIServices waits: %s", error)
                await asyncio.sleep(_RETRY_S)
                self._changed.set()

    async def _sync(self) -> None:
        cache, kind = self._registry.cacher.cache(APISERVICES), self._kinds.of(APISERVICES)
        known = {name_of(item.object): item for item in cache.below(keys.prefix(APISERVICES))}
        right = wanted(self._kinds.all())
        missing = [service for name, service in right.items() if name not in known]
        await asyncio.gather(*(self._create(kind, service) for service in missing))
        for name, item in known.items():
            ours = labels_of(item.object).get(_AUTOMANAGED) == _CUSTOM
            if name not in right and ours and self._masters.is_first:
                await self._registry.delete(kind, "", name, DeleteOptions())

    async def _create(self, kind: Kind, service: Object) -> None:
        try:
            await self._registry.create(kind, "", service, WriteOptions())
        except StatusError as error:
            if not is_already_exists(error):  # Another server was faster.
                raise
