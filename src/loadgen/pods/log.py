"""What a worker's log says so far, however often and in whatever pieces it is fetched.

Logs are fetched again and again while the run lasts, since a node that is killed takes its logs
with it. Lines are those of a result file; any other line is what the worker's process complained.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import msgspec

from componentbase.decoding import UNREADABLE
from loadgen.results import Event, Line, PlanLine, Report, Result, Second

#: More seconds than a run may have are not kept.
SECONDS_MAX: Final = 10_000
EVENTS_MAX: Final = 1000
_COMPLAINTS_MAX: Final = 5
_COMPLAINT_MAX: Final = 200


class WorkerLog:
    """The lines of one worker, each kept once."""

    def __init__(self) -> None:
        self.plan: PlanLine | None = None
        self.report: Report | None = None
        self._seconds: dict[float, Second] = {}
        self._new: list[Second] = []
        self._events: dict[tuple[float, str, str], Event] = {}
        self._complaints: deque[str] = deque(maxlen=_COMPLAINTS_MAX)
        self._decoder = msgspec.json.Decoder(Line)

    def take_new(self) -> list[Second]:
        """Return the seconds that came, or changed, since the last call."""
        new, self._new = self._new, []
        return new

    @property
    def complaint(self) -> str:
        """Return the last line that was none of a result: a traceback's, say."""
        return self._complaints[-1] if self._complaints else ""

    def feed(self, octets: bytes) -> None:
        """Take what was fetched; its first and last lines may be cut."""
        for text in octets.splitlines():
            if text.startswith(b"{"):
                self._feed_line(text)
            elif text.strip():
                self._complaints.append(text.decode(errors="replace")[:_COMPLAINT_MAX])

    def _feed_line(self, text: bytes) -> None:
        try:
            line = self._decoder.decode(text)
        except UNREADABLE:
            return  # Cut; it comes again, whole.
        match line:
            case PlanLine():
                self.plan = line
            case Report():
                self.report = line
            case Second() if len(self._seconds) < SECONDS_MAX:
                if self._seconds.get(line.at) != line:
                    self._seconds[line.at] = line
                    self._new.append(line)
            case Event() if len(self._events) < EVENTS_MAX:
                self._events[line.at, line.what, line.subject] = line

    def result(self) -> Result | None:
        """Return what is known; None when not even the plan came."""
        if self.plan is None:
            return None
        events = sorted(self._events.values(), key=lambda event: event.at)
        seconds = sorted(self._seconds.values(), key=lambda second: second.at)
        return Result(self.plan, seconds, events, self.report)
