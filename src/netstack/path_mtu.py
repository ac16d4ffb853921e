"""What is known of path MTUs (RFC 1191, RFC 8201), after Linux's next-hop exceptions."""

from __future__ import annotations

from typing import Final

#: net.ipv4.route.min_pmtu: a router that claims less is not believed.
PATH_MTU_MIN: Final = 552
#: net.ipv4.route.mtu_expires.
EXPIRES_S: Final = 600.0
#: Destinations remembered; the oldest is forgotten.
DESTINATIONS_MAX: Final = 1024


class PathMtu:
    """The MTU towards each destination where it is less than the interface's."""

    def __init__(self, mtu: int) -> None:
        #: The interface's.
        self.mtu = mtu
        self._known: dict[bytes, tuple[int, float]] = {}

    def towards(self, destination: bytes, now: float) -> int:
        if not self._known:
            return self.mtu
        mtu, expires_at = self._known.get(destination, (self.mtu, now))
        if now >= expires_at:
            self._known.pop(destination, None)
            return self.mtu
        return mtu

    def lower(self, destination: bytes, claimed: int, now: float) -> int:
        """Believe a router's *claimed* MTU as far as it is sane; return what holds now."""
        current = self.towards(destination, now)
        mtu = max(claimed, PATH_MTU_MIN)
        if mtu < current:
            if len(self._known) >= DESTINATIONS_MAX:
                del self._known[next(iter(self._known))]
            self._known.pop(destination, None)
            self._known[destination] = (mtu, now + EXPIRES_S)
            return mtu
        return current
