"""What the load of a scenario felt, as its expectations judge it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from loadgen.results import Event


@dataclass(frozen=True, slots=True)
class Outage:
    """From the first failed request to the last: Unix seconds, by when they were sent."""

    began_at: float
    ended_at: float

    @property
    def length_s(self) -> float:
        return self.ended_at - self.began_at


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


def outages(events: Iterable[Event]) -> tuple[Outage, ...]:
    """Return the outages that loadgen noted: each has a first failure and a last one."""
    found: list[Outage] = []
    began_at: float | None = None
    for event in events:
        if event.what == "first-failure":
            began_at = event.at
        elif event.what == "last-failure":
            found.append(Outage(event.at if began_at is None else began_at, event.at))
            began_at = None
    return tuple(found)
