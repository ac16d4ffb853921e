"""When leases end: what is granted, for how long, and until when (etcd: server/lease/lessor.go).

Like etcd, a store that was restarted gives every lease its whole time again: nobody could keep
one alive meanwhile. A lease that is due stays here, dead to everyone, until its keys are deleted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from controlplane.storage.interface import LeaseNotFound


@dataclass(slots=True)
class _Lease:
    ttl_s: int
    expires_at: float


class Leases:
    """The leases of a store."""

    def __init__(self) -> None:
        self._leases: dict[int, _Lease] = {}

    def grant(self, lease: int, ttl_s: int, now: float) -> None:
        """Let *lease* live until *now* plus *ttl_s*."""
        assert lease not in self._leases
        assert ttl_s > 0
        self._leases[lease] = _Lease(ttl_s, now + ttl_s)

    def check(self, lease: int, now: float) -> None:
        """Raise LeaseNotFound unless *lease* lives."""
        self._living(lease, now)

    def _living(self, lease: int, now: float) -> _Lease:
        held = self._leases.get(lease)
        if held is None or held.expires_at <= now:
            raise LeaseNotFound(lease)
        return held

    def keep_alive(self, lease: int, now: float) -> None:
        """Renew *lease*; raises LeaseNotFound."""
        held = self._living(lease, now)
        held.expires_at = now + held.ttl_s

    def revoke(self, lease: int, now: float) -> None:
        """Make *lease* due; raises LeaseNotFound."""
        self._living(lease, now).expires_at = -math.inf

    def forget(self, lease: int) -> None:
        """Take note that the keys of *lease*, which was due, are gone."""
        self._leases.pop(lease, None)

    def due(self, now: float) -> list[int]:
        """Return the leases whose time is over and whose keys may still be there."""
        return [lease for lease, held in self._leases.items() if held.expires_at <= now]

    def deadline(self) -> float | None:
        """Return when the next lease is due."""
        return min((held.expires_at for held in self._leases.values()), default=None)
