"""Runs a plan for the command line: an event loop, Ctrl-C, a display, a recording."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Final, TypeVar

import msgspec
from rich.console import Console, RenderableType
from rich.live import Live

from componentbase.process import new_event_loop
from loadgen.cluster_notes import find_cluster, podwire_home
from loadgen.commands.options import RunOptions
from loadgen.live import Display
from loadgen.plan import LoadPlan
from loadgen.quantity import format_duration
from loadgen.recording import Recording
from loadgen.report import Progress, Report
from loadgen.result_file import Writer
from loadgen.results import Event
from loadgen.run import PROGRESS_EVERY_S, OnProgress, run_load
from loadgen.search import Search, judge
from loadgen.thresholds import Threshold, verdicts

T = TypeVar("T")

_SWITCH_S: Final = 0.0005


def drive(plan: LoadPlan, thresholds: list[Threshold], options: RunOptions) -> tuple[Report, str]:
    """Do what *plan* says; return the report with its events and verdicts.

    Beside it: why the result file lacks its end, or "".
    """
    cluster = find_cluster(podwire_home(), options["cluster"], plan.target.host)
    writer = Writer(options["write"]) if options["write"] is not None else None
    recording = Recording(writer=writer, cluster=cluster, name=f"loadgen-{os.getpid()}")
    screen = Screen(plan, recording.events)
    live = live_display(options["progress"], screen.draw)

    async def load(stop: asyncio.Event) -> Report:
        on_progress: OnProgress | None = None if live is None else screen.show
        return await run_load(plan, on_progress, stop=stop, recorder=recording)

    with live or nullcontext():
        report = run_until_stopped(load)
    report = msgspec.structs.replace(
        report, thresholds=verdicts(thresholds, report), events=recording.events
    )
    recording.conclude(report)
    return report, recording.trouble


class Screen:
    """The latest picture of a run, for a thread: drawing takes many milliseconds."""

    def __init__(self, plan: LoadPlan, events: Sequence[Event]) -> None:
        self._display, self._events = Display(plan), events
        self._latest: Progress | None = None

    def show(self, progress: Progress) -> None:
        """Have *progress* drawn when the thread next looks."""
        self._latest = progress

    def draw(self) -> RenderableType:
        """Return what is to be seen now."""
        latest = self._latest
        return "" if latest is None else self._display.picture(latest, self._events)


def live_display(
    wanted: bool | None, draw: Callable[[], RenderableType] | None = None
) -> Live | None:
    """Return where the run is shown, if it is wanted, or if somebody looks at a terminal.

    A thread shows what *draw* returns, again and again; without it the caller updates.
    """
    console = Console(stderr=True)
    if wanted is False or (wanted is None and not console.is_terminal):
        return None
    if draw is None:
        return Live(console=console, auto_refresh=False, transient=True)
    # The thread must not hold the interpreter for long when a request is due.
    sys.setswitchinterval(_SWITCH_S)
    per_second = 1 / PROGRESS_EVERY_S
    return Live(console=console, get_renderable=draw, refresh_per_second=per_second, transient=True)


def drive_search(plan: LoadPlan, condition: Threshold, options: RunOptions) -> Search:
    """Probe one rate after another; Ctrl-C ends the search with what is known."""
    search = Search(plan.rate)
    console = Console(stderr=True)
    is_told = console.is_terminal if options["progress"] is None else options["progress"]

    async def probe_all(stop: asyncio.Event) -> Search:
        while (rate := search.next_rate()) is not None:
            report = await run_load(
                replace(plan, rate=rate, duration_s=options["probe"]), stop=stop
            )
            if stop.is_set():
                break
            probe = judge(rate, condition, report)
            search.tell(probe)
            if is_told:
                p99 = format_duration(report.latency_s.get("p99"))
                console.print(f"{rate:,.1f}/s: p99 {p99}, {probe.against or 'holds'}")
        return search

    return run_until_stopped(probe_all)


def run_until_stopped(main: Callable[[asyncio.Event], Coroutine[None, None, T]]) -> T:
    """Run *main*; Ctrl-C (or SIGTERM) sets its event, and it ends in its own way."""

    async def guarded() -> T:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        return await main(stop)

    # What was imported is never garbage, and a collector that looks through it is a pause.
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(guarded())
