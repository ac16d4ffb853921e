"""The buffers of a connection: what was written and not acknowledged, what came and is not read.

Both are pieces instead of one long bytearray, since to take a part off the front of that and to add
at its end copies all that is between: for a full window more than everything else together.
"""

from __future__ import annotations

from typing import Final

Octets = bytes | bytearray | memoryview

#: Octets of each piece of a send buffer but the last.
_PIECE_BITS: Final = 16
_PIECE: Final = 1 << _PIECE_BITS
#: Received pieces that are smaller are joined, so that tiny segments cost no more than they hold.
_SMALL: Final = 2048


class SendBuffer:
    """Octets at the end of a stream that may be asked for again, by their distance to the first.

    All pieces but the last are equally long, so where a part begins is found without a search.
    """

    __slots__ = ("_gone", "_pieces", "octets")

    def __init__(self) -> None:
        self.octets = 0
        self._pieces: list[bytearray] = []
        self._gone = 0  # Octets of the first piece that were forgotten.

    def append(self, data: Octets) -> None:
        self.octets += len(data)
        pieces = self._pieces
        start = 0
        if pieces:
            last = pieces[-1]
            start = _PIECE - len(last)
            last += data if start >= len(data) else data[:start]
        while start < len(data):
            pieces.append(bytearray(data[start : start + _PIECE]))
            start += _PIECE

    def part(self, start: int, end: int) -> Octets:
        """Return [start, end), all of which must be there; use it before anything else is done.

        Little is copied, much is shown where it lies.
        """
        if start == end:
            return b""
        many = end - start > _SMALL
        start, end = start + self._gone, end + self._gone
        if end <= _PIECE and not many:
            return self._pieces[0][start:end]
        first, last = start >> _PIECE_BITS, end - 1 >> _PIECE_BITS
        base = first << _PIECE_BITS
        if first == last:
            piece = self._pieces[first]
            return (memoryview(piece) if many else piece)[start - base : end - base]
        head = memoryview(self._pieces[first])[start - base :]
        tail = memoryview(self._pieces[last])[: end - (last << _PIECE_BITS)]
        return b"".join((head, *self._pieces[first + 1 : last], tail))

    def forget(self, count: int) -> None:
        """The first *count* octets, or all if there are fewer, were acknowledged."""
        if count >= self.octets:
            self.clear()
            return
        self.octets -= count
        self._gone = gone = self._gone + count
        if gone >= _PIECE:
            del self._pieces[: gone >> _PIECE_BITS]
            self._gone = gone & _PIECE - 1

    def clear(self) -> None:
        self.octets = self._gone = 0
        self._pieces = []


class ReceiveBuffer:
    """Octets in order that wait for their reader."""

    __slots__ = ("_gone", "_pieces", "octets")

    def __init__(self) -> None:
        self.octets = 0
        self._pieces: list[Octets] = []
        self._gone = 0  # Octets of the first piece that were read.

    def append(self, data: Octets) -> None:
        """Take *data*, and keep the very object: nobody may change it."""
        self.octets += len(data)
        pieces = self._pieces
        if not pieces or len(data) >= _SMALL:
            pieces.append(data)
        elif len(pieces[-1]) >= _PIECE:
            pieces.append(bytearray(data))
        elif isinstance(pieces[-1], bytearray):
            pieces[-1] += data
        elif len(pieces[-1]) < _SMALL:
            pieces[-1] = bytearray(pieces[-1]) + data
        else:
            pieces.append(bytearray(data))

    def read(self, octets_max: int) -> bytes:
        """Return, and forget, up to *octets_max* octets."""
        pieces = self._pieces
        if octets_max < self.octets:
            return self._read_part(octets_max)
        if self._gone:
            pieces[0] = pieces[0][self._gone :]
        found = bytes(pieces[0]) if len(pieces) == 1 else b"".join(pieces)
        self.clear()
        return found

    def _read_part(self, count: int) -> bytes:
        found, missing = [], count
        whole = 0
        for piece in self._pieces:
            part = piece[self._gone : self._gone + missing]
            found.append(part)
            missing -= len(part)
            if self._gone + len(part) < len(piece):
                self._gone += len(part)
                break
            whole += 1
            self._gone = 0
        del self._pieces[:whole]
        self.octets -= count
        return b"".join(found)

    def clear(self) -> None:
        self.octets = self._gone = 0
        self._pieces = []
