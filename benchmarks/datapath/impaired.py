"""What a packet costs on a link with a fault: on the link itself, in this process, without I/O.

A batch of sixteen is offered, then what has come through is taken, as a datapath does it. The best
of many rounds counts, in CPU time: everything that is slower is the machine's other work.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from typing import Final

from benchmarks.row import Row
from netdev.impaired_link import ImpairedLink
from netdev.impairment import Impairment

_PACKETS: Final = 4096
_BATCH: Final = 16
_ROUNDS: Final = 30
_FRAME_OCTETS: Final = 1450
_EVERY_S: Final = 20e-6
_HEADER: Final = bytes(8)  # VXLAN's.
_FAULTS: Final = {
    "a delay": Impairment(delay_s=0.001, seed=1),
    "delay, jitter, loss, rate and duplication": Impairment(
        delay_s=0.001, jitter_s=0.0002, loss=0.01, rate_bit_s=1e9, duplicate=0.01, seed=1
    ),
}


def rows() -> Iterator[Row]:
    """Measure and yield a row for each fault."""
    for what, impairment in _FAULTS.items():
        best_us = min(_round_us(impairment) for _ in range(_ROUNDS))
        yield Row(f"a packet of {_FRAME_OCTETS} octets on a link with {what}", f"{best_us:.1f} µs")


def _round_us(impairment: Impairment) -> float:
    link, now = ImpairedLink(impairment, random.Random(1)), 0.0
    packet = memoryview(bytearray(_FRAME_OCTETS))
    began = time.process_time()
    for _ in range(_PACKETS // _BATCH):
        for _ in range(_BATCH):
            now += _EVERY_S
            link.offer(packet, now, header=_HEADER)
        link.due(now)
    return (time.process_time() - began) / _PACKETS * 1e6
