"""Puts the API server together and runs it."""

from __future__ import annotations

import asyncio
import logging
import random
from pathlib import Path
from typing import Final

from componentbase import clock
from componentbase.tasks import Tasks
from componentbase.timings import TIMINGS
from controlplane.apiserver import keys
from controlplane.apiserver.bootstrap import Bootstrap
from controlplane.apiserver.cacher import Cacher
from controlplane.apiserver.config import Config
from controlplane.apiserver.event_expiry import EventExpiry
from controlplane.apiserver.kinds import kinds as table_of_kinds
from controlplane.apiserver.kinds.service_allocation import ServiceAllocator
from controlplane.apiserver.kubelet_proxy import KubeletProxy
from controlplane.apiserver.metrics import Metrics
from controlplane.apiserver.registry.options import DeleteOptions
from controlplane.apiserver.registry.registry import Registry
from controlplane.apiserver.routes.discovery import DiscoveryRoutes
from controlplane.apiserver.routes.dispatch import Dispatcher
from controlplane.apiserver.routes.pods import PodRoutes
from controlplane.apiserver.routes.resources import ResourceRoutes
from controlplane.apiserver.server import ApiServer
from controlplane.storage.compaction import CompactionPolicy
from controlplane.storage.embedded import EmbeddedStore
from controlplane.storage.interface import StorageError, Store
from kubeapi.objects import name_of, namespace_of
from kubeapi.resources import EVENTS, NODES, SERVICES
from kubeapi.status import StatusError

log = logging.getLogger(__name__)

_COMPACTION_LOOK_S: Final = 2.0
_EVENT_EXPIRY_LOOK_S: Final = 60.0


async def serve(config: Config) -> None:
    """Serve until cancelled; raises OSError when the store or the address is not to be had."""
    rng = random.Random()  # uids must differ from those of every other run.
    try:
        store = await EmbeddedStore.open(Path(config.store_path))
    except StorageError as error:
        raise OSError(str(error)) from None
    tasks = Tasks()
    kubelets = KubeletProxy(config)
    try:
        server = await _start(config, store, kubelets, tasks, rng)
        try:
            log.info("serving on %s:%d", config.bind, server.port)
            await tasks.wait()
        finally:
            await server.close()
    finally:
        await tasks.close()
        await kubelets.close()
        await store.close()


async def _start(
    config: Config, store: Store, kubelets: KubeletProxy, tasks: Tasks, rng: random.Random
) -> ApiServer:
    kinds = table_of_kinds(TIMINGS[config.timings])
    by_resource = {kind.resource: kind for kind in kinds}
    cacher = Cacher(kinds, store)
    await cacher.load()
    following = tasks.spawn(cacher.run(), name="cacher", essential=True)
    await cacher.wait_until_fresh()
    allocator = ServiceAllocator(config.service_cidr, config.node_port_range, rng)
    registry = Registry(cacher, {SERVICES: allocator}, rng=rng, wall=clock.wall)
    registry.observe_stored()
    await Bootstrap(registry, by_resource, config).run()
    metrics = Metrics(cacher)
    resources = ResourceRoutes(registry, rng=rng, wall=clock.wall, monotonic=clock.monotonic)
    dispatcher = Dispatcher(
        kinds,
        resources,
        PodRoutes(registry, kubelets, by_resource[NODES], wall=clock.wall),
        DiscoveryRoutes(
            kinds,
            metrics,
            address=config.advertise_address,
            port=config.port,
            is_ready=lambda: not following.done(),
        ),
    )
    tasks.spawn(_compact(store), name="compactor", essential=True)
    tasks.spawn(_expire_events(registry), name="event expiry", essential=True)
    server = ApiServer(dispatcher, metrics, monotonic=clock.monotonic)
    await server.start(config)
    return server


async def _compact(store: Store) -> None:
    """Forget old revisions, now and then."""
    policy = CompactionPolicy(await store.revision(), clock.monotonic())
    while True:
        await asyncio.sleep(_COMPACTION_LOOK_S)
        oldest = await store.oldest_revision()
        revision, octets = await store.revision(), await store.history_octets()
        target = policy.plan(revision, oldest, octets, clock.monotonic())
        if target is None:
            continue
        try:
            await store.compact(target)
        except StorageError as error:
            log.warning("compaction to revision %d: %s", target, error)


async def _expire_events(registry: Registry) -> None:
    """Delete Events that nobody has written for an hour."""
    cache, expiry = registry.cacher.cache(EVENTS), EventExpiry()
    while True:
        await asyncio.sleep(_EVENT_EXPIRY_LOOK_S)
        current = {event.key: event for event in cache.below(keys.prefix(EVENTS))}
        revisions = ((key, event.revision) for key, event in current.items())
        for key in expiry.expired(revisions, clock.monotonic()):
            event = current[key]
            options = DeleteOptions(resource_version=str(event.revision))
            try:
                await registry.delete(
                    event.kind, namespace_of(event.object), name_of(event.object), options
                )
            except (StatusError, StorageError) as error:
                log.info("event %s stays for now: %s", key, error)
