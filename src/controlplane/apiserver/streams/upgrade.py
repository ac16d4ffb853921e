"""An answer that takes the connection over: exec, port-forward, a proxied request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp.web import BaseRequest, StreamResponse


@dataclass(frozen=True, slots=True)
class Upgrade:
    """*carry* answers by itself; it raises StatusError as long as nothing was answered."""

    carry: Callable[[BaseRequest], Awaitable[StreamResponse]]
