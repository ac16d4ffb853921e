"""An explanation on a terminal: the chain as rows, each with its gap drawn on the common axis."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from podwire.timeline.explain import Explanation, Part, Step
from podwire.timeline.render import wall
from podwire.timeline.words import milliseconds, style_of

#: Nodes that do the same within one step are told in one row when there are more.
_ROWS_MAX: Final = 4
#: A timer that contributes less to a gap is not named.
_SHOWN_S: Final = 0.002
_BAR_SHARE: Final = 7
_WHAT_MIN: Final = 24
#: Narrower than this a row has no room for its words; with bars it takes `_BARS_FROM`.
WIDTH_MIN: Final = 80
_BARS_FROM: Final = 96
_BAR_MAX: Final = 40
_STYLES: Final = {
    "last-heartbeat": "dim",
    "endpoints-removed": "yellow",
    "programmed": "",
    "endpoint-added": "green",
    "programmed-new": "",
    "first-served": "bold green",
}


def gantt(explanation: Explanation, width: int) -> RenderableType:
    """Return *explanation* for a terminal of *width* columns, `WIDTH_MIN` at least."""
    # On a narrow terminal reasons matter more than bars.
    bar = min(width // _BAR_SHARE, _BAR_MAX) if width >= _BARS_FROM else 1
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), expand=False)
    table.add_column("AFTER", justify="right", no_wrap=True)
    table.add_column("GAP", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True, min_width=bar)
    table.add_column("WHAT", max_width=max(_WHAT_MIN, width // 4), overflow="fold")
    table.add_column("WHERE THE GAP CAME FROM", style="dim")
    whole_s = explanation.whole_s or 1.0
    start = explanation.steps[0].after_s
    for steps in _rows(explanation.steps):
        step = steps[-1]
        began = steps[0].after_s - steps[0].gap_s - start
        table.add_row(
            f"{step.after_s:+.3f} s",
            milliseconds(sum(one.gap_s for one in steps)) if step.gap_s else "",
            _bar(began / whole_s, (step.after_s - start) / whole_s, bar, _style(step)),
            Text(_words(steps), style=_style(step)),
            _reason(steps),
        )
    return Group(_title(explanation), Text(), table, *_missing(explanation))


def _title(explanation: Explanation) -> Text:
    incident = explanation.incident
    words = f"#{incident.number}  {incident.note.subject} {incident.note.what.replace('-', ' ')}"
    title = Text().append(words, style="bold")
    title.append(f" at {wall(incident.note)}", style="dim")
    title.append(f"; {explanation.whole_s:.3f} s from the first line to the last", style="dim")
    return title


def _missing(explanation: Explanation) -> Iterator[Text]:
    if explanation.missing:
        yield Text()
    for one in explanation.missing:
        line = Text().append("  not seen  ", style="yellow")
        line.append(f"{one.step.replace('-', ' ')}: ", style="bold")
        line.append(one.why)
        yield line


def _rows(steps: Sequence[Step]) -> Iterator[list[Step]]:
    """Put together what many nodes did in a row."""
    for (_step, _since), group in groupby(steps, key=lambda s: (s.moment.step, s.moment.since)):
        same = list(group)
        if len(same) > _ROWS_MAX:
            yield same
        else:
            yield from ([one] for one in same)


def _words(steps: Sequence[Step]) -> str:
    if len(steps) == 1:
        return steps[0].moment.text
    waits = [step.waited_s or 0.0 for step in steps]
    return f"{len(steps)} nodes programmed within {milliseconds(max(waits))}"


def _style(step: Step) -> str:
    return _STYLES.get(step.moment.step, style_of(step.moment.step))


def _bar(began: float, ended: float, width: int, style: str) -> Text:
    first = min(int(began * width), width - 1)
    last = max(first + 1, min(round(ended * width), width))
    return Text(" " * first + "█" * (last - first), style=style or "blue")


def _reason(steps: Sequence[Step]) -> Text:
    """Return the timers of a gap with their settings, then the work, then what is left."""
    step = steps[-1]
    out = Text()
    for part in step.parts:
        if part.seconds >= _SHOWN_S:
            _join(out, _timer(part))
    if step.work_s >= _SHOWN_S and step.moment.work:
        _join(out, Text(f"{step.moment.work}: {milliseconds(step.work_s)}"))
    if step.unexplained_s:
        usual = f" ({step.moment.work}: usually less)" if step.moment.work else ""
        left = Text().append(f"{milliseconds(step.unexplained_s)} unexplained", style="bold red")
        _join(out, left.append(usual))
    return out


def _timer(part: Part) -> Text:
    running = part.running
    bound = "up to " if running.at_most else ""
    words = Text().append(running.timer.name, style="bold")
    words.append(f" {bound}{running.setting_s:g} s (upstream {running.timer.default_s:g} s)")
    words.append(f": {milliseconds(part.seconds)}")
    return words


def _join(out: Text, more: Text) -> None:
    if out:
        out.append("; ")
    out.append_text(more)
