"""The percentile spectrum: every percentile up to p99.99, corrected and uncorrected.

The axis is HdrHistogram's: each nine has the same width, so that the slow one of ten thousand has
as much room as the usual ones. Where the curves part, requests waited before they were sent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from loadgen.histogram import Histogram
from loadgen.html import chart
from loadgen.html.chart import LEFT, RIGHT, Key, Panel
from loadgen.html.markup import Markup, tag
from loadgen.html.scale import Scale, decade_ticks
from loadgen.quantity import format_duration

_NINES_MAX: Final = 4.0
_STEPS_PER_NINE: Final = 24
_TICKS: Final = (0.0, 50.0, 90.0, 99.0, 99.9, 99.99)


def spectrum_svg(corrected: Histogram, uncorrected: Histogram | None) -> Markup:
    """Return the drawing; *corrected* must hold something."""
    keys = [Key("corrected", "spectrum-corrected")]
    curves = [("spectrum-corrected", _curve(corrected))]
    if uncorrected is not None and uncorrected.count:
        keys.append(Key("uncorrected", "spectrum-uncorrected"))
        curves.append(("spectrum-uncorrected", _curve(uncorrected)))
    panel = Panel(title="Latency by percentile, logarithmic", top=30, height=260, keys=keys)
    values = [value for _, curve in curves for value in curve]
    x = Scale(0.0, _NINES_MAX, LEFT, RIGHT)
    y = Scale(min(values) * 0.9, max(values) * 1.1, panel.bottom, panel.top, logarithmic=True)
    points = [x(index / _STEPS_PER_NINE) for index in range(len(curves[0][1]))]
    lines = [chart.line(points, curve, y, class_) for class_, curve in curves]
    return tag(
        "svg",
        *_percentile_axis(x, panel),
        chart.frame(panel, y, decade_ticks(y.low, y.high)),
        *reversed(lines),
        viewBox=f"0 0 {chart.WIDTH:.0f} {panel.bottom + 26:.0f}",
        class_="chart",
        role="img",
        aria_label=f"Latency by percentile, from {format_duration(min(values))} to "
        f"{format_duration(max(values))}. The table of latencies has the values.",
    )


def _curve(histogram: Histogram) -> list[float]:
    """Return the latency at each step towards four nines, in seconds."""
    percents = [
        100 * (1 - 10 ** -(index / _STEPS_PER_NINE))
        for index in range(int(_NINES_MAX * _STEPS_PER_NINE) + 1)
    ]
    return [value or 1e-6 for value in histogram.percentiles(percents)]


def _percentile_axis(x: Scale, panel: Panel) -> Sequence[Markup]:
    parts = []
    for percent in _TICKS:
        at = x(_nines(percent))
        anchor = "end" if at > RIGHT - 20 else "middle"
        words = f"p{percent:g}"
        parts.append(tag("line", x1=at, x2=at, y1=panel.top, y2=panel.bottom + 4, class_="grid"))
        parts.append(chart.text(at, panel.bottom + 18, words, class_="label", anchor=anchor))
    return parts


def _nines(percent: float) -> float:
    return -math.log10(1 - percent / 100)
