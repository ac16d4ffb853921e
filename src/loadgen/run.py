"""The shell of a run: sleeps until the next intended moment, sends, and listens to Ctrl-C.

A request that is due is sent although others are still unanswered. One that waits longer than
its time-out since its intended moment has failed, wherever it stands. Timers of an event loop
are good for about a millisecond; how late a request left is part of its latency.
"""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Callable
from typing import Final, Protocol

from componentbase import clock
from componentbase.tasks import Tasks
from loadgen.client import Client
from loadgen.dispatch import Dispatcher
from loadgen.plan import LoadPlan, PlanError
from loadgen.protocols import CODECS
from loadgen.report import Accumulator, Progress, Report
from loadgen.results import Second
from loadgen.schedule import intended_times

OnProgress = Callable[[Progress], None]

#: Seconds between two calls of the progress listener.
PROGRESS_EVERY_S: Final = 0.5
#: Progress calls between two records.
RECORD_EVERY: Final = 2
#: The finest sleep. Below it an event loop spins, and the core is wanted by what is measured.
TICK_S: Final = 0.001
#: The longest sleep: time-outs and the loop's own lag are looked at so often.
LOOK_EVERY_S: Final = 0.010
#: Requests that are sent without letting answers in between, when the run is behind.
BURST_MAX: Final = 64


class Recorder(Protocol):
    """Keeps what happens while it happens; see `loadgen.recording`."""

    def begin(self, plan: LoadPlan, started_at: float) -> None:
        """The run begins, at *started_at* (Unix seconds)."""

    def record(self, rows: list[Second], sums: Accumulator, now: float) -> None:
        """About a second has gone by; *rows* are those that changed."""

    def end(self, report: Report, sums: Accumulator) -> None:
        """The run is over."""


async def run_load(
    plan: LoadPlan,
    on_progress: OnProgress | None = None,
    *,
    stop: asyncio.Event | None = None,
    recorder: Recorder | None = None,
) -> Report:
    """Do what *plan* says, until its end or until *stop* is set; raises PlanError.

    PlanError means that the host's name leads nowhere, or that the protocol has no words for what
    is asked; a host that does not answer is a report. What *recorder* raises ends the run.
    """
    CODECS[plan.target.scheme](plan)  # Before anything is sent.
    run = Run(plan, await _resolve(plan), on_progress, recorder)
    return await run.to_the_end(stop or asyncio.Event())


async def _resolve(plan: LoadPlan) -> tuple[str, int]:
    """Look the host up once: what a resolver costs is not what is measured."""
    target = plan.target
    kind = socket.SOCK_DGRAM if target.is_datagram else socket.SOCK_STREAM
    try:
        found = await asyncio.get_running_loop().getaddrinfo(target.host, target.port, type=kind)
    except OSError as error:
        raise PlanError(f"{target.host}: {error.strerror or error}") from None
    return str(found[0][4][0]), target.port


class Run:
    """One run under way."""

    def __init__(
        self,
        plan: LoadPlan,
        address: tuple[str, int],
        on_progress: OnProgress | None,
        recorder: Recorder | None,
    ) -> None:
        self._plan, self._on_progress, self._recorder = plan, on_progress, recorder
        # Not the loop's own clock: uvloop's stands still for a millisecond at a time.
        self._started, self._started_at = clock.monotonic(), clock.wall()
        self._sums = Accumulator(plan, self._started_at)
        self._client = Client(plan, address, self._now)
        self._dispatcher = Dispatcher(plan, self._sums)
        self._dispatcher.connect = self._client.connector(self._dispatcher)
        self._moments = intended_times(plan, random.Random(plan.seed))
        self._next = next(self._moments, None)
        self._told = 0
        self._stopped = False

    def _now(self) -> float:
        return clock.monotonic() - self._started

    async def to_the_end(self, stop: asyncio.Event) -> Report:
        """Send everything, wait for the answers, add up."""
        watcher = Tasks()
        watcher.spawn(self._watch(stop), name="stop")
        if self._recorder is not None:
            self._recorder.begin(self._plan, self._started_at)
        try:
            await self._until(self._is_sent)
            elapsed_s = self._now()
            await self._until(self._is_settled)
        finally:
            self._dispatcher.close()
            await watcher.close()
            await self._client.close()
        now = self._now()
        self._tell(now)
        report = self._sums.report(elapsed_s, now, stopped=self._stopped)
        if self._recorder is not None:
            self._recorder.record(self._sums.take_changed(now), self._sums, now)
            self._recorder.end(report, self._sums)
        return report

    async def _watch(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._stopped = True

    def _is_sent(self, now: float) -> bool:
        return self._next is None and now >= self._plan.total_s

    def _is_settled(self, _now: float) -> bool:
        """What is under way ends in its time-out at the latest."""
        return not self._sums.unfinished

    async def _until(self, is_over: Callable[[float], bool]) -> None:
        """Send what is due and fail what is overdue, until it is over or stopped."""
        while not self._stopped:
            now = self._now()
            self._dispatcher.expire(now)
            is_behind = self._send_due(now)
            self._tell_in_time(now)
            now = self._now()
            if is_over(now):
                return
            wait_s = 0.0 if is_behind else self._wait_s(now)
            await asyncio.sleep(wait_s)
            self._sums.lag(max(self._now() - now - wait_s, 0.0), now)

    def _send_due(self, now: float) -> bool:
        """Send, but let answers in between; return whether more is due already."""
        for _ in range(BURST_MAX):
            if self._next is None or self._next > now:
                return False
            self._dispatcher.due(self._next, now)
            self._next = next(self._moments, None)
            now = self._now()
        return True

    def _wait_s(self, now: float) -> float:
        if self._next is None:
            return LOOK_EVERY_S
        return min(max(self._next - now, TICK_S), LOOK_EVERY_S)

    def _tell_in_time(self, now: float) -> None:
        if now < (self._told + 1) * PROGRESS_EVERY_S:
            return
        self._told = int(now / PROGRESS_EVERY_S)
        self._tell(now)
        if self._told % RECORD_EVERY == 0:
            rows = self._sums.take_changed(now)
            if self._recorder is not None:
                self._recorder.record(rows, self._sums, now)

    def _tell(self, now: float) -> None:
        if self._on_progress is not None:
            self._on_progress(self._sums.progress(now))
