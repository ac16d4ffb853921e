"""`loadgen run --from pods` for the command line: the display, the result file, the journal."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Final, TypeVar

import click
from msgspec.structs import replace
from rich.console import Console
from rich.live import Live

from componentbase.journal import Journal
from loadgen.cluster_notes import Journals, find_cluster
from loadgen.drive import live_display, run_until_stopped
from loadgen.live import Display
from loadgen.plan import LoadPlan
from loadgen.report import Progress, Report
from loadgen.results import Detail, Event, Failure, PlanLine, Result, Second, Writer
from loadgen.run_options import RunOptions
from loadgen.thresholds import Threshold, verdicts
from loadgen.workers import kubeconfig_path, run_in_pods

EVENTS_MAX: Final = 10_000

_Command = TypeVar("_Command", bound=Callable[..., object])


def source_options(command: _Command) -> _Command:
    """Give *command* the options that say where the load comes from."""
    for option in (
        click.option(
            "--kubeconfig",
            type=click.Path(path_type=Path),
            help="Of the cluster for --from pods. Default: $KUBECONFIG, or the local cluster's.",
        ),
        click.option(
            "--workers", type=int, default=1, show_default=True, help="So many pods share the rate."
        ),
        click.option(
            "--from",
            "source",
            type=click.Choice(["host", "pods"]),
            default="host",
            show_default=True,
            help="Send from this machine, or from pods of the cluster, to its own addresses.",
        ),
    ):
        command = option(command)
    return command


def drive_pods(plan: LoadPlan, thresholds: list[Threshold], options: RunOptions) -> Report:
    """Do what *plan* says from inside the cluster; return the report with events and verdicts."""
    kubeconfig = kubeconfig_path(options["kubeconfig"])
    home = Path(os.environ.get("PODWIRE_HOME", "") or Path.home() / ".podwire")
    writer = Writer(options["write"]) if options["write"] is not None else None
    live = live_display(options["progress"])
    watch = Watch(plan, _cluster(home, options["cluster"], kubeconfig), writer, live)
    with live or nullcontext():
        result = run_until_stopped(
            lambda stop: run_in_pods(plan, options["workers"], kubeconfig, watch, stop=stop)
        )
    assert result.report is not None
    judged = replace(result.report, thresholds=verdicts(thresholds, result.report))
    return watch.conclude(result, judged)


def _cluster(home: Path, choice: str, kubeconfig: Path) -> Path | None:
    """Return the cluster's folder: the one chosen, or that in which the kubeconfig lies."""
    if choice != "auto":
        return find_cluster(home, choice, "")
    folder = kubeconfig.absolute().parent
    return folder if (folder / "cluster.json").exists() else None


class Watch:
    """Shows, writes and notes what the workers did."""

    def __init__(
        self, plan: LoadPlan, cluster: Path | None, writer: Writer | None, live: Live | None
    ) -> None:
        self._plan, self._writer, self._live = plan, writer, live
        self._display = Display(plan)
        self._events: list[Event] = []
        name = f"loadgen-{os.getpid()}"
        own = cluster / "journal" / f"{name}.jsonl" if cluster is not None else Path()
        self._journals = Journals(own.parent, own) if cluster is not None else None
        self._journal = Journal(own if cluster is not None else "", name)

    def begin(self, plan: PlanLine) -> None:
        """Write the plan, and tell the cluster."""
        if self._journals is not None:
            self._journals.skip()
        if self._writer is not None:
            self._writer.write(plan)
        self._journal.note("load-started", self._plan.url, rate=self._plan.mean_rate)
        self._keep([Event(at=plan.started_at, what="load-started", subject=self._plan.url)])

    def seconds(self, changed: list[Second]) -> None:
        """Write the seconds, and what the cluster noted meanwhile."""
        if self._writer is not None and changed:
            self._writer.write(*changed)
        if self._journals is not None:
            self._keep(self._journals.look())

    def progress(self, progress: Progress) -> None:
        """Show how it goes."""
        if self._live is not None:
            self._live.update(self._display.picture(progress, self._events), refresh=True)

    def notice(self, text: str) -> None:
        """Tell it at once."""
        console = self._live.console if self._live is not None else Console(stderr=True)
        console.print(text, markup=False, soft_wrap=True)

    def _keep(self, events: list[Event]) -> None:
        if self._writer is not None and events:
            self._writer.write(*events)
        self._events += events[: EVENTS_MAX - len(self._events)]

    def _note_failure(self, what: str, failure: Failure) -> None:
        details: dict[str, Detail] = {"error": failure.error, "sent_at": failure.sent_at}
        self._journal.note(what, self._plan.url, **details)
        self._keep([Event(at=failure.sent_at, what=what, subject=self._plan.url, details=details)])

    def conclude(self, result: Result, report: Report) -> Report:
        """Write and note the end; return the report as it is shown."""
        for what, failure in (
            ("first-failure", report.first_failure),
            ("last-failure", report.last_failure),
        ):
            if failure is not None:
                self._note_failure(what, failure)
        self._journal.note("load-ended", report.url, sent=report.sent, failed=report.failed)
        self._journal.close()
        if self._writer is not None:
            self._writer.write(*result.seconds, report)
            self._writer.close()
        events = sorted(self._events, key=lambda event: event.at)
        series = [replace(second, histogram="") for second in result.seconds]
        return replace(report, events=events, series=series)
