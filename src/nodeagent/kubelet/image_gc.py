"""Which images a node gives up when its disk fills (pkg/kubelet/images/image_gc_manager.go).

Those that no container uses, the longest unused first, once they are old enough. Whose image was
never seen in use counts as used when it was first seen.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Final

#: Of images that nobody uses, how many are remembered; more than a node ever has.
_IMAGES_MAX: Final = 4096


@dataclass(frozen=True, slots=True)
class _Record:
    detected_at: float
    used_at: float
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """The images to remove, and whether they are enough."""

    images: tuple[str, ...]
    wanted: int
    freed: int

    @property
    def failure(self) -> str:
        """Return upstream's words when too little could be freed."""
        if self.freed >= self.wanted:
            return ""
        return (
            "Failed to garbage collect required amount of images. Attempted to free "
            f"{self.wanted} bytes, but only found {self.freed} bytes eligible to free."
        )


class ImageGcManager:
    """The images of one node, and when each was last in use."""

    def __init__(self, *, high_percent: int, low_percent: int, min_age_s: float) -> None:
        self._high, self._low, self._min_age_s = high_percent, low_percent, min_age_s
        self._records: dict[str, _Record] = {}

    def observe(self, images: Mapping[str, int], in_use: Collection[str], now: float) -> None:
        """Note which images are there (with their sizes), and which of them are used."""
        for name in list(self._records):
            if name not in images:
                del self._records[name]
        for name, size in list(images.items())[:_IMAGES_MAX]:
            known = self._records.get(name, _Record(now, now, size))
            self._records[name] = replace(known, used_at=now) if name in in_use else known

    def collect(
        self, capacity: int, available: int, in_use: Collection[str], now: float
    ) -> Collected | None:
        """Return what to remove, None while less than the high threshold is used."""
        if capacity <= 0 or 100 - available * 100 // capacity < self._high:
            return None
        wanted = capacity * (100 - self._low) // 100 - available
        return self.free(wanted, in_use, now)

    def free(self, wanted: int, in_use: Collection[str], now: float) -> Collected:
        """Return unused images of *wanted* octets, or all there are."""
        unused = [each for each in self._records.items() if each[0] not in in_use]
        unused.sort(key=lambda each: (each[1].used_at, each[1].detected_at))
        images: list[str] = []
        freed = 0
        for name, record in unused:
            if freed >= wanted:
                break
            if now - record.detected_at < self._min_age_s:
                continue
            images.append(name)
            freed += record.size
        return Collected(images=tuple(images), wanted=wanted, freed=freed)
