"""Data that arrived before what precedes it, as few contiguous blocks (RFC 9293 §3.10.7.4).

Octets are bounded by the window that was advertised, blocks by `BLOCKS_MAX`.
"""

from __future__ import annotations

from typing import Final

#: Blocks, that is gaps, per connection; data that would make one more is dropped.
BLOCKS_MAX: Final = 256


class _Block:
    __slots__ = ("data", "stamp", "start")

    def __init__(self, start: int, data: bytearray, stamp: int) -> None:
        self.start, self.data, self.stamp = start, data, stamp

    @property
    def end(self) -> int:
        return self.start + len(self.data)


class HeldData:
    """The blocks of one connection, in order and not touching each other."""

    __slots__ = ("_blocks", "_stamp")

    def __init__(self) -> None:
        self._blocks: list[_Block] = []
        self._stamp = 0

    def __bool__(self) -> bool:
        return bool(self._blocks)

    def add(self, start: int, data: bytes) -> bool:
        """Hold *data*; return False when there are too many gaps."""
        self._stamp += 1
        end = start + len(data)
        before = [each for each in self._blocks if each.end < start]
        after = self._blocks[len(before) :]
        touched = [each for each in after if each.start <= end]
        after = after[len(touched) :]
        if not touched:
            if len(self._blocks) >= BLOCKS_MAX:
                return False
            merged = _Block(start, bytearray(data), self._stamp)
        else:
            merged = self._merge(touched, start, data)
        self._blocks = [*before, merged, *after]
        return True

    def overlap(self, start: int, end: int) -> tuple[int, int] | None:
        """Return the first part of [start, end) that is held already."""
        for block in self._blocks:
            low, high = max(start, block.start), min(end, block.end)
            if low < high:
                return low, high
        return None

    def _merge(self, touched: list[_Block], start: int, data: bytes) -> _Block:
        """Fill the gaps between *touched* blocks from *data*; what is held already stays."""
        first = touched[0]
        first.stamp = self._stamp
        if start < first.start:
            first.data[:0] = data[: first.start - start]
            first.start = start
        for each in touched[1:]:
            first.data += data[first.end - start : each.start - start]
            first.data += each.data
        first.data += data[max(0, first.end - start) :]
        return first

    def take(self, sequence: int) -> bytearray:
        """Return, and forget, what continues at *sequence*."""
        taken = bytearray()
        while self._blocks and self._blocks[0].start <= sequence:
            block = self._blocks.pop(0)
            taken += block.data[sequence - block.start :]
            sequence = max(sequence, block.end)
        return taken

    def clear(self) -> None:
        self._blocks = []

    def recent(self, count: int) -> list[tuple[int, int]]:
        """Return up to *count* ranges, the one that changed last first (RFC 2018 §4)."""
        latest = sorted(self._blocks, key=lambda each: -each.stamp)[:count]
        return [(each.start, each.end) for each in latest]
