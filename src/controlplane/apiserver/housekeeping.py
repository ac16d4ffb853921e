"""What is done now and then, by one of the API servers: see `masters` for which.

Each look is taken by every server, so that another can take over with what it has seen; only the
first of them acts. That two act at once for a moment does no harm: what is deleted is deleted at
the revision that was seen, and a compaction that came second finds its revision forgotten.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from componentbase import clock
from controlplane.apiserver import keys
from controlplane.apiserver.event_expiry import EventExpiry
from controlplane.apiserver.masters import Masters
from controlplane.apiserver.registry.options import DeleteOptions
from controlplane.apiserver.registry.registry import Registry
from controlplane.apiserver.service_claims import ServiceClaims
from controlplane.storage.compaction import CompactionPolicy
from controlplane.storage.interface import Compacted, StorageError, Store
from kubeapi.objects import name_of, namespace_of
from kubeapi.resources import EVENTS
from kubeapi.status import StatusError

log = logging.getLogger(__name__)

_COMPACTION_LOOK_S: Final = 2.0
#: Less than so many revisions are forgotten at most once in so long (upstream: five minutes).
_COMPACTION_REVISIONS: Final = 1_000
_COMPACTION_S: Final = 60.0
_EVENT_EXPIRY_LOOK_S: Final = 60.0
#: Upstream: three minutes.
_REPAIR_LOOK_S: Final = 10.0


async def compact(store: Store, masters: Masters) -> None:
    """Forget old revisions."""
    policy: CompactionPolicy | None = None
    compacted_at = clock.monotonic()
    while True:
        try:
            if policy is None:
                policy = CompactionPolicy(await store.revision(), clock.monotonic())
            if await _compact_once(store, masters, policy, compacted_at):
                compacted_at = clock.monotonic()
        except Compacted:
            pass  # Another server was first.
        except StorageError as error:
            log.debug("no compaction for now: %s", error)  # The store's health is told apart.
        await asyncio.sleep(_COMPACTION_LOOK_S)


async def _compact_once(
    store: Store, masters: Masters, policy: CompactionPolicy, last_at: float
) -> bool:
    oldest = await store.oldest_revision()
    revision, octets = await store.revision(), await store.history_octets()
    target = policy.plan(revision, oldest, octets, clock.monotonic())
    if target is None or not masters.is_first:
        return False
    if target - oldest < _COMPACTION_REVISIONS and clock.monotonic() - last_at < _COMPACTION_S:
        return False
    await store.compact(target)
    return True


async def expire_events(registry: Registry, masters: Masters) -> None:
    """Delete Events that nobody has written for an hour."""
    cache, expiry = registry.cacher.cache(EVENTS), EventExpiry()
    while True:
        await asyncio.sleep(_EVENT_EXPIRY_LOOK_S)
        current = {event.key: event for event in cache.below(keys.prefix(EVENTS))}
        revisions = ((key, event.revision) for key, event in current.items())
        expired = expiry.expired(revisions, clock.monotonic())
        for key in expired if masters.is_first else ():
            event = current[key]
            options = DeleteOptions(resource_version=str(event.revision))
            try:
                await registry.delete(
                    event.kind, namespace_of(event.object), name_of(event.object), options
                )
            except (StatusError, StorageError) as error:
                log.info("event %s stays for now: %s", key, error)


async def repair_claims(services: ServiceClaims, masters: Masters) -> None:
    """Bring the claims to numbers and the Services together again."""
    while True:
        await asyncio.sleep(_REPAIR_LOOK_S)
        try:
            await services.repair(may_free=masters.is_first)
        except StorageError as error:
            log.debug("claims are not repaired for now: %s", error)
