"""Calls into the code of containers, whose mistakes are reported as asyncio reports them.

This is the boundary at which a broad `except` is right: whatever a protocol raises must reach
the loop's exception handler, and must not stop the transport that called it half-way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import ParamSpec

P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Fault:
    """What a protocol raised."""

    error: Exception


def call(
    transport: asyncio.BaseTransport | None,
    message: str,
    method: Callable[P, object],
    *args: P.args,
    **kwargs: P.kwargs,
) -> Fault | None:
    """Call a protocol's *method*; report and return what it raises."""
    try:
        method(*args, **kwargs)
    except Exception as error:
        report(message, error, transport)
        return Fault(error)
    return None


def report(message: str, error: Exception, transport: asyncio.BaseTransport | None) -> None:
    """Tell the loop's exception handler."""
    context: dict[str, object] = {"message": message, "exception": error}
    if transport is not None:
        context.update(transport=transport, protocol=transport.get_protocol())
    asyncio.get_running_loop().call_exception_handler(context)
