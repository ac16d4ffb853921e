"""What a run leaves behind and hears meanwhile: its result file, and the journal of the cluster.

Both directions of the cluster's knowledge are here: its notes go into the result file, and this
run's own go into its journal. A disk that is full ends the file and not the run: what was measured
until then is in it, and the report says so.

Events lie on the run's own clock. Notes of this machine tell the ticks of its monotonic clock, and
those are what counts: the wall clock may jump while a run lasts.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from msgspec.structs import replace

from componentbase import clock
from componentbase.journal import Detail, Journal
from loadgen.cluster_notes import Journals
from loadgen.outage import Miss
from loadgen.result_file import Writer
from loadgen.results import Event, PlanLine, Report, ResultError, Second

#: Events that are kept for the report; a result file has all of them.
EVENTS_MAX: Final = 10_000


class Chronicle:
    """The file and the journal of one run; either may be absent."""

    def __init__(self, *, writer: Writer | None, cluster: Path | None, name: str) -> None:
        self.events: list[Event] = []
        #: Why the result file lacks its end; "" while it does not.
        self.trouble = ""
        self._writer, self._name = writer, name
        self._url = ""
        self._started_at = 0.0
        self._wall_ahead_s = 0.0
        path = cluster / "journal" / f"{name}.jsonl" if cluster is not None else Path()
        self._journals = Journals(path.parent, path) if cluster is not None else None
        self._journal = Journal(path if cluster is not None else "", name)

    def begin(self, line: PlanLine) -> None:
        """Write the plan, and tell the cluster."""
        self._url, self._started_at = line.plan.url, line.started_at
        self._wall_ahead_s = clock.wall() - clock.monotonic()
        if self._journals is not None:
            self._journals.skip()
        self._write(line)
        self.note("load-started", rate=line.plan.rate, duration_s=line.plan.duration_s)

    def seconds(self, rows: list[Second]) -> None:
        """Write the seconds that changed, and what the cluster noted meanwhile."""
        self._write(*rows)
        if self._journals is not None:
            self._keep(*self._journals.look(self._wall_ahead_s))

    def note(self, what: str, **details: Detail) -> None:
        """Note what this run itself has seen."""
        self._journal.note(what, self._url, **details)
        at = details.get("sent_at", clock.monotonic() + self._wall_ahead_s)
        assert isinstance(at, float)
        self._keep(Event(at=at, what=what, subject=self._url, process=self._name, details=details))

    def note_failure(self, what: str, miss: Miss | None) -> None:
        """Note a failure where it was, which is earlier than where it is known to be one."""
        if miss is not None:
            sent_at, seen_at = self._started_at + miss.sent_at, self._started_at + miss.seen_at
            self.note(what, error=miss.error, sent_at=sent_at, seen_at=seen_at)

    def end(self, report: Report) -> None:
        """Tell the cluster that the load is over, and hear what it noted last."""
        self.note("load-ended", sent=report.sent, ok=report.ok, failed=report.failed)
        self.seconds([])
        self._journal.close()

    def conclude(self, report: Report) -> None:
        """Write the report, once it has been judged, and close the file."""
        self._write(replace(report, series=[], events=[]))
        self._close()

    def _keep(self, *events: Event) -> None:
        self._write(*events)
        self.events += events[: EVENTS_MAX - len(self.events)]

    def _write(self, *lines: PlanLine | Second | Event | Report) -> None:
        if self._writer is None or not lines:
            return
        try:
            self._writer.write(*lines)
        except ResultError as error:
            self.trouble = f"{error}; the result file ends there"
            self._close()

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
