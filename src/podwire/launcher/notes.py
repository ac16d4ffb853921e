"""What the launcher did: for `events`, and in the cluster's journal (contracts §12)."""

from __future__ import annotations

from typing import Any, Final

from componentbase import clock
from componentbase.journal import Detail, Journal
from podwire.cluster.layout import Layout

_EVENTS_MAX: Final = 10_000


class Notes:
    """The launcher's part of the timeline."""

    def __init__(self, paths: Layout) -> None:
        self._journal = Journal(paths.journal("launcher"), "launcher")
        self.events: list[dict[str, Any]] = []

    def note(self, what: str, subject: str, **details: Detail) -> None:
        """Note that *what* was done to *subject* now."""
        self.events.append({"at": clock.wall(), "what": what, "subject": subject})
        del self.events[:-_EVENTS_MAX]
        self._journal.note(what, subject, **details)
