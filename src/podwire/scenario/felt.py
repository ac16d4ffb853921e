"""What the load of a scenario felt, as its expectations judge it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

#: Failures this far apart belong to two outages: a healed cluster serves without any for longer.
OUTAGE_GAP_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Outage:
    """From the first failed request to the last: seconds of the run, by when they were sent."""

    began: float
    ended: float
    failed: int

    @property
    def length_s(self) -> float:
        return self.ended - self.began


@dataclass(frozen=True, slots=True)
class Felt:
    """A load's end."""

    sent: int = 0
    failed: int = 0
    outages: tuple[Outage, ...] = ()
    latency_s: Mapping[str, float] = field(default_factory=dict)

    @property
    def longest_outage_s(self) -> float:
        return max((outage.length_s for outage in self.outages), default=0.0)


def outages(failed_at: Iterable[float]) -> tuple[Outage, ...]:
    """Return the outages that failures at these moments make up."""
    found: list[Outage] = []
    for at in sorted(failed_at):
        if found and at - found[-1].ended <= OUTAGE_GAP_S:
            found[-1] = Outage(found[-1].began, at, found[-1].failed + 1)
        else:
            found.append(Outage(at, at, 1))
    return tuple(found)
