"""When a protocol must stop writing: asyncio's write limits (its `_FlowControlMixin`)."""

from __future__ import annotations

import asyncio
from typing import Final

from podruntime.sandbox.protocols import call

_HIGH_WATER: Final = 64 * 1024


class WriteFlow:
    """Counts what waits to be sent, and pauses and resumes the transport's protocol."""

    def __init__(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self.octets = 0
        self.low_water, self.high_water = _HIGH_WATER // 4, _HIGH_WATER
        self._paused = False

    def set_limits(self, high: int | None, low: int | None) -> None:
        """Set the marks; raises ValueError as asyncio words it."""
        if high is None:
            high = _HIGH_WATER if low is None else 4 * low
        low = high // 4 if low is None else low
        if not high >= low >= 0:
            raise ValueError(f"high ({high!r}) must be >= low ({low!r}) must be >= 0")
        self.low_water, self.high_water = low, high
        self._maybe_pause()

    def grow(self, octets: int) -> None:
        """Note that more waits."""
        self.octets += octets
        self._maybe_pause()

    def shrink(self, octets: int) -> None:
        """Note that some was sent."""
        self.octets -= octets
        if self._paused and self.octets <= self.low_water:
            self._paused = False
            resume = self._transport.get_protocol().resume_writing
            call(self._transport, "protocol.resume_writing() failed", resume)

    def _maybe_pause(self) -> None:
        if self.octets > self.high_water and not self._paused:
            self._paused = True
            pause = self._transport.get_protocol().pause_writing
            call(self._transport, "protocol.pause_writing() failed", pause)
