"""What a terminal shows while a run lasts: rate, latencies, errors, backends, the last minute."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from loadgen.cluster_notes import IMPORTANT
from loadgen.plan import LoadPlan
from loadgen.quantity import format_duration
from loadgen.report import Progress
from loadgen.results import Event, Second

_BLOCKS: Final = " ▁▂▃▄▅▆▇█"
_BAR: Final = 30
MINUTE: Final = 60
BACKENDS_SHOWN: Final = 10
EVENTS_SHOWN: Final = 6


class Display:
    """Turns one progress after another into a picture."""

    def __init__(self, plan: LoadPlan) -> None:
        self._plan = plan
        self._seconds: deque[Second] = deque(maxlen=MINUTE)

    def picture(self, progress: Progress, events: Sequence[Event]) -> RenderableType:
        """Return what is to be seen now."""
        latest = progress.latest
        if latest is not None and (not self._seconds or self._seconds[-1].at != latest.at):
            self._seconds.append(latest)
        parts: list[RenderableType] = [self._head(progress), self._figures(progress)]
        if progress.errors:
            parts.append(_errors(progress.errors))
        if progress.backends:
            parts.append(_backends(progress.backends))
        shown = [event for event in events if event.what in IMPORTANT][-EVENTS_SHOWN:]
        parts += [_event(event) for event in shown]
        return Group(*parts)

    def _head(self, progress: Progress) -> Text:
        text = Text(f"{self._plan.url}  ", style="bold", no_wrap=True)
        text.append(f"{progress.elapsed_s:.0f} of {self._plan.total_s:.0f} s  ", style="not bold")
        text.append(f"{progress.ok:,} ok  ", style="green")
        text.append(f"{progress.failed:,} failed  ", style="red" if progress.failed else "dim")
        text.append(f"{progress.unfinished:,} under way  ", style="dim")
        if progress.late:
            text.append(f"{progress.late:,} sent late", style="yellow")
        return text

    def _figures(self, progress: Progress) -> Table:
        made = Table.grid(padding=(0, 2))
        seconds = list(self._seconds)
        made.add_row(
            "rate",
            Text(sparkline([second.sent for second in seconds]), style="cyan"),
            f"{progress.rate:,.0f}/s",
        )
        latest = progress.latest
        if latest is not None:
            p50, p99, most = map(format_duration, (latest.p50_s, latest.p99_s, latest.max_s))
            made.add_row(
                "p99",
                Text(sparkline([second.p99_s or 0.0 for second in seconds]), style="magenta"),
                f"{p99}  (p50 {p50}, max {most})",
            )
        if progress.failed:
            made.add_row(
                "failed",
                Text(sparkline([second.failed for second in seconds]), style="red"),
                f"{latest.failed if latest else 0:,}/s",
            )
        return made


def sparkline(values: Sequence[float]) -> str:
    """Return one block for each value, as high as its share of the greatest."""
    most = max(values, default=0)
    if most <= 0:
        return _BLOCKS[0] * len(values)
    steps = len(_BLOCKS) - 1
    return "".join(_BLOCKS[-(-int(1000 * value / most) * steps // 1000)] for value in values)


def _errors(errors: Mapping[str, int]) -> Text:
    return Text("  ".join(f"{kind} {count:,}" for kind, count in errors.items()), style="red")


def _backends(backends: Mapping[str, int]) -> Table:
    made = Table.grid(padding=(0, 2))
    total = sum(backends.values())
    for backend in sorted(backends)[:BACKENDS_SHOWN]:
        share = backends[backend] / total
        made.add_row(backend, Text("█" * round(_BAR * share), style="blue"), f"{100 * share:.1f} %")
    if len(backends) > BACKENDS_SHOWN:
        made.add_row(f"and {len(backends) - BACKENDS_SHOWN} more", "", "")
    return made


def _event(event: Event) -> Text:
    style = "red" if event.what.endswith("-failure") else "yellow"
    return Text(f"{event.what} {event.subject}", style=style, no_wrap=True)
