"""Forwarding databases (IEEE 802.1D): which port last spoke for a MAC.

One for `cni0`, which learns, and one for `flannel.1`, which does not: flannel writes its entries.
Learned entries age out after `lifetime_s`; the table holds `entries_max`, then learns no more (as
a bridge's fdb_max_learned). No VLANs, no spanning tree: the bridge has no loops to break.
"""

from __future__ import annotations

from typing import Final, Generic, TypeVar

PortT = TypeVar("PortT")

ENTRIES_MAX: Final = 4096
LIFETIME_S: Final = 300.0  # Linux's default ageing time.


class Fdb(Generic[PortT]):
    """MAC → port, learned or configured."""

    def __init__(self, *, lifetime_s: float = LIFETIME_S, entries_max: int = ENTRIES_MAX) -> None:
        self._lifetime_s, self._entries_max = lifetime_s, entries_max
        self._ports: dict[bytes, PortT] = {}
        self._seen: dict[bytes, float] = {}  # Learned entries only.

    def learn(self, mac: bytes, port: PortT, now: float) -> bool:
        """Note that *mac* speaks at *port*; return whether it has moved there from another."""
        old = self._ports.get(mac)
        if old is None:
            if len(self._ports) >= self._entries_max:
                return False
        elif mac not in self._seen:
            return False  # Configured: a frame does not overrule the operator.
        self._ports[mac] = port
        self._seen[mac] = now
        return old is not None and old is not port

    def replace(self, mac: bytes, port: PortT) -> None:
        """Configure *mac*; it does not age."""
        self._ports[mac] = port
        self._seen.pop(mac, None)

    def delete(self, mac: bytes) -> bool:
        """Forget *mac*; return whether it was known."""
        self._seen.pop(mac, None)
        return self._ports.pop(mac, None) is not None

    def forget_port(self, port: PortT) -> None:
        """Forget every MAC at *port*."""
        for mac in [mac for mac, at in self._ports.items() if at is port]:
            self.delete(mac)

    def lookup(self, mac: bytes, now: float) -> PortT | None:
        """Return the port of *mac*, None when it is not known (any more)."""
        seen = self._seen.get(mac)
        if seen is not None and now - seen >= self._lifetime_s:
            self.delete(mac)
            return None
        return self._ports.get(mac)

    def expire(self, now: float) -> None:
        """Forget what has not been heard of for a lifetime."""
        for mac, seen in list(self._seen.items()):
            if now - seen >= self._lifetime_s:
                self.delete(mac)

    def __len__(self) -> int:
        return len(self._ports)

    def entries(self) -> list[tuple[bytes, PortT, bool]]:
        """Return (MAC, port, learned) in order of first mention."""
        return [(mac, port, mac in self._seen) for mac, port in self._ports.items()]
