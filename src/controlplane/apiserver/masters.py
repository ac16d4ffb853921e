"""Which API servers are alive, as the store's leases say (upstream: reconcilers.Leases).

Each server keeps a key with its address under a lease of the store. One that is killed stops
renewing, and its key goes with the lease. Who is alive also says who does what one server is
enough for (compaction, forgetting Events, repairing claims): the first in order of addresses.
Unlike a leader's, that is no promise: for the time of a lease two may think so, and what they do
must bear it. (Upstream lets every server do these things, or race for a key each time.)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from typing import Final

from componentbase.timings import Timings
from controlplane.apiserver import keys
from controlplane.storage.interface import Event, KeyValue

#: etcd's leases last two seconds at least; a server that is merely busy must not be given up.
_TTL_MIN_S: Final = 3
#: Upstream renews a lease of 15 s every 10 s.
RENEW_SHARE: Final = 2 / 3


def lease_ttl_s(timings: Timings) -> int:
    """Return how long a server that says nothing counts as alive (upstream: 15 s)."""
    return max(_TTL_MIN_S, math.ceil(timings.leader_lease_s))


def key(address: str) -> str:
    return keys.MASTER_LEASES + address


class Masters:
    """The addresses in the store, in order; *on_change* is called when they change."""

    def __init__(self, own: str) -> None:
        self.own = own
        self.addresses: list[str] = []
        self.on_change: Callable[[], None] | None = None

    @property
    def is_first(self) -> bool:
        """Tell whether this server does what one is enough for."""
        return self.addresses[:1] == [self.own]

    def load(self, items: Sequence[KeyValue]) -> None:
        """See cacher.Follower."""
        self._set([held.key for held in items])

    def apply(self, event: Event) -> None:
        """See cacher.Follower."""
        others = [key(address) for address in self.addresses if key(address) != event.key]
        self._set(others if event.current is None else [*others, event.key])

    def _set(self, found: Sequence[str]) -> None:
        texts = [item.removeprefix(keys.MASTER_LEASES) for item in found]
        addresses = sorted(filter(_is_address, texts), key=_order)
        if addresses == self.addresses:
            return
        self.addresses = addresses
        if self.on_change is not None:
            self.on_change()


def _order(text: str) -> tuple[int, int]:
    address = ip_address(text)
    return address.version, int(address)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
