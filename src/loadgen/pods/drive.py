"""`loadgen run --from pods` for the command line: the display, the result file, the journal."""

from __future__ import annotations

import os
from contextlib import nullcontext
from pathlib import Path

from msgspec.structs import replace
from rich.console import Console
from rich.live import Live

from loadgen.chronicle import Chronicle
from loadgen.cluster_notes import find_cluster, podwire_home
from loadgen.commands.drive import live_display, run_until_stopped
from loadgen.commands.options import RunOptions
from loadgen.live import Display
from loadgen.outage import Miss
from loadgen.plan import LoadPlan
from loadgen.pods.fleet import kubeconfig_path, run_in_pods
from loadgen.report import Progress
from loadgen.result_file import Writer
from loadgen.results import Failure, PlanLine, Report, Result, Second
from loadgen.thresholds import Threshold, verdicts


def drive_pods(
    plan: LoadPlan, thresholds: list[Threshold], options: RunOptions
) -> tuple[Report, str]:
    """Do what *plan* says from inside the cluster; return what `loadgen.commands.drive` does."""
    kubeconfig = kubeconfig_path(options["kubeconfig"])
    writer = Writer(options["write"]) if options["write"] is not None else None
    chronicle = Chronicle(
        writer=writer,
        cluster=_cluster(options["cluster"], kubeconfig),
        name=f"loadgen-{os.getpid()}",
    )
    live = live_display(options["progress"])
    watch = Watch(plan, chronicle, live)
    with live or nullcontext():
        result = run_until_stopped(
            lambda stop: run_in_pods(plan, options["workers"], kubeconfig, watch, stop=stop)
        )
    assert result.report is not None
    report = replace(result.report, thresholds=verdicts(thresholds, result.report))
    return watch.conclude(result, report), chronicle.trouble


def _cluster(choice: str, kubeconfig: Path) -> Path | None:
    """Return the cluster's folder: the one chosen, or that in which the kubeconfig lies."""
    if choice != "auto":
        return find_cluster(podwire_home(), choice, "")
    folder = kubeconfig.absolute().parent
    return folder if (folder / "cluster.json").exists() else None


class Watch:
    """Shows and keeps what the workers did; see `loadgen.pods.fleet.Listener`."""

    def __init__(self, plan: LoadPlan, chronicle: Chronicle, live: Live | None) -> None:
        self._chronicle, self._live = chronicle, live
        self._display = Display(plan)

    def begin(self, plan: PlanLine) -> None:
        """Write the plan, and tell the cluster."""
        self._chronicle.begin(plan)

    def seconds(self, changed: list[Second]) -> None:
        """Write the seconds, and what the cluster noted meanwhile."""
        self._chronicle.seconds(changed)

    def progress(self, progress: Progress) -> None:
        """Show how it goes."""
        if self._live is not None:
            picture = self._display.picture(progress, self._chronicle.events)
            self._live.update(picture, refresh=True)

    def notice(self, text: str) -> None:
        """Tell it at once."""
        console = self._live.console if self._live is not None else Console(stderr=True)
        console.print(text, markup=False, soft_wrap=True)

    def conclude(self, result: Result, report: Report) -> Report:
        """Write and note the end; return the report as it is shown."""
        began_at = result.plan.started_at
        for what, failure in (
            ("first-failure", report.first_failure),
            ("last-failure", report.last_failure),
        ):
            self._chronicle.note_failure(what, _miss(failure, began_at))
        self._chronicle.seconds(result.seconds)
        self._chronicle.end(report)
        self._chronicle.conclude(report)
        events = sorted(self._chronicle.events, key=lambda event: event.at)
        series = [replace(second, histogram="") for second in result.seconds]
        return replace(report, events=events, series=series)


def _miss(failure: Failure | None, began_at: float) -> Miss | None:
    if failure is None:
        return None
    sent_at, seen_at = failure.sent_at - began_at, failure.seen_at - began_at
    return Miss(sent_at, sent_at, seen_at, failure.error)
