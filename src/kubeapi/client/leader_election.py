"""Who leads, by a Lease that the leader keeps renewing (client-go: tools/leaderelection).

`Candidate` decides and knows no I/O; `LeaderElector` asks and writes. As upstream, nobody
compares clocks of two machines: a lease is free when it did not change for its duration *as this
candidate saw it*.

An identity is `name_uid` as upstream's `hostname_uuid`: unique to a process. Unlike upstream, a
candidate that does not lead yet takes the lease of an earlier process of its *name* at once: our
supervisor starts a process only when the former one of that name has ended, and a restart that
a person watches must not wait for a dead process's lease. Should two of one name live all the
same, the newer leads and the older ends as soon as it sees that: a leader takes nothing back.
"""

from __future__ import annotations

import asyncio
import logging
import random
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from componentbase import clock
from componentbase.tasks import Tasks
from componentbase.timings import Timings
from kubeapi.client.backoff import Backoff
from kubeapi.client.errors import Unreachable
from kubeapi.client.metrics import LEADING
from kubeapi.client.rest import RestClient
from kubeapi.objects import Object
from kubeapi.resources import LEASES
from kubeapi.status import StatusError, is_not_found

log = logging.getLogger(__name__)

#: Candidates spread their attempts: each waits up to this many times the retry period.
JITTER_FACTOR: Final = 1.2
#: However fast a cluster's other timers run, its leaders' leases last at least this long.
LEASE_MIN_S: Final = 9.0
#: A server that never answered yet is asked so soon again: it starts beside this process, and a
#: whole retry period would be what `podwire up` waits for (upstream waits for /healthz first).
_UNHEARD_RETRY_S: Final = 0.025


class LeadershipLost(Exception):
    """The lease could not be renewed in time: this process must stop leading, and ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseDurations:
    """Upstream's --leader-elect-lease-duration, -renew-deadline and -retry-period."""

    lease_s: float
    renew_deadline_s: float
    retry_s: float

    def __post_init__(self) -> None:
        assert self.lease_s > self.renew_deadline_s > self.retry_s * JITTER_FACTOR > 0

    @classmethod
    def from_timings(cls, timings: Timings) -> LeaseDurations:
        """Return the durations of *timings*, slowed down together to LEASE_MIN_S.

        A machine that is busy for a second because it starts a hundred pods must not cost the
        lead: with the lab's timers a leader would have one second to renew.
        """
        slower = max(1.0, LEASE_MIN_S / timings.leader_lease_s)
        return cls(
            lease_s=timings.leader_lease_s * slower,
            renew_deadline_s=timings.leader_renew_deadline_s * slower,
            retry_s=timings.leader_retry_s * slower,
        )


class Candidate:
    """What one candidate saw of the lease, and what it may do about it."""

    def __init__(self, name: str, uid: str, durations: LeaseDurations) -> None:
        self._name, self._durations = name, durations
        self.identity = f"{name}_{uid}"
        self._seen: Object | None = None
        self._seen_at = 0.0
        self._renewed_at: float | None = None

    def observe(self, spec: Object, now: float) -> None:
        """Note the lease's spec as the server has it."""
        if spec != self._seen:
            self._seen, self._seen_at = spec, now

    def may_hold(self, now: float) -> bool:
        """Tell whether this candidate may write itself into the lease it saw."""
        if self._seen is None:
            return True
        holder = self._seen.get("holderIdentity")
        if not holder or holder == self.identity:
            return True
        if self._renewed_at is None and holder.rpartition("_")[0] == self._name:
            return True  # An earlier process of this name; it has ended, or will.
        return now >= self._seen_at + float(
            self._seen.get("leaseDurationSeconds") or self._durations.lease_s
        )

    def next_spec(self, at: str) -> Object:
        """Return the spec to write, *at* being the wall clock's MicroTime."""
        seen = self._seen or {}
        ours = seen.get("holderIdentity") == self.identity
        transitions = int(seen.get("leaseTransitions") or 0)
        return {
            "holderIdentity": self.identity,
            # A Lease counts whole seconds; upstream's own flags are rounded so, too.
            "leaseDurationSeconds": max(1, round(self._durations.lease_s)),
            "acquireTime": (seen.get("acquireTime") or at) if ours else at,
            "renewTime": at,
            "leaseTransitions": transitions if ours or not seen else transitions + 1,
        }

    def wrote(self, spec: Object, now: float) -> None:
        """Note that the server took *spec*."""
        self.observe(spec, now)
        self._renewed_at = now

    def has_lost(self, now: float) -> bool:
        """Tell whether a leader has failed to renew for too long, or saw another in its place."""
        assert self._renewed_at is not None
        assert self._seen is not None
        if self._seen.get("holderIdentity") != self.identity:
            return True
        return now >= self._renewed_at + self._durations.renew_deadline_s


