"""Which datagrams may leave in one UDP_SEGMENT call: of one size, the last perhaps shorter.

Bulk traffic is full segments in a row, and the run is found at the speed of C. Small packets of
several flows come in all sizes in turn; each joins the run of its size that is open, as long as no
packet of its own flow has gone into a later run; a shorter one may end the run of its flow. So
flows keep their order, and sixteen answers of four sizes leave in four calls.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from netdev.framing import Octets

DATAGRAM_OCTETS_MAX: Final = 65507
SEGMENTS_MAX: Final = 64  # The kernel takes 128 at most.
#: Where frames have what tells flows apart: addresses and ports behind Ethernet and IPv4.
_FLOW: Final = slice(26, 38)
_NONE: Final = -1


def number(size: int) -> int:
    """Return how many datagrams of *size* may leave in one call."""
    return max(1, min(SEGMENTS_MAX, DATAGRAM_OCTETS_MAX // size))


def runs(datagrams: Sequence[Octets], header_octets: int) -> Iterator[Sequence[Octets]]:
    """Cut *datagrams*, each of them behind *header_octets* more, into runs."""
    sizes = list(map(len, datagrams))
    size = sizes[0]
    others = len(sizes) - sizes.count(size)
    if not others or (others == 1 and sizes[-1] < size):
        most = number(size + header_octets)
        for start in range(0, len(datagrams), most):
            yield datagrams[start : start + most]
    else:
        yield from _sorted(datagrams, header_octets)


def _sorted(datagrams: Sequence[Octets], header_octets: int) -> list[list[Octets]]:
    found: list[list[Octets]] = []
    open_runs: dict[int, int] = {}  # Size → number of the run that takes more of it.
    latest: dict[bytes, int] = {}  # Flow → number of the last run that it is in.
    for datagram in datagrams:
        size, flow = len(datagram), bytes(datagram[_FLOW])
        before = latest.get(flow, _NONE)
        at = open_runs.get(size, _NONE)
        if at < before:
            at = _ending(found, open_runs, before, size)
        if at == _NONE:
            at = open_runs[size] = len(found)
            found.append([])
        run = found[at]
        run.append(datagram)
        latest[flow] = at
        longest = len(run[0])
        octets = (len(run) + 1) * (longest + header_octets)
        if size < longest or len(run) == SEGMENTS_MAX or octets > DATAGRAM_OCTETS_MAX:
            del open_runs[longest]
    return found


def _ending(found: list[list[Octets]], open_runs: dict[int, int], at: int, size: int) -> int:
    """Return *at* if that run may end with a datagram of *size*."""
    longest = len(found[at][0])
    return at if size < longest and open_runs.get(longest) == at else _NONE
