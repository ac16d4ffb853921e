"""What a run leaves behind while it lasts: the result file, and notes in the cluster's journal.

Both directions of the cluster's knowledge are here: its notes go into the result file, and the
first and last failure of every outage, and each backend's first answer, go into its journal.
"""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Final

import msgspec

from componentbase import clock
from componentbase.journal import Detail, Journal
from loadgen.cluster_notes import Journals
from loadgen.outage import Miss
from loadgen.plan import LoadPlan
from loadgen.report import Accumulator
from loadgen.results import Event, PlanLine, Report, Second, Writer

#: Events that are kept for the report; a result file has all of them.
EVENTS_MAX: Final = 10_000


class Recording:
    """The recorder of one run; any part may be absent."""

    def __init__(self, *, writer: Writer | None = None, cluster: Path | None, name: str) -> None:
        self.events: list[Event] = []
        self._writer = writer
        self._url = ""
        self._started_at = 0.0
        self._served: dict[str, None] = {}
        path = cluster / "journal" / f"{name}.jsonl" if cluster is not None else Path()
        self._journals = Journals(path.parent, path) if cluster is not None else None
        self._journal = Journal(path if cluster is not None else "", name)
        self._name = name

    def begin(self, plan: LoadPlan, started_at: float) -> None:
        """Write the plan, and tell the cluster."""
        self._url, self._started_at = plan.url, started_at
        if self._journals is not None:
            self._journals.skip()
        if self._writer is not None:
            self._writer.write(
                PlanLine(plan=plan.shape(), started_at=started_at, host=platform.node())
            )
        self._note("load-started", rate=plan.mean_rate, duration_s=plan.total_s)

    def record(self, rows: list[Second], sums: Accumulator, now: float) -> None:
        """Write the seconds that changed, and what happened."""
        self._note_backends(sums)
        self._note_failure("first-failure", sums.outage.begun())
        self._note_failure("last-failure", sums.outage.ended(now))
        self._write(*rows)
        self._look()

    def end(self, report: Report, sums: Accumulator) -> None:
        """Tell the cluster that the load is over."""
        self._note_failure("last-failure", sums.outage.finish())
        self._note("load-ended", sent=report.sent, ok=report.ok, failed=report.failed)
        self._look()
        self._journal.close()

    def conclude(self, report: Report) -> None:
        """Write the report, once it has been judged, and close the result file."""
        if self._writer is not None:
            self._writer.write(msgspec.structs.replace(report, series=[], events=[]))
            self._writer.close()

    def _look(self) -> None:
        if self._journals is not None:
            for event in self._journals.look():
                self._keep(event)

    def _keep(self, event: Event) -> None:
        self._write(event)
        if len(self.events) < EVENTS_MAX:
            self.events.append(event)

    def _write(self, *lines: Second | Event) -> None:
        if self._writer is not None and lines:
            self._writer.write(*lines)

    def _note_backends(self, sums: Accumulator) -> None:
        for backend in sums.backends:
            if backend not in self._served:
                self._served[backend] = None
                self._note("backend-served", backend=backend)

    def _note_failure(self, what: str, miss: Miss | None) -> None:
        if miss is not None:
            sent_at, seen_at = self._started_at + miss.sent_at, self._started_at + miss.seen_at
            self._note(what, error=miss.error, sent_at=sent_at, seen_at=seen_at)

    def _note(self, what: str, **details: Detail) -> None:
        self._journal.note(what, self._url, **details)
        at = details.get("sent_at", clock.wall())
        assert isinstance(at, float)
        self._keep(Event(at=at, what=what, subject=self._url, process=self._name, details=details))