class LeaderElector:
    """Takes part in the election for one Lease."""

    def __init__(
        self,
        client: RestClient,
        *,
        namespace: str,
        name: str,
        process: str,
        durations: LeaseDurations,
        rng: random.Random,
    ) -> None:
        """Make a candidate for *name* that is the process called *process*."""
        self._client, self._namespace, self._name = client, namespace, name
        self._durations, self._rng = durations, rng
        uid = uuid.UUID(int=rng.getrandbits(128), version=4)
        self._candidate = Candidate(process, str(uid), durations)
        self._lease: Object = {
            "apiVersion": LEASES.api_version,
            "kind": LEASES.kind,
            "metadata": {"name": name, "namespace": namespace},
        }
        self._exists = False
        self._heard = False  # The server has answered, whatever it was.
        self._unheard = Backoff(
            initial_s=min(_UNHEARD_RETRY_S, durations.retry_s), max_s=durations.retry_s, rng=rng
        )

    def problem(self, now: float) -> str:
        """Say that a lead was not renewed in time; "" for all others (HealthzAdaptor)."""
        if not LEADING.get((self._name,)) or not self._candidate.has_lost(now):
            return ""
        return f"failed election to renew leadership on lease {self._name}"

    async def run(self, lead: Callable[[], Awaitable[None]]) -> None:
        """Wait to become the leader, then run *lead*; raises LeadershipLost when it is over."""
        LEADING[self._name,] = 0
        while not await self._try():
            await self._pause()
        LEADING[self._name,] = 1
        log.info("leading %s/%s", self._namespace, self._name)
        tasks = Tasks()
        try:
            tasks.spawn(_run(lead), name="leader", essential=True)
            tasks.spawn(self._renew(), name="renew lease", essential=True)
            await tasks.wait()
        finally:
            LEADING[self._name,] = 0
            await tasks.close()

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self._durations.retry_s)
            if not await self._try() and self._candidate.has_lost(clock.monotonic()):
                raise LeadershipLost(f"{self._namespace}/{self._name} is held no longer")

    async def _pause(self) -> None:
        if not self._heard:
            await asyncio.sleep(self._unheard.failed())
            return
        retry_s = self._durations.retry_s
        await asyncio.sleep(self._rng.uniform(retry_s, retry_s * JITTER_FACTOR))

    async def _try(self) -> bool:
        """Acquire or renew the lease; tell whether it is ours now."""
        try:
            async with asyncio.timeout(self._durations.renew_deadline_s):
                is_ours = await self._acquire_or_renew()
        except (StatusError, Unreachable, TimeoutError) as error:
            self._heard = self._heard or isinstance(error, StatusError)
            log.info("lease %s/%s: %s", self._namespace, self._name, error)
            self._exists = False  # Look before the next write.
            return False
        self._heard = True
        return is_ours

    async def _acquire_or_renew(self) -> bool:
        if not self._exists:
            await self._look()
        if not self._candidate.may_hold(clock.monotonic()):
            self._exists = False
            return False
        started = clock.monotonic()
        spec = self._candidate.next_spec(clock.rfc3339_micro(clock.wall()))
        wanted = {**self._lease, "spec": spec}
        if self._exists:
            self._lease = await self._client.update(LEASES, wanted)
        else:
            self._lease = await self._client.create(LEASES, wanted)
            self._exists = True
        # The lease counts from before the write: others may have seen it that early.
        self._candidate.wrote(self._lease["spec"], started)
        return True

    async def _look(self) -> None:
        try:
            self._lease = await self._client.get(LEASES, self._name, self._namespace)
        except StatusError as error:
            if not is_not_found(error):
                raise
            self._lease = {**self._lease, "metadata": _identity_of(self._lease)}
        else:
            self._exists = True
            self._candidate.observe(self._lease.get("spec") or {}, clock.monotonic())


async def _run(lead: Callable[[], Awaitable[None]]) -> None:
    await lead()


def _identity_of(lease: Object) -> Object:
    """Return the metadata without what the server added: for a create."""
    return {"name": lease["metadata"]["name"], "namespace": lease["metadata"]["namespace"]}
