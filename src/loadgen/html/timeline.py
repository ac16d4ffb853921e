"""One drawing of the run: events, throughput, errors, latency and shares over one time axis.

Panels that share an axis are read against each other: what the cluster did stands above what
the client felt at that moment. A panel without anything to show is left out.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from loadgen.html import chart, marks
from loadgen.html.chart import LEFT, RIGHT, Key, Panel, text
from loadgen.html.markup import Markup, join, tag
from loadgen.html.rows import QUANTILES, Row, Timeline
from loadgen.html.scale import (
    Scale,
    clock_text,
    decade_ticks,
    linear_ticks,
    time_ticks,
)
from loadgen.quantity import format_duration

_LANE_HEIGHT: Final = 20.0
_TIME_TICKS_MAX: Final = 12
_VALUE_TICKS_MAX: Final = 4
#: From here on a linear axis would press the usual latencies into its lowest line.
_LOGARITHMIC_FROM: Final = 20.0
#: Lanes whose marks are drawn through the panels below: what a client may have felt. All of them
#: if the lines are few; of many lines only those of the first lanes.
_LANES_DRAWN_THROUGH: Final = ("faults", "nodes", "endpoints")
_LINES_MAX: Final = 24
COLOURS: Final = 8
#: In the order of the colours of `page.css`.
_USUAL_ERRORS: Final = (
    "refused", "timeout", "reset", "closed", "http-5xx", "dropped", "late", "http-4xx",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Axis:
    """The time axis, and the edges and middles of the rows on it."""

    x: Scale
    edges: Sequence[float]
    middles: Sequence[float]

    @classmethod
    def of(cls, timeline: Timeline) -> _Axis:
        x = Scale(0.0, timeline.span_s, LEFT, RIGHT)
        starts = [row.at_s for row in timeline.rows]
        edges = [x(at) for at in (*starts, timeline.span_s)]
        return cls(x, edges, [(a + b) / 2 for a, b in itertools.pairwise(edges)])


class _Drawing:
    """Collects panels from top to bottom."""

    def __init__(self, timeline: Timeline) -> None:
        self.timeline, self.axis = timeline, _Axis.of(timeline)
        self.parts: list[Markup] = []
        self.bottom = 0.0

    def panel(self, title: str, height: float, keys: Sequence[Key] = ()) -> Panel:
        """Return the next panel, with a place below those that are there."""
        top = self.bottom + chart.head_height(title, keys)
        panel = Panel(title=title, top=top, height=height, keys=keys)
        self.bottom = panel.bottom
        return panel

    def add(self, panel: Panel, words: str, *parts: Markup) -> None:
        """Draw *parts* as what *words* say to somebody who does not see them."""
        label = f"{panel.title}. {words}"
        self.parts.append(tag("g", *parts, role="img", aria_label=label))


def timeline_svg(timeline: Timeline) -> Markup:
    """Return the drawing; *timeline* must have rows."""
    drawing = _Drawing(timeline)
    through = _add_events(drawing)
    panels_top = drawing.bottom
    _add_throughput(drawing)
    _add_errors(drawing)
    _add_latency(drawing)
    _add_shares(drawing)
    axis = _time_axis(drawing, panels_top)
    height = drawing.bottom + 26
    return tag(
        "svg",
        *axis,
        *(_line_down(mark, y, drawing.bottom) for mark, y in through),
        *drawing.parts,
        tag("line", x1=0, x2=0, y1=0, y2=drawing.bottom, class_="cursor", id="cursor"),
        viewBox=f"0 0 {chart.WIDTH:.0f} {height:.0f}",
        class_="chart",
        id="timeline",
        data_left=LEFT,
        data_right=RIGHT,
        data_span=f"{timeline.span_s:.3f}",
        role="group",
        aria_label="The run over time. The same values are in the table of seconds below.",
    )


def _time_axis(drawing: _Drawing, top: float) -> list[Markup]:
    parts = []
    for tick in time_ticks(drawing.timeline.span_s, _TIME_TICKS_MAX):
        x = drawing.axis.x(tick.value)
        anchor = "end" if x > RIGHT - 20 else "middle"
        parts.append(tag("line", x1=x, x2=x, y1=top, y2=drawing.bottom + 4, class_="grid"))
        parts.append(text(x, drawing.bottom + 18, tick.label, class_="label", anchor=anchor))
    return parts


def _add_events(drawing: _Drawing) -> list[tuple[marks.Mark, float]]:
    """Draw one lane for each kind of event that there is; return what is drawn through panels."""
    x, span_s = drawing.axis.x, drawing.timeline.span_s
    noted = [
        marks.Noted(x(event.at_s), event.at_s, event.what, event.subject)
        for event in drawing.timeline.events
        if 0 <= event.at_s <= span_s
    ]
    found = marks.marks(noted, RIGHT)
    lanes = list(dict.fromkeys(mark.lane for mark in found))
    if not lanes:
        return []
    panel = drawing.panel("Events of the cluster", _LANE_HEIGHT * len(lanes))
    heights = {lane: panel.top + (i + 0.5) * _LANE_HEIGHT for i, lane in enumerate(lanes)}
    parts = [text(LEFT, panel.top - 8, panel.title, class_="panel-title")]
    for lane, y in heights.items():
        parts.append(text(LEFT - 12, y + 4, lane, class_="label", anchor="end"))
        parts.append(tag("line", x1=LEFT, x2=RIGHT, y1=y, y2=y, class_="lane"))
    parts += [_mark(mark, heights[mark.lane]) for mark in found]
    drawing.add(panel, f"{len(noted)} events, listed in the table of events.", *parts)
    return [(mark, heights[mark.lane]) for mark in _drawn_through(found)]


def _drawn_through(found: Sequence[marks.Mark]) -> list[marks.Mark]:
    chosen: list[marks.Mark] = []
    for lane in _LANES_DRAWN_THROUGH:
        more = [mark for mark in found if mark.lane == lane]
        if chosen and len(chosen) + len(more) > _LINES_MAX:
            break
        chosen += more
    return chosen


def _mark(mark: marks.Mark, y: float) -> Markup:
    """Return one mark: a dot, or a larger one with a count, and its label."""
    lines = [f"{clock_text(each.at_s)}  {each.what} {each.subject}" for each in mark.events[:12]]
    if mark.count > len(lines):
        lines.append(f"and {mark.count - len(lines)} more")
    radius = 4.0 if mark.count == 1 else 7.0
    parts = [
        tag("title", "\n".join(lines)),
        tag("circle", cx=mark.x, cy=y, r=radius),
    ]
    if mark.count > 1:
        shown = str(mark.count) if mark.count < 100 else "99+"
        parts.append(text(mark.x, y + 3, shown, class_="count", anchor="middle"))
    if mark.label:
        label_x = mark.x + radius + 4
        parts.append(text(label_x, y + 4, mark.label, class_="label event-label"))
    return tag("g", *parts, class_=f"mark lane-{mark.lane}")


def _line_down(mark: marks.Mark, top: float, bottom: float) -> Markup:
    return tag("line", x1=mark.x, x2=mark.x, y1=top, y2=bottom, class_=f"event lane-{mark.lane}")


def _per_second(row: Row, count: int) -> float:
    return count / row.width_s


def _add_throughput(drawing: _Drawing) -> None:
    rows = drawing.timeline.rows
    sent = [_per_second(row, row.sent) for row in rows]
    ok = [_per_second(row, row.ok) for row in rows]
    keys = [Key("intended", "intended"), Key("succeeded", "ok")]
    if any(row.generator_was_late for row in rows):
        keys.append(Key("loadgen itself was late", "late"))
    panel = drawing.panel("Throughput, requests per second", 150, keys)
    y, frame = _counting(panel, max([*sent, *ok, 1.0]))
    middles = drawing.axis.middles
    drawing.add(
        panel,
        f"Intended up to {max(sent):,.0f}, succeeded {min(ok):,.0f} to {max(ok):,.0f}.",
        frame,
        chart.areas(drawing.axis.edges, [("ok", ok)], y),
        _late_bands(drawing, panel),  # Over the area, which would hide them.
        chart.line(middles, sent, y, "intended"),
    )


def _counting(panel: Panel, high: float) -> tuple[Scale, Markup]:
    ticks = linear_ticks(high, _VALUE_TICKS_MAX)
    y = Scale(0.0, ticks[-1].value, panel.bottom, panel.top)
    return y, chart.frame(panel, y, ticks)


def _late_bands(drawing: _Drawing, panel: Panel) -> Markup:
    """Return what says that in these seconds the generator, not the server, was slow."""
    edges = drawing.axis.edges
    return join(
        [
            tag(
                "rect",
                x=edges[index],
                y=panel.top,
                width=edges[index + 1] - edges[index],
                height=panel.height,
                class_="late",
            )
            for index, row in enumerate(drawing.timeline.rows)
            if row.generator_was_late
        ]
    )


def _add_errors(drawing: _Drawing) -> None:
    timeline, rows = drawing.timeline, drawing.timeline.rows
    kinds = timeline.error_kinds
    if not kinds:
        return
    keys = [Key(kind, f"e{colour}") for kind, colour in _error_colours(kinds).items()]
    layers = [
        (key.class_, [_per_second(row, row.errors.get(key.label, 0)) for row in rows])
        for key in keys
    ]
    high = max(map(sum, zip(*(values for _, values in layers), strict=True)))
    panel = drawing.panel("Errors per second", 100, keys)
    y, frame = _counting(panel, max(high, 0.1))
    drawing.add(
        panel,
        f"At most {high:,.1f}; kinds: {', '.join(kinds)}.",
        frame,
        chart.areas(drawing.axis.edges, layers, y),
        *_outage(drawing, panel),
    )


def _error_colours(kinds: Sequence[str]) -> dict[str, int]:
    """Return a colour for each kind: for the usual ones the same in every run."""
    known = {kind: _USUAL_ERRORS.index(kind) for kind in kinds if kind in _USUAL_ERRORS}
    left = [colour for colour in range(COLOURS) if colour not in known.values()]
    return {kind: known[kind] if kind in known else left.pop() for kind in kinds}


def _outage(drawing: _Drawing, panel: Panel) -> list[Markup]:
    """Return the bracket from the first failure to the last."""
    outage = drawing.timeline.outage
    if outage is None:
        return []
    start, end = drawing.axis.x(outage.first_s), drawing.axis.x(outage.last_s)
    y = panel.top - 2
    words = f"{format_duration(outage.last_s - outage.first_s)} from first to last failure"
    width = len(words) * chart.CHARACTER + 6
    if end + width < RIGHT:
        place, height, anchor = end + 6, y + 7, "start"
    elif start - width > LEFT:
        place, height, anchor = start - 6, y + 7, "end"
    else:  # Under the bracket: there is no room beside it.
        place, height, anchor = start + 6, y + 16, "start"
    return [
        tag("path", d=f"M{start:.1f} {y + 5}V{y}H{end:.1f}V{y + 5}", class_="outage"),
        text(place, height, words, class_="label", anchor=anchor),
    ]


def _add_latency(drawing: _Drawing) -> None:
    rows = drawing.timeline.rows
    seen = [value for row in rows for value in row.latencies if value is not None]
    if not seen:
        return
    keys = [Key(name, f"q{index}") for index, name in enumerate(QUANTILES)]
    panel = drawing.panel("Latency from the intended moment (corrected)", 190, keys)
    logarithmic = max(seen) > _LOGARITHMIC_FROM * max(min(seen), 1e-6)
    if logarithmic:
        panel = replace(panel, title=f"{panel.title}, logarithmic")
    y, frame = latency_axis(panel, min(seen), max(seen), logarithmic=logarithmic)
    lines = [
        chart.line(drawing.axis.middles, [row.latencies[index] for row in rows], y, key.class_)
        for index, key in enumerate(keys)
    ]
    drawing.add(
        panel,
        f"From {format_duration(min(seen))} to {format_duration(max(seen))}.",
        _late_bands(drawing, panel),
        frame,
        *reversed(lines),
    )


def latency_axis(
    panel: Panel, low: float, high: float, *, logarithmic: bool
) -> tuple[Scale, Markup]:
    """Return the scale and the frame of a panel that shows latencies."""
    if not logarithmic:
        ticks = linear_ticks(max(high, 1e-6), _VALUE_TICKS_MAX, format_duration)
        y = Scale(0.0, ticks[-1].value, panel.bottom, panel.top)
        return y, chart.frame(panel, y, ticks)
    y = Scale(max(low, 1e-6) * 0.9, max(high, 2e-6) * 1.1, panel.bottom, panel.top, True)
    return y, chart.frame(panel, y, decade_ticks(y.low, y.high))


def _add_shares(drawing: _Drawing) -> None:
    """Draw how the answers of each moment were shared; errors without a backend are not in it."""
    timeline, rows = drawing.timeline, drawing.timeline.rows
    if not timeline.backends:
        return
    keys = [Key(name, f"b{index % COLOURS}") for index, name in enumerate(timeline.backends)]
    layers = [
        (key.class_, [_share(row, row.backends.get(key.label, 0)) for row in rows]) for key in keys
    ]
    panel = drawing.panel("Share of answers by backend", 110, keys)
    ticks = linear_ticks(1.0, 2, lambda value: f"{100 * value:.0f} %")
    y = Scale(0.0, 1.0, panel.bottom, panel.top)
    drawing.add(
        panel,
        f"{len(timeline.backends)} backends, totals in the table of backends.",
        chart.frame(panel, y, ticks),
        chart.areas(drawing.axis.edges, layers, y),
    )


def _share(row: Row, count: int) -> float:
    total = sum(row.backends.values())
    return count / total if total else 0.0
