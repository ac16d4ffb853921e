"""An HdrHistogram of microseconds with three digits, quick to record into.

Same buckets as Tene's: 2048 of one microsecond, then 1024 for every further power of two, so no
value is off by more than 1/1024. Only buckets in use are kept, in a dict, since a run has one
histogram for every second. The text form is HdrHistogram's V2 compressed encoding in base64, which
other tools read; the library that knows it encodes and decodes.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable
from typing import Final

from hdrh.codec import HdrCookieException, HdrHistogramSettingsException, HdrLengthException
from hdrh.histogram import HdrHistogram

_MICROSECOND: Final = 1e6
_DAY_US: Final = 86_400 * 1_000_000
_SIGNIFICANT_DIGITS: Final = 3
_SUB_BUCKET_BITS: Final = 11  # 2048 is the power of two that three digits need.
_HALF_BITS: Final = _SUB_BUCKET_BITS - 1
_HALF: Final = 1 << _HALF_BITS
#: What the library raises for a text that is none of its own.
_UNREADABLE: Final = (
    HdrCookieException,
    HdrHistogramSettingsException,
    HdrLengthException,
    IndexError,
    TypeError,
    ValueError,
    zlib.error,
)


class Histogram:
    """Latencies, counted by bucket."""

    __slots__ = ("_counts", "_max_us", "count")

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}
        self._max_us = 0
        self.count = 0

    def record(self, seconds: float) -> None:
        """Count one latency; what is below 1 µs or above a day counts as that."""
        value = min(max(int(seconds * _MICROSECOND + 0.5), 1), _DAY_US)
        index = _index(value)
        counts = self._counts
        counts[index] = counts.get(index, 0) + 1
        self.count += 1
        if value > self._max_us:
            self._max_us = value

    def add(self, other: Histogram) -> None:
        """Count everything that *other* has counted."""
        for index, count in other._counts.items():
            self._counts[index] = self._counts.get(index, 0) + count
        self.count += other.count
        self._max_us = max(self._max_us, other._max_us)

    def percentiles(self, percents: Iterable[float]) -> list[float | None]:
        """Return, for each of the ascending *percents*, the seconds that so many are at or below.

        The value is the highest that its bucket stands for, as upstream's is.
        """
        if not self.count:
            return [None for _ in percents]
        # Before the sum of counts reaches so much, the percentile is not there. The small
        # subtrahend keeps 99.9 % of 1000 at 999, which floats put a little above.
        targets = [max(math.ceil(p * self.count / 100 - 1e-9), 1) for p in percents]
        found: list[float | None] = []
        total = 0
        for index in sorted(self._counts):
            total += self._counts[index]
            while len(found) < len(targets) and total >= targets[len(found)]:
                found.append(min(_highest(index), self._max_us) / _MICROSECOND)
        return found

    def buckets(self) -> list[tuple[float, int]]:
        """Return the seconds and the count of each bucket in use, ascending."""
        return [(_highest(i) / _MICROSECOND, self._counts[i]) for i in sorted(self._counts)]

    @property
    def max(self) -> float | None:
        return self._max_us / _MICROSECOND if self.count else None

    @property
    def mean(self) -> float | None:
        """Return the mean of the buckets' middles."""
        if not self.count:
            return None
        total = sum(count * _middle(index) for index, count in self._counts.items())
        return total / self.count / _MICROSECOND

    def encode(self) -> str:
        """Return HdrHistogram's V2 compressed encoding in base64; `` for nothing."""
        if not self.count:
            return ""
        histogram = HdrHistogram(1, _DAY_US, _SIGNIFICANT_DIGITS)
        for index, count in self._counts.items():
            histogram.counts[index] = count
        histogram.total_count = self.count
        histogram.min_value = _lowest(min(self._counts))
        histogram.max_value = self._max_us
        text: bytes = histogram.encode()
        return text.decode("ascii")

    @classmethod
    def decode(cls, text: str) -> Histogram:
        """Return what `encode` wrote; raises ValueError when *text* is something else."""
        made = cls()
        if not text:
            return made
        try:
            read = HdrHistogram.decode(text)
        except _UNREADABLE as error:
            raise ValueError(f"no histogram: {error}") from None
        if read is None or read.significant_figures != _SIGNIFICANT_DIGITS:
            raise ValueError("no histogram of three digits")
        # As a list, and without the empty buckets above: that is ten times quicker.
        for index, count in enumerate(read.counts[: _index(read.get_max_value()) + 1]):
            if count:
                made._counts[index] = count
                made.count += count
                made._max_us = min(_highest(index), _DAY_US)
        return made


def _index(value: int) -> int:
    shift = value.bit_length() - _SUB_BUCKET_BITS
    return value if shift <= 0 else (shift << _HALF_BITS) + (value >> shift)


def _lowest(index: int) -> int:
    shift = (index >> _HALF_BITS) - 1
    return index if shift <= 0 else ((index & (_HALF - 1)) | _HALF) << shift


def _highest(index: int) -> int:
    shift = max((index >> _HALF_BITS) - 1, 0)
    return _lowest(index) + (1 << shift) - 1


def _middle(index: int) -> float:
    return (_lowest(index) + _highest(index)) / 2
