"""The clocks that shells hand to cores.

A core never reads a clock: `now` (seconds, monotonic) is its last positional parameter.
Wall-clock time appears only in objects, as RFC 3339 texts.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable
from datetime import UTC, datetime

#: Seconds since some fixed moment of this machine; never goes back. The same moment for every
#: process of the machine, so that processes may compare what they noted.
Clock = Callable[[], float]

monotonic: Clock = time.monotonic


def wall() -> float:
    """Return seconds since the Unix epoch."""
    return time.time()  # noqa: TID251 - The one place that reads it.


def wall_ns() -> int:
    """Return nanoseconds since the Unix epoch (capture files, container logs)."""
    return time.time_ns()


def rfc3339(seconds: float) -> str:
    """Return metav1.Time's text, for example `2026-01-02T03:04:05Z`."""
    return _rfc3339(math.floor(seconds))


@functools.lru_cache(maxsize=1024)
def _rfc3339(seconds: int) -> str:
    # The same moments are said again and again: when a container started, when a pod was ready.
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def rfc3339_micro(seconds: float) -> str:
    """Return metav1.MicroTime's text, for example `2026-01-02T03:04:05.678901Z`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_rfc3339(text: str) -> float:
    """Return seconds since the Unix epoch; raises ValueError when *text* is no RFC 3339 time."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} names no time zone")
    return moment.timestamp()
