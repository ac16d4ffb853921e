"""A run in stages, as a file tells it: one stage a line, `DURATION RATE [ARRIVAL]`.

    30s  100              # constant: evenly spaced
    10s  500  ramp        # rises or falls evenly, from the rate before it (at first from 0)
    1m   500  poisson     # as independent users come
    20s  0    poisson-ramp

An arrival is that of k6's executors: `ramp` is its ramping-arrival-rate.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

from loadgen.quantity import parse_duration

STAGES_MAX: Final = 1000
OCTETS_MAX: Final = 1 << 20


class Arrival(Enum):
    """How the intended moments lie."""

    CONSTANT = "constant"
    POISSON = "poisson"
    RAMP = "ramp"
    POISSON_RAMP = "poisson-ramp"

    @property
    def is_ramp(self) -> bool:
        return self in (Arrival.RAMP, Arrival.POISSON_RAMP)

    @property
    def is_random(self) -> bool:
        return self in (Arrival.POISSON, Arrival.POISSON_RAMP)


class StageError(ValueError):
    """The file tells no stages; the message names the line."""


@dataclass(frozen=True, slots=True)
class Stage:
    """So long, from one rate to another."""

    duration_s: float
    rate: float
    rate_end: float
    arrival: Arrival

    @property
    def requests(self) -> float:
        """Return how many requests are to be expected."""
        return self.duration_s * (self.rate + self.rate_end) / 2


def read_stages(path: Path) -> tuple[Stage, ...]:
    """Read a file; raises StageError."""
    try:
        with path.open("rb") as file:
            octets = file.read(OCTETS_MAX + 1)
        text = octets.decode()
    except OSError as error:
        raise StageError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise StageError(f"{path} is no text") from None
    if len(octets) > OCTETS_MAX:
        raise StageError(f"{path}: more than {OCTETS_MAX} octets")
    try:
        return parse_stages(text)
    except StageError as error:
        raise StageError(f"{path}: {error}") from None


def parse_stages(text: str) -> tuple[Stage, ...]:
    """Return the stages of *text*; raises StageError."""
    stages: list[Stage] = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        if len(stages) == STAGES_MAX:
            raise StageError(f"line {number}: more than {STAGES_MAX} stages")
        try:
            stages.append(_stage(words, stages[-1].rate_end if stages else 0.0))
        except ValueError as error:
            raise StageError(f"line {number}: {error}") from None
    if not stages:
        raise StageError("there is no stage; write lines of DURATION RATE [ARRIVAL]")
    return tuple(stages)


def _stage(words: list[str], rate_before: float) -> Stage:
    if not 2 <= len(words) <= 3:
        raise ValueError("a stage is DURATION RATE [ARRIVAL], for example 30s 100 poisson")
    try:
        rate = float(words[1])
    except ValueError:
        raise ValueError(f"{words[1]!r} is no rate; write requests a second") from None
    try:
        arrival = Arrival(words[2]) if len(words) == 3 else Arrival.CONSTANT
    except ValueError:
        known = ", ".join(known.value for known in Arrival)
        raise ValueError(f"{words[2]!r} is no arrival; there are {known}") from None
    duration_s = parse_duration(words[0])
    if duration_s <= 0:
        raise ValueError("a stage lasts longer than nothing")
    return Stage(duration_s, rate_before if arrival.is_ramp else rate, rate, arrival)
