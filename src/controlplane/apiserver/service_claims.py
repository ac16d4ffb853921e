"""Numbers for a Service, claimed in the store; see `claims` for why and how."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from componentbase.clock import Clock
from controlplane.apiserver import claims, keys
from controlplane.apiserver.cacher import Cacher
from controlplane.apiserver.claims import ClaimRepair, Claims, encode_claim
from controlplane.apiserver.kinds.service_allocation import ServiceAllocator
from controlplane.storage.interface import Delete, Put, StorageError, Store
from kubeapi.objects import Object, deep_copy, key_of
from kubeapi.resources import SERVICES
from kubeapi.status import Cause, service_unavailable

log = logging.getLogger(__name__)

#: How often numbers are chosen anew because another server was faster.
_ATTEMPTS_MAX: Final = 8


@dataclass(slots=True)
class Allocation:
    """What one request got: *causes* why it got nothing, or the claims it may have to undo."""

    new: Object
    old: Object | None
    causes: list[Cause] = field(default_factory=list)
    made: dict[str, int] = field(default_factory=dict)  # Name to revision.


class ServiceClaims:
    """The allocator of Services that several API servers share."""

    def __init__(
        self,
        store: Store,
        cacher: Cacher,
        allocator: ServiceAllocator,
        seen: Claims,
        *,
        rng: random.Random,
        clock: Clock,
    ) -> None:
        self._store, self._cacher, self._allocator = store, cacher, allocator
        self._seen, self._rng, self._clock = seen, rng, clock
        self._repair = ClaimRepair()

    async def allocate(self, new: Object, old: Object | None, *, dry_run: bool) -> Allocation:
        """Fill in what *new* lacks and claim it, to be followed by `end`; a dry run only looks."""
        asked, began = deep_copy(new), self._clock()
        for _ in range(_ATTEMPTS_MAX):
            allocation = Allocation(new, old, self._allocator.assign(new, old))
            if allocation.causes or dry_run:
                return allocation
            if await self._claim_all(allocation) and self._clock() - began <= claims.HOLD_MAX_S:
                return allocation
            self.end(allocation)
            await self.abandon(allocation)
            new.clear()
            new.update(deep_copy(asked))
        raise service_unavailable("the numbers of this Service could not be claimed: try again")

    async def _claim_all(self, allocation: Allocation) -> bool:
        held = set(self._allocator.held(allocation.old)) if allocation.old else set()
        names = [name for name in self._allocator.held(allocation.new) if name not in held]
        answered = False
        try:
            claimed = await asyncio.gather(*(self._claim(allocation, name) for name in names))
            answered = True
        finally:
            if not answered:  # What was claimed by then is repaired.
                self.end(allocation)
        return all(claimed)

    async def _claim(self, allocation: Allocation, name: str) -> bool:
        owner = key_of(allocation.new)
        put = self._put(name, owner)
        result = await self._store.txn(put)
        if result.succeeded:
            allocation.made[name] = result.revision
            return True
        found = result.current
        if found is not None and claims.owner_of(found) == owner:
            # Left over from a server that died, or made by one that writes the same Service now:
            # ours, but not ours to free.
            return (await self._store.txn(Put(put.key, put.value, found.mod_revision))).succeeded
        # Learn of what was in the way, so that it is not asked for again.
        await self._cacher.catch_up(result.revision)
        return False

    def _put(self, name: str, owner: str) -> Put:
        value = encode_claim(owner, f"{self._rng.getrandbits(64):x}")
        return Put(claims.key(name), value, 0)

    async def abandon(self, allocation: Allocation) -> None:
        """Free what was claimed for a Service that is certainly not written."""
        await self._free(allocation.made)

    def end(self, allocation: Allocation) -> None:
        """The request is over: claims, or nothing, stand for its numbers."""
        self._allocator.release(allocation.new, keep=allocation.old)

    def claims_of(self, service: Object) -> dict[str, int]:
        """Return the claims that stand for *service* now; ask before it is written anew.

        Later the same numbers may be claimed again, for a Service of the same name.
        """
        seen = self._seen.revisions
        return {name: seen[name] for name in self._allocator.held(service) if name in seen}

    async def release(self, stood: dict[str, int], *, keep: Object | None = None) -> None:
        """Free the claims that *stood*, except those of *keep*, which has been written."""
        kept = set(self._allocator.held(keep)) if keep else set()
        await self._free({name: at for name, at in stood.items() if name not in kept})

    async def _free(self, revisions: dict[str, int]) -> None:
        deletions = [Delete(claims.key(name), revision) for name, revision in revisions.items()]
        try:
            await asyncio.gather(*map(self._store.txn, deletions))
        except StorageError as error:
            log.warning("claims %s stay until they are repaired: %s", list(revisions), error)

    async def repair(self, *, may_free: bool = False) -> None:
        """Claim what is held, and if asked to, free what leaked; raises StorageError."""
        await self._cacher.wait_until_fresh()
        held: dict[str, str] = {}
        for stored in self._cacher.cache(SERVICES).below(keys.prefix(SERVICES)):
            self._note_held(held, stored.object)
        plan = self._repair.plan(held, self._seen.revisions, self._clock())
        await self._claim_missing(plan.missing.items())
        if may_free and plan.leaked:
            log.warning("no Service holds what is claimed: %s; freed", ", ".join(plan.leaked))
            await self._free(dict(plan.leaked))

    def _note_held(self, held: dict[str, str], service: Object) -> None:
        owner = key_of(service)
        for name in self._allocator.held(service):
            if name in held:
                log.error("Services %s and %s both hold %s", held[name], owner, name)
            held.setdefault(name, owner)

    async def _claim_missing(self, missing: Iterable[tuple[str, str]]) -> None:
        puts = [self._put(name, owner) for name, owner in missing]
        await asyncio.gather(*map(self._store.txn, puts))
