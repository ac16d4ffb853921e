"""An answer that takes the connection over: exec, port-forward, a proxied request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from aiohttp.web import BaseRequest, RequestKey, StreamResponse


@dataclass(frozen=True, slots=True)
class Beginning:
    """Whom a request tells that its answer has begun, and with which status."""

    tell: Callable[[int], None]


BEGINNING: Final = RequestKey("beginning", Beginning)


@dataclass(frozen=True, slots=True)
class Upgrade:
    """*carry* answers by itself; it raises StatusError as long as nothing was answered."""

    carry: Callable[[BaseRequest], Awaitable[StreamResponse]]


def began(http: BaseRequest, status: int = 101) -> None:
    """Say that the answer of *http* begins now."""
    beginning = http.get(BEGINNING)
    if beginning is not None:
        beginning.tell(status)
