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
from typing import Final

from componentbase import clock
from componentbase.tasks import Tasks
from loadgen.client import Client, ClosedWithoutAnswer, Timing
from loadgen.http1 import BadResponse
from loadgen.outcome import (
    CLOSED,
    CONNECT_TIMEOUT,
    OK,
    TIMEOUT,
    Outcome,
    backend_of,
    error_kind,
    status_kind,
)
from loadgen.plan import LoadPlan, PlanError
from loadgen.report import Accumulator, Progress, Report
from loadgen.schedule import intended_times

OnProgress = Callable[[Progress], None]

#: Seconds between two calls of the progress listener.
PROGRESS_EVERY_S: Final = 0.5
#: The finest sleep. Below it an event loop spins, and the core is wanted by what is measured.
TICK_S: Final = 0.001
#: Seconds between two looks at what is still under way, once everything is sent.
SETTLE_EVERY_S: Final = 0.01
#: Requests that are sent without letting answers in between, when the run is behind.
BURST_MAX: Final = 64


async def run_load(
    plan: LoadPlan, on_progress: OnProgress | None = None, *, stop: asyncio.Event | None = None
) -> Report:
    """Do what *plan* says, until its end or until *stop* is set; raises PlanError.

    PlanError means that the host's name leads nowhere; a host that does not answer is a report.
    """
    run = Run(plan, await _resolve(plan))
    return await run.to_the_end(on_progress, stop or asyncio.Event())


async def _resolve(plan: LoadPlan) -> tuple[str, int]:
    """Look the host up once: what a resolver costs is not what is measured."""
    target = plan.target
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            target.host, target.port, type=socket.SOCK_STREAM
        )
    except OSError as error:
        raise PlanError(f"{target.host}: {error.strerror or error}") from None
    return str(found[0][4][0]), target.port


class Run:
    """One run under way."""

    def __init__(self, plan: LoadPlan, address: tuple[str, int]) -> None:
        self._plan = plan
        self._client = Client(plan, address)
        self._tasks = Tasks()
        # Not the loop's own clock: uvloop's stands still for a millisecond at a time.
        self._started = clock.monotonic()
        self._sums = Accumulator(plan, clock.wall())

    def _now(self) -> float:
        return clock.monotonic() - self._started

    async def to_the_end(self, on_progress: OnProgress | None, stop: asyncio.Event) -> Report:
        """Send everything, wait for the answers, add up."""
        watcher = Tasks()
        if on_progress is not None:
            watcher.spawn(self._tell(on_progress), name="progress")
        try:
            await self._send_all(stop)
            elapsed_s = self._now()
            await self._settle(stop)
        finally:
            await watcher.close()
            await self._tasks.close()
            self._client.close()
        if on_progress is not None:
            on_progress(self._sums.progress(self._now()))
        return self._sums.report(elapsed_s)

    async def _tell(self, on_progress: OnProgress) -> None:
        while True:
            await asyncio.sleep(PROGRESS_EVERY_S)
            on_progress(self._sums.progress(self._now()))

    async def _send_all(self, stop: asyncio.Event) -> None:
        burst = 0
        for moment in intended_times(self._plan, random.Random(self._plan.seed)):
            burst += 1
            if moment > self._now() or burst >= BURST_MAX:
                await self._wait_until(moment, stop)
                burst = 0
            if stop.is_set():
                return
            self._sums.sent(moment, self._now())
            self._tasks.spawn(self._request(moment), name="request")
        await self._wait_until(self._plan.duration_s, stop)

    async def _wait_until(self, moment: float, stop: asyncio.Event) -> None:
        if moment <= self._now():
            await asyncio.sleep(0)  # Behind already; but answers must be read, too.
            return
        while (delay_s := moment - self._now()) > 0 and not stop.is_set():
            try:
                async with asyncio.timeout(max(delay_s, TICK_S)):
                    await stop.wait()
            except TimeoutError:
                pass  # The moment has come, or timers run a little fast.

    async def _settle(self, stop: asyncio.Event) -> None:
        """Wait for what is under way: each ends in its time-out at the latest."""
        while self._sums.unfinished and not stop.is_set():
            await self._wait_until(self._now() + SETTLE_EVERY_S, stop)

    async def _request(self, intended_at: float) -> None:
        timing = Timing()
        left_s = intended_at + self._plan.timeout_s - self._now()
        error, backend = OK, ""
        try:
            async with asyncio.timeout(left_s):
                response = await self._client.fetch(timing)
            error = status_kind(response)
            backend = backend_of(response, self._plan.backend_header)
        except TimeoutError:
            error = CONNECT_TIMEOUT if timing.connecting else TIMEOUT
        except ClosedWithoutAnswer:
            error = CLOSED
        except (OSError, BadResponse) as problem:
            error = error_kind(problem)
        finished_at = self._now()
        sent_at = finished_at if timing.sent_at is None else timing.sent_at - self._started
        self._sums.finished(Outcome(intended_at, sent_at, finished_at, error, backend))
