"""Whether two runs differ by more than runs of one system differ: a bootstrap over batches.

Neighbouring seconds are alike (a stall lasts), so they are no independent samples. A run is cut
into up to `BATCHES_MAX` batches of consecutive seconds (the method of batch means, as simulation
studies use it); batches are drawn again with replacement, each figure is computed anew from the
drawn ones, and the differences of a thousand such pairs show how far chance alone may carry it. A
difference is more than noise when 99 % of them lie on one side of zero.

Percentiles come from summed histograms here, too, never from averaged percentiles; latencies are
told apart to 1 %.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from loadgen.results import Second
from loadgen.summary import histogram_of

BATCHES_MAX: Final = 40
#: With fewer batches a bootstrap knows too little of how they vary.
BATCHES_MIN: Final = 8
RESAMPLES: Final = 1000
CONFIDENCE: Final = 0.99
#: So many requests must lie above a percentile, in both runs, for it to be more than an anecdote.
ABOVE_MIN: Final = 20
_STEP: Final = math.log(1.01)


class Finding(Enum):
    """What the difference of one figure is."""

    BETTER = "better"
    WORSE = "worse"
    NOISE = "no more than noise"
    UNKNOWN = "cannot be told"


@dataclass(frozen=True, slots=True)
class Batch:
    """Some consecutive seconds: counts, and latencies by bin."""

    seconds: int
    sent: int
    ok: int
    failed: int
    latencies: Mapping[int, int]


def batches(seconds: Sequence[Second]) -> list[Batch]:
    """Cut *seconds* into equally long batches; what is left over at the end is left out."""
    length = max(1, math.ceil(len(seconds) / BATCHES_MAX))
    whole = len(seconds) // length
    return [_batch(seconds[index * length : (index + 1) * length]) for index in range(whole)]


def _batch(seconds: Sequence[Second]) -> Batch:
    latencies: dict[int, int] = {}
    for value_s, count in histogram_of(second.histogram for second in seconds).buckets():
        bin_ = math.ceil(math.log(value_s) / _STEP)
        latencies[bin_] = latencies.get(bin_, 0) + count
    return Batch(
        len(seconds),
        sum(second.sent for second in seconds),
        sum(second.ok for second in seconds),
        sum(second.failed for second in seconds),
        latencies,
    )


class Pool:
    """The batches of one run, laid out so that a drawing of them is summed quickly."""

    def __init__(self, drawn: Sequence[Batch]) -> None:
        self.batches = drawn
        self._bins = sorted({bin_: None for batch in drawn for bin_ in batch.latencies})
        self._columns = [[batch.latencies.get(bin_, 0) for bin_ in self._bins] for batch in drawn]

    @property
    def has_latencies(self) -> bool:
        return bool(self._bins)

    def draw(self, rng: random.Random) -> list[int]:
        """Return the numbers of as many batches as there are, with replacement."""
        return rng.choices(range(len(self.batches)), k=len(self.batches))

    def percentiles(self, drawn: Sequence[int], percents: Sequence[float]) -> list[float]:
        """Return the logarithms of *percents* (ascending) of what was drawn."""
        counts = [sum(column) for column in zip(*(self._columns[i] for i in drawn), strict=True)]
        total, found, seen = sum(counts), [], 0
        wanted = iter(percents)
        percent = next(wanted, None)
        for bin_, count in zip(self._bins, counts, strict=True):
            seen += count
            while percent is not None and seen >= math.ceil(total * percent / 100):
                found.append(bin_ * _STEP)
                percent = next(wanted, None)
        return found

    def failed_share(self, drawn: Sequence[int]) -> float:
        """Return how many of the requests failed."""
        sent = sum(self.batches[index].sent for index in drawn)
        return sum(self.batches[index].failed for index in drawn) / sent if sent else 0.0

    def throughput(self, drawn: Sequence[int]) -> float:
        """Return good answers a second."""
        seconds = sum(self.batches[index].seconds for index in drawn)
        return sum(self.batches[index].ok for index in drawn) / seconds


def compare(
    before: Sequence[Second],
    after: Sequence[Second],
    percentiles: Mapping[str, float],
    rng: random.Random,
    *,
    resamples: int = RESAMPLES,
) -> dict[str, Finding]:
    """Judge `throughput`, `error-rate` and each of *percentiles* (name to percent)."""
    names = ["throughput", "error-rate", *percentiles]
    one, two = Pool(batches(before)), Pool(batches(after))
    if min(len(one.batches), len(two.batches)) < BATCHES_MIN:
        return dict.fromkeys(names, Finding.UNKNOWN)
    answered = min(sum(s.ok for s in before), sum(s.ok for s in after))
    known = {
        name: percent
        for name, percent in percentiles.items()
        if answered * (1 - percent / 100) >= ABOVE_MIN and one.has_latencies and two.has_latencies
    }
    told = ("throughput", "error-rate", *known)
    differences: dict[str, list[float]] = {name: [] for name in told}
    for _ in range(resamples):
        first, second = one.draw(rng), two.draw(rng)
        differences["throughput"].append(one.throughput(first) - two.throughput(second))
        differences["error-rate"].append(two.failed_share(second) - one.failed_share(first))
        pairs = zip(
            one.percentiles(first, list(known.values())),
            two.percentiles(second, list(known.values())),
            strict=True,
        )
        for name, (low, high) in zip(known, pairs, strict=True):
            differences[name].append(high - low)
    found = {name: _finding(values) for name, values in differences.items()}
    return {name: found.get(name, Finding.UNKNOWN) for name in names}


def _finding(differences: Sequence[float]) -> Finding:
    """Return on which side of zero the middle 99 % of *differences* lie; above it is worse."""
    ordered = sorted(differences)
    outside = int(len(ordered) * (1 - CONFIDENCE) / 2)
    if ordered[outside] > 0:
        return Finding.WORSE
    return Finding.BETTER if ordered[-1 - outside] < 0 else Finding.NOISE
