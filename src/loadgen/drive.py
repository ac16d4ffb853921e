"""Runs a plan for the command line: an event loop, Ctrl-C, a display, a recording."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from collections.abc import Callable, Coroutine
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import msgspec
from rich.console import Console
from rich.live import Live

from componentbase.process import new_event_loop
from loadgen.cluster_notes import find_cluster
from loadgen.live import Display
from loadgen.plan import LoadPlan
from loadgen.quantity import format_duration
from loadgen.recording import Recording
from loadgen.report import Progress, Report
from loadgen.results import Writer
from loadgen.run import OnProgress, run_load
from loadgen.run_options import RunOptions
from loadgen.search import Search, judge
from loadgen.thresholds import Threshold, verdicts

T = TypeVar("T")


def drive(plan: LoadPlan, thresholds: list[Threshold], options: RunOptions) -> Report:
    """Do what *plan* says; return the report with its events and verdicts."""
    home = Path(os.environ.get("PODWIRE_HOME", "") or Path.home() / ".podwire")
    cluster = find_cluster(home, options["cluster"], plan.target.host)
    writer = Writer(options["write"]) if options["write"] is not None else None
    recording = Recording(writer=writer, cluster=cluster, name=f"loadgen-{os.getpid()}")
    display = Display(plan)
    live = live_display(options["progress"])

    def show(progress: Progress) -> None:
        assert live is not None
        live.update(display.picture(progress, recording.events), refresh=True)

    async def load(stop: asyncio.Event) -> Report:
        on_progress: OnProgress | None = None if live is None else show
        return await run_load(plan, on_progress, stop=stop, recorder=recording)

    with live or nullcontext():
        report = run_until_stopped(load)
    report = msgspec.structs.replace(
        report, thresholds=verdicts(thresholds, report), events=recording.events
    )
    recording.conclude(report)
    return report


def live_display(wanted: bool | None) -> Live | None:
    """Return where the run is shown, if it is wanted, or if somebody looks at a terminal."""
    console = Console(stderr=True)
    if wanted is False or (wanted is None and not console.is_terminal):
        return None
    # Drawn when there is something new, by the loop itself: a thread would take its time.
    return Live(console=console, auto_refresh=False, transient=True)


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
