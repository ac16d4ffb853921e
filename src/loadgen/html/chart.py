"""The parts of a chart: a frame with its axes and legend, lines, and stacked areas, as SVG.

Colours are classes, `page.css` knows them: so one drawing serves light, dark and paper.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from loadgen.html.markup import Markup, join, number, tag
from loadgen.html.scale import Scale, Tick

#: The width of every chart in its own units; the page scales it.
WIDTH: Final = 1000.0
LEFT: Final = 72.0
RIGHT: Final = WIDTH - 12.0

#: What lies above each panel for its title.
HEAD: Final = 30.0
#: What a character of a label takes: about right for 11 units of any sans-serif.
CHARACTER: Final = 6.5
_SWATCH: Final = 12.0
_LEGEND_GAP: Final = 14.0
_LEGEND_TEXT_MAX: Final = 30
_LEGEND_ROW: Final = 16.0

Values = Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Key:
    """One entry of a legend."""

    label: str
    class_: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One chart among those that share a time axis."""

    title: str
    top: float
    height: float
    keys: Sequence[Key] = ()

    @property
    def bottom(self) -> float:
        return self.top + self.height


def frame(panel: Panel, y: Scale, ticks: Sequence[Tick]) -> Markup:
    """Return the panel's title, legend, and a line and label for each of its *ticks*."""
    lines = [
        join(
            [
                tag("line", x1=LEFT, x2=RIGHT, y1=y(tick.value), y2=y(tick.value), class_="grid"),
                text(LEFT - 6, y(tick.value) + 4, tick.label, class_="label", anchor="end"),
            ]
        )
        for tick in ticks
    ]
    title_y = panel.top - 8 - (head_height(panel.title, panel.keys) - HEAD)
    title = text(LEFT, title_y, panel.title, class_="panel-title")
    return join([title, *_legend(panel), *lines])


def _legend(panel: Panel) -> list[Markup]:
    """Return the keys: at the right end of the title's line, or in lines below the title."""
    rows = legend_rows(panel.title, panel.keys)
    parts: list[Markup] = []
    beside = len(rows) == 1 and _fits_beside(panel.title, rows[0])
    for index, row in enumerate(rows):
        x = RIGHT - sum(map(_key_width, row)) if beside else LEFT
        y = panel.top - 8 - (len(rows) - 1 - index) * _LEGEND_ROW
        for key in row:
            parts += _key(key, x, y)
            x += _key_width(key)
    return parts


def _key(key: Key, x: float, y: float) -> list[Markup]:
    class_ = f"swatch {key.class_}"
    return [
        tag("rect", x=x, y=y - 9, width=_SWATCH, height=10.0, rx=2, class_=class_),
        text(x + _SWATCH + 4, y, shortened(key.label, _LEGEND_TEXT_MAX), class_="label"),
    ]


def _key_width(key: Key) -> float:
    shown = min(len(key.label), _LEGEND_TEXT_MAX)
    return _SWATCH + 4 + shown * CHARACTER + _LEGEND_GAP


def _fits_beside(title: str, row: Sequence[Key]) -> bool:
    # Titles are set larger and bold.
    return LEFT + len(title) * CHARACTER * 1.3 + sum(map(_key_width, row)) < RIGHT


def legend_rows(title: str, keys: Sequence[Key]) -> list[list[Key]]:
    """Return *keys* in the lines that they need: one if they fit beside *title*."""
    if _fits_beside(title, keys):
        return [list(keys)]
    rows: list[list[Key]] = [[]]
    for key in keys:
        if rows[-1] and LEFT + sum(map(_key_width, [*rows[-1], key])) > RIGHT:
            rows.append([])
        rows[-1].append(key)
    return rows


def head_height(title: str, keys: Sequence[Key]) -> float:
    """Return what lies above a panel: its title, and its legend where that does not fit beside."""
    rows = legend_rows(title, keys)
    return HEAD if _fits_beside(title, keys) else HEAD + len(rows) * _LEGEND_ROW


def text(x: float, y: float, words: str, *, class_: str, anchor: str | None = None) -> Markup:
    """Return a text."""
    return tag("text", words, x=x, y=y, class_=class_, text_anchor=anchor)


def shortened(words: str, length_max: int) -> str:
    """Return *words*, or their beginning and an ellipsis."""
    return words if len(words) <= length_max else words[: length_max - 1] + "…"


def line(points: Sequence[float], values: Values, y: Scale, class_: str) -> Markup:
    """Return a line through *values*; where one is missing there is a gap, not a guess."""
    parts: list[str] = []
    pieces: list[str] = []
    for x, value in [*zip(points, values, strict=True), (0.0, None)]:
        if value is not None:
            pieces.append(f"{number(x)} {number(y(value))}")
        elif pieces:
            # A lone point is a line of no length, which round caps make a dot.
            parts.append("M" + "L".join(pieces if len(pieces) > 1 else pieces * 2))
            pieces = []
    return tag("path", d="".join(parts), class_=f"line {class_}")


def areas(
    edges: Sequence[float], layers: Sequence[tuple[str, Sequence[float]]], y: Scale
) -> Markup:
    """Return *layers* (class and values) stacked in steps; value i lies from edge i to i + 1."""
    below = [0.0] * (len(edges) - 1)
    parts = []
    for class_, values in layers:
        above = [low + value for low, value in zip(below, values, strict=True)]
        parts.append(tag("path", d=_steps(edges, below, above, y), class_=f"area {class_}"))
        below = above
    return join(parts)


def _steps(edges: Sequence[float], below: Sequence[float], above: Sequence[float], y: Scale) -> str:
    """Return one outline for each stretch in which the layer is not empty."""
    parts, first = [], 0
    while first < len(above):
        last = first
        while last < len(above) and above[last] > below[last]:
            last += 1
        if last > first:
            there = _walk(edges, above, y, range(first, last))
            back = _walk(edges, below, y, range(first, last))
            parts.append(f"M{'L'.join([*there, *reversed(back)])}Z")
        first = last + 1
    return "".join(parts)


def _walk(edges: Sequence[float], heights: Sequence[float], y: Scale, indices: range) -> list[str]:
    """Return the corners of a staircase; a step that stays level has none."""
    corners: list[str] = []
    level: float | None = None
    for index in indices:
        if heights[index] != level:
            if level is not None:
                corners.append(f"{number(edges[index])} {number(y(level))}")
            level = heights[index]
            corners.append(f"{number(edges[index])} {number(y(level))}")
    assert level is not None
    corners.append(f"{number(edges[indices[-1] + 1])} {number(y(level))}")
    return corners
