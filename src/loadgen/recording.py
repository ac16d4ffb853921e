"""The recorder of a run of this process: seconds, outages and backends as they are seen."""

from __future__ import annotations

import platform
from pathlib import Path

from loadgen.chronicle import Chronicle
from loadgen.plan import LoadPlan
from loadgen.report import Accumulator
from loadgen.result_file import Writer
from loadgen.results import Event, PlanLine, Report, Second


class Recording:
    """Tells a chronicle what happens; see `loadgen.run.Recorder`."""

    def __init__(self, *, writer: Writer | None = None, cluster: Path | None, name: str) -> None:
        self._chronicle = Chronicle(writer=writer, cluster=cluster, name=name)
        self._served: dict[str, None] = {}

    @property
    def events(self) -> list[Event]:
        return self._chronicle.events

    @property
    def trouble(self) -> str:
        return self._chronicle.trouble

    def begin(self, plan: LoadPlan, started_at: float) -> None:
        """Write the plan, and tell the cluster."""
        line = PlanLine(plan=plan.shape(), started_at=started_at, host=platform.node())
        self._chronicle.begin(line)

    def record(self, rows: list[Second], sums: Accumulator, now: float) -> None:
        """Write the seconds that changed, and what happened."""
        for backend in sums.backends:
            if backend not in self._served:
                self._served[backend] = None
                self._chronicle.note("backend-served", backend=backend)
        self._chronicle.note_failure("first-failure", sums.outage.begun())
        self._chronicle.note_failure("last-failure", sums.outage.ended(now))
        self._chronicle.seconds(rows)

    def end(self, report: Report, sums: Accumulator) -> None:
        """Tell the cluster that the load is over."""
        self._chronicle.note_failure("last-failure", sums.outage.finish())
        self._chronicle.end(report)

    def conclude(self, report: Report) -> None:
        """Write the report, once it has been judged."""
        self._chronicle.conclude(report)
