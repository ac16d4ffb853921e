"""What runs in a worker's pod: the image `python://loadgen.pods.worker:main`.

It waits for the moment at which all workers begin, does its share, and writes result lines to its
log, where `workers` fetches them while they come. The log is bounded by the pod's runtime, which
keeps the newest 10 MiB; lines are bounded here.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from componentbase import clock
from componentbase.decoding import UNREADABLE
from loadgen.plan import LoadPlan, PlanError
from loadgen.pods.orders import EXIT_LATE, Order
from loadgen.report import Accumulator
from loadgen.results import Line, PlanLine, Report, Second
from loadgen.run import run_load
from loadgen.seconds import OTHERS

#: A worker that comes up so long after the others began does not begin.
LATE_START_MAX_S: Final = 0.25
#: A second whose backends have longer names than this together tells only their sum.
LINE_OCTETS_MAX: Final = 32 * 1024
#: What all lines may have together; after that only the report is written.
OCTETS_MAX: Final = 64 * 1024 * 1024


class LogRecorder:
    """Writes what happens as lines of a result file to the container's log."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._octets_left = OCTETS_MAX
        self._encoder = msgspec.json.Encoder()

    def begin(self, plan: LoadPlan, started_at: float) -> None:
        """Write the plan."""
        self._write([PlanLine(plan=plan.shape(), started_at=started_at, host=self._host)])

    def record(self, rows: list[Second], sums: Accumulator, now: float) -> None:
        """Write the seconds that changed."""
        self._write(rows)

    def end(self, report: Report, sums: Accumulator) -> None:
        """Write the report, whatever was written before; its seconds have lines of their own."""
        self._octets_left = max(self._octets_left, LINE_OCTETS_MAX)
        self._write([replace(report, series=[])])

    def _write(self, lines: Sequence[Line]) -> None:
        octets = b"".join(self._encoder.encode(_bounded(line)) + b"\n" for line in lines)
        if len(octets) <= self._octets_left:
            self._octets_left -= len(octets)
            sys.stdout.write(octets.decode())
            sys.stdout.flush()


def _bounded(line: Line) -> Line:
    if not isinstance(line, Second) or sum(map(len, line.backends)) <= LINE_OCTETS_MAX // 2:
        return line
    return replace(line, backends={OTHERS: sum(line.backends.values())})


async def main(arguments: list[str], environment: dict[str, str]) -> int:
    """Do what the order in the first argument says; return the exit status."""
    try:
        order = msgspec.json.decode(arguments[0], type=Order)
    except (IndexError, *UNREADABLE) as error:
        print(f"no order: {error}", flush=True)
        return 2
    late_s = clock.wall() - order.start_at
    if late_s > LATE_START_MAX_S:
        print(f"came up {late_s:.1f} s after the others began", flush=True)
        return EXIT_LATE
    await asyncio.sleep(max(-late_s, 0.0))
    try:
        await run_load(order.plan, recorder=LogRecorder(environment.get("HOSTNAME", "")))
    except PlanError as error:
        print(str(error), flush=True)
        return 2
    return 0
