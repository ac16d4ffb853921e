"""Which of a backend's endpoints gets a request: round robin, or the one that a cookie names.

An endpoint that could not be connected to comes after the others for a while, and one that this
request has tried does not come again. Upstream: `round_robin.lua`, `sticky.lua` of ingress-nginx.
"""

from __future__ import annotations

import hashlib
from collections.abc import Container, Sequence
from typing import Final

from ingresscontroller.policy import Affinity
from ingresscontroller.table import Backend, Endpoint

#: For how long an endpoint that failed is asked last.
SHUNNED_S: Final = 5.0
#: Of each kind; when there are more, all are forgotten: it is a matter of fairness only.
REMEMBERED_MAX: Final = 10_000


class Balancer:
    """Remembers whose turn it is, and who has failed."""

    def __init__(self) -> None:
        self._turns: dict[Backend, int] = {}
        self._failed: dict[Endpoint, float] = {}

    def choose(
        self,
        backend: Backend,
        endpoints: Sequence[Endpoint],
        tried: Container[Endpoint],
        cookie: str,
        now: float,
    ) -> Endpoint | None:
        """Return the next endpoint, or the one of *cookie*; None when all were tried."""
        if cookie:
            for each in endpoints:
                if each not in tried and cookie_for(each) == cookie:
                    return each
        if len(self._turns) >= REMEMBERED_MAX:
            self._turns.clear()
        turn = self._turns.get(backend, 0)
        self._turns[backend] = turn + 1
        last_resort = None
        for number in range(len(endpoints)):
            each = endpoints[(turn + number) % len(endpoints)]
            if each in tried:
                continue
            if not self._failed or not self._is_shunned(each, now):
                return each
            last_resort = last_resort or each
        return last_resort

    def failed(self, endpoint: Endpoint, now: float) -> None:
        """Ask *endpoint* last for a while."""
        if len(self._failed) >= REMEMBERED_MAX:
            self._failed.clear()
        self._failed[endpoint] = now + SHUNNED_S

    def remembered(self) -> tuple[int, int]:
        """Return how many backends and failed endpoints are remembered."""
        return len(self._turns), len(self._failed)

    def _is_shunned(self, endpoint: Endpoint, now: float) -> bool:
        until = self._failed.get(endpoint)
        if until is None:
            return False
        if until <= now:
            del self._failed[endpoint]
            return False
        return True


def cookie_for(endpoint: Endpoint) -> str:
    """Return the cookie's value for *endpoint*: it tells nobody the address."""
    return hashlib.sha256(f"{endpoint[0]}|{endpoint[1]}".encode()).hexdigest()[:32]


def set_cookie(affinity: Affinity, endpoint: Endpoint, *, secure: bool) -> bytes:
    """Return the Set-Cookie field that leads back to *endpoint*."""
    parts = [f"{affinity.name}={cookie_for(endpoint)}"]
    if affinity.max_age_s is not None:
        parts.append(f"Max-Age={affinity.max_age_s}")
    parts.append(f"Path={affinity.path}")
    if secure if affinity.secure is None else affinity.secure:
        parts.append("Secure")
    parts.append("HttpOnly")
    if affinity.same_site:
        parts.append(f"SameSite={affinity.same_site}")
    return f"Set-Cookie: {'; '.join(parts)}\r\n".encode()
