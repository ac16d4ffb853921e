"""The tables of a page: everything that is drawn is also written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from loadgen.html.marks import lane_of
from loadgen.html.markup import Markup, tag
from loadgen.html.rows import QUANTILES, Happening, Row, Timeline
from loadgen.html.scale import clock_text
from loadgen.quantity import NOTHING, format_duration, format_share
from loadgen.results import PlanLine, Report
from loadgen.thresholds import measured

EVENTS_MAX: Final = 2000
BACKENDS_MAX: Final = 64
_DETAIL_MAX: Final = 300
_LATENCIES: Final = ("p50", "p90", "p99", "p99.9", "p99.99", "max", "mean")


def table(
    heads: Sequence[str], rows: Iterable[Sequence[str]], *, caption: str, **attributes: str
) -> Markup:
    """Return a table whose first column heads its rows."""
    head = tag("tr", *(tag("th", each, scope="col") for each in heads))
    body = [tag("tr", tag("th", row[0], scope="row"), *_cells(row[1:])) for row in rows]
    return _table(head, body, caption, attributes)


def _table(
    head: Markup, body: Sequence[Markup], caption: str, attributes: Mapping[str, str]
) -> Markup:
    inner = tag(
        "table",
        tag("caption", caption, class_="unseen"),
        tag("thead", head),
        tag("tbody", *body),
        **attributes,
    )
    return tag("div", inner, class_="wide")


def _cells(texts: Iterable[str]) -> list[Markup]:
    return [tag("td", text) for text in texts]


def latencies(report: Report) -> Markup:
    """Return percentiles, corrected and uncorrected side by side."""
    rows = [
        (
            name,
            format_duration(report.latency_s.get(name)),
            format_duration(report.uncorrected_s.get(name)),
            _ratio(report.latency_s.get(name), report.uncorrected_s.get(name)),
        )
        for name in _LATENCIES
        if name in report.latency_s
    ]
    heads = ("Latency", "corrected", "uncorrected", "ratio")
    return table(heads, rows, caption="Latency percentiles", class_="short")


def _ratio(over: float | None, under: float | None) -> str:
    return f"{over / under:,.2f}" if over is not None and under else NOTHING


def outcomes(report: Report) -> Markup:
    """Return how many requests ended how."""
    rows = [("succeeded", report.ok), *report.errors.items()]
    if report.unfinished:
        rows.append(("unfinished", report.unfinished))
    shown = [(name, f"{count:,}", format_share(count, report.sent)) for name, count in rows]
    return table(
        ("Outcome", "requests", "share"), shown, caption="Outcomes of requests", class_="short"
    )


def backends(report: Report) -> Markup:
    """Return who answered, the busiest first."""
    ranked = sorted(report.backends.items(), key=lambda item: -item[1])
    total = sum(report.backends.values())
    most = ranked[0][1]
    rows = [
        (name, f"{count:,}", format_share(count, total), _bar(count / most))
        for name, count in ranked[:BACKENDS_MAX]
    ]
    rest = ranked[BACKENDS_MAX:]
    if rest:
        left = sum(count for _, count in rest)
        rows.append((f"and {len(rest)} more", f"{left:,}", format_share(left, total), Markup()))
    heads = ("Backend", "answers", "share", "")
    return table(heads, rows, caption="Answers by backend", class_="short")


def _bar(filled: float) -> Markup:
    inner = tag("i", style=f"width:{100 * filled:.1f}%")
    return tag("span", inner, class_="bar", aria_hidden="true")


def thresholds(report: Report) -> Markup:
    """Return the verdict of each threshold."""
    rows = []
    for verdict in report.thresholds:
        class_, word = ("bad", "✗ crossed") if verdict.failed else ("good", "✓ held")
        rows.append((verdict.threshold, measured(verdict), tag("strong", word, class_=class_)))
    heads = ("Fail if", "measured", "verdict")
    return table(heads, rows, caption="Thresholds", class_="short")


def events(happenings: Sequence[Happening]) -> Markup:
    """Return every event, to be found again under the marks."""
    body = [
        tag(
            "tr",
            tag("td", clock_text(event.at_s), class_="nowrap"),
            tag("td", tag("span", lane_of(event.what), class_=f"lane-{lane_of(event.what)}")),
            tag("td", event.what, class_="nowrap"),
            tag("td", event.subject),
            tag("td", event.process),
            tag("td", _details(event.details), class_="soft"),
            data_at=f"{event.at_s:.3f}",
        )
        for event in happenings[:EVENTS_MAX]
    ]
    heads = ("Time", "Lane", "What", "Subject", "Noted by", "Details")
    head = tag("tr", *(tag("th", each, scope="col") for each in heads))
    return _table(head, body, "Events of the cluster", {"id": "events", "class_": "words"})


def _details(details: Mapping[str, object]) -> str:
    words = [f"{name} {_written(value)}" for name, value in details.items()]
    return ", ".join(words)[:_DETAIL_MAX]


def _written(value: object) -> str:
    if isinstance(value, float):
        return f"{value:g}" if abs(value) < 1e6 else f"{value:.3f}"
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def seconds(timeline: Timeline) -> Markup:
    """Return the values behind the drawing; the page's script reads them, too."""
    width = timeline.rows[0].width_s if timeline.rows else 1
    heads = [
        *("Time", "intended", "succeeded", *timeline.error_kinds),
        *(*QUANTILES, "sent late", "loop lag", *timeline.backends),
    ]
    head = tag("tr", *(tag("th", each, scope="col") for each in heads))
    body = [_second(row, timeline) for row in timeline.rows]
    caption = f"Requests for each {clock_text(width)} of the run"
    return _table(head, body, caption, {"id": "seconds"})


def _second(row: Row, timeline: Timeline) -> Markup:
    texts = [
        clock_text(row.at_s),
        *map(str, (row.sent, row.ok)),
        *(str(row.errors.get(kind, 0)) for kind in timeline.error_kinds),
        *map(format_duration, row.latencies),
        *(str(row.late), format_duration(row.lag_max_s)),
        *(str(row.backends.get(name, 0)) for name in timeline.backends),
    ]
    return tag("tr", *_cells(texts), data_at=f"{row.at_s:.3f}")


def plan(line: PlanLine) -> Markup:
    """Return what was asked for, every field that says something."""
    fields: dict[str, object] = msgspec.to_builtins(line.plan)
    rows = [(name, _written(value)) for name, value in fields.items() if value not in ("", [])]
    rows += [("host", line.host), ("result version", str(line.version))]
    return table(("Field", "value"), rows, caption="The plan", class_="words short")
