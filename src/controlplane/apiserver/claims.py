"""Who holds which number of a Service, in the store: so that no two API servers give one twice.

Each cluster IP and each node port is claimed by a key of its own, created before the Service is
written and deleted after it is gone. Only one server's create can succeed, whatever the others
believe. (Upstream has the same for addresses since 1.33: IPAddress objects; for node ports it
writes one RangeAllocation object under /registry/ranges, which every server's write contends for.)

A server may die between claim and Service, and between Service and its deletion's end.
`ClaimRepair` finds both (upstream: ipallocator's and portallocator's repair loops): what a Service
holds unclaimed is claimed, and a claim that no Service holds is freed when it has been like that
for longer than any request may take.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from componentbase.decoding import UNREADABLE
from controlplane.apiserver import keys
from controlplane.apiserver.kinds.service_allocation import ServiceAllocator
from controlplane.storage.interface import Event, KeyValue

#: A request that has claimed must write its Service within this, or let the claim go.
HOLD_MAX_S: Final = 20.0
#: How long a claim without a Service is left alone; longer than any request may hold one.
LEAKED_AFTER_S: Final = 3 * HOLD_MAX_S


class _Claim(msgspec.Struct):
    """What the key of a claim holds: readable with etcdctl."""

    service: str  # NAMESPACE/NAME
    request: str  # So that no two requests ever write the same.


def encode_claim(owner: str, request: str) -> bytes:
    return msgspec.json.encode(_Claim(owner, request))


def owner_of(held: KeyValue) -> str:
    """Return whose claim *held* is; empty when it says nothing that we understand."""
    try:
        return msgspec.json.decode(held.value, type=_Claim).service
    except UNREADABLE:
        return ""


def key(name: str) -> str:
    """Return where the claim to the number of that name lies."""
    return keys.RANGES + name


class Claims:
    """The claims in the store, as the cacher's watch tells of them; the allocator is told, too."""

    def __init__(self, allocator: ServiceAllocator) -> None:
        self._allocator = allocator
        self.revisions: dict[str, int] = {}  # By name: where it was written.

    def load(self, items: Sequence[KeyValue]) -> None:
        """See cacher.Follower."""
        for name in list(self.revisions):
            self._forget(name)
        for held in items:
            self._note(held)

    def apply(self, event: Event) -> None:
        """See cacher.Follower."""
        if event.current is None:
            self._forget(event.key.removeprefix(keys.RANGES))
        else:
            self._note(event.current)

    def _note(self, held: KeyValue) -> None:
        name = held.key.removeprefix(keys.RANGES)
        try:
            self._allocator.claim(name, owner_of(held))
        except ValueError:
            return  # Not the name of a number: nobody of us wrote it.
        self.revisions[name] = held.mod_revision

    def _forget(self, name: str) -> None:
        if self.revisions.pop(name, None) is not None:
            self._allocator.unclaim(name)


@dataclass(frozen=True, slots=True)
class Repair:
    """What to claim, by name, for which owner; and which claims to free, as they were written."""

    missing: Mapping[str, str]
    leaked: Mapping[str, int]


class ClaimRepair:
    """Compares claims with Services, look by look."""

    def __init__(self, leaked_after_s: float = LEAKED_AFTER_S) -> None:
        self._leaked_after_s = leaked_after_s
        self._unheld: dict[str, tuple[int, float]] = {}  # The claim's revision, and since when.

    def plan(self, held: Mapping[str, str], claims: Mapping[str, int], now: float) -> Repair:
        """Compare the numbers that Services hold, and who, with *claims* and their revisions."""
        missing = {name: owner for name, owner in held.items() if name not in claims}
        unheld: dict[str, tuple[int, float]] = {}
        for name, revision in claims.items():
            if name in held:
                continue
            known = self._unheld.get(name)
            unheld[name] = known if known and known[0] == revision else (revision, now)
        self._unheld = unheld
        leaked = {
            name: revision
            for name, (revision, since) in unheld.items()
            if now - since >= self._leaked_after_s
        }
        return Repair(missing, leaked)
