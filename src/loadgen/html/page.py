"""The report as one HTML page that needs nothing beside itself.

No network, no font, no library: a file that can be mailed, printed and opened in ten years. What
must be known before any number is believed (INVALID, cut short, thresholds) stands first.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from typing import Final

from loadgen.html import tables
from loadgen.html.markup import Markup, tag, verbatim
from loadgen.html.rows import Timeline, timeline_of
from loadgen.html.scale import clock_text
from loadgen.html.spectrum import spectrum_svg
from loadgen.html.timeline import timeline_svg
from loadgen.quantity import format_duration, format_share
from loadgen.results import Report, Result
from loadgen.summary import histogram_of, report_of

#: So many events are shown without being asked for.
_EVENTS_OPEN_MAX: Final = 60

_ABOUT: Final = (
    "Requests leave at the moments that the plan intended, whatever the answers do (open loop). "
    "Corrected latency counts from the intended moment, uncorrected from the actual sending: "
    "where they differ, requests waited in loadgen, as users would have waited."
)


def render(result: Result, started: str) -> str:
    """Return the page; *started* is when the run began, for people."""
    report = report_of(result)
    timeline = timeline_of(result, report)
    parts = [
        _head(result, report, started),
        _verdict(result, report),
        _figures(report),
        _over_time(timeline),
        _spectrum(report),
        _details(report),
        _events(timeline),
        _appendix(result, timeline),
    ]
    mark = "INVALID: " if report.invalid_reasons else ""
    title = tag("title", f"{mark}Load on {report.url}")
    return "<!doctype html>\n" + tag(
        "html",
        tag(
            "head",
            tag("meta", charset="utf-8"),
            tag("meta", name_="viewport", content="width=device-width, initial-scale=1"),
            title,
            verbatim("style", _own("page.css")),
        ),
        tag("body", tag("main", *parts), verbatim("script", _own("page.js"))),
        lang="en",
    )


def _own(name: str) -> str:
    return resources.files("loadgen.html").joinpath(name).read_text("utf-8")


def _head(result: Result, report: Report, started: str) -> Markup:
    plan = result.plan.plan
    asked = f"{plan.method} {plan.protocol}".strip()
    words = (
        f"{asked}, {report.rate_asked:,.1f} requests/s ({report.arrival}) "
        f"for {clock_text(plan.duration_s)}, begun {started} on {result.plan.host}"
    )
    return tag("header", tag("h1", "Load on ", tag("code", report.url)), tag("p", words))


def _verdict(result: Result, report: Report) -> Markup:
    """Return what the run is worth, the gravest first."""
    boxes = []
    if report.invalid_reasons:
        words = "INVALID: these numbers measure loadgen, not the server."
        boxes.append(_box("invalid", words, report.invalid_reasons))
    if result.report is None:
        words = "Cut short: the run was killed, or is still under way."
        missing = "Uncorrected latency and thresholds are in a report of the end only."
        boxes.append(_box("warned", words, [missing]))
    if report.stopped:
        boxes.append(_box("warned", "Stopped before its end.", []))
    crossed = [verdict.threshold for verdict in report.thresholds if verdict.failed]
    if crossed:
        boxes.append(_box("failed", "Thresholds were crossed.", crossed))
    elif report.thresholds:
        boxes.append(_box("held", "All thresholds held.", []))
    if report.failed:
        boxes.append(_box("failed", f"{report.failed:,} of {report.sent:,} requests failed.", []))
    elif report.sent:
        boxes.append(_box("held", "No request failed.", []))
    else:
        boxes.append(_box("warned", "Nothing was sent.", []))
    warnings = [text for text in report.warnings if result.report is not None]
    if warnings:
        boxes.append(_box("warned", "Mind that", warnings))
    return tag("section", *boxes, aria_label="Verdict")


def _box(class_: str, words: str, reasons: Sequence[str]) -> Markup:
    listed = tag("ul", *(tag("li", reason) for reason in reasons)) if reasons else Markup()
    return tag("div", tag("strong", words), listed, class_=f"verdict {class_}", role="note")


def _figures(report: Report) -> Markup:
    p = report.latency_s.get
    figures = [
        ("Requests", f"{report.sent:,}", f"{report.rate_achieved:,.1f}/s achieved"),
        ("Succeeded", format_share(report.ok, report.sent), f"{report.ok:,}"),
        ("Failed", f"{report.failed:,}", format_share(report.failed, report.sent)),
        ("p50", format_duration(p("p50")), _beside(report, "p50")),
        ("p99", format_duration(p("p99")), _beside(report, "p99")),
        ("p99.9", format_duration(p("p99.9")), _beside(report, "p99.9")),
        ("Worst", format_duration(p("max")), _beside(report, "max")),
    ]
    if report.outage is not None:
        lost = f"{report.outage.lost:,} requests lost"
        figures.append(("Outage", format_duration(report.outage.length_s), lost))
    if report.fairness is not None and len(report.backends) > 1:
        of = f"of {len(report.backends)} backends; 1 is even"
        figures.append(("Fairness", f"{report.fairness:.3f}", of))
    shown = [
        tag("div", tag("dt", name), tag("dd", value, tag("small", below)))
        for name, value, below in figures
    ]
    return tag("dl", *shown, class_="figures")


def _beside(report: Report, name: str) -> str:
    value = report.uncorrected_s.get(name)
    return "" if value is None else f"uncorrected {format_duration(value)}"


def _over_time(timeline: Timeline) -> Markup:
    heading = tag("h2", "Over time")
    if not timeline.rows:
        words = "There is no second to draw: the run ended before its first request."
        return tag("section", heading, tag("p", words))
    width = timeline.rows[0].width_s
    words = "All panels share one time axis; each second is that of the intended moments."
    if width > 1:
        words += f" Each point stands for {clock_text(width)}."
    figure = tag(
        "figure",
        tag("div", timeline_svg(timeline), class_="wide"),
        tag("div", id="values", aria_hidden="true"),
        tag("figcaption", words),
    )
    return tag("section", heading, figure)


def _spectrum(report: Report) -> Markup:
    corrected = histogram_of([report.histogram])
    if not corrected.count:
        return Markup()
    drawing = spectrum_svg(corrected, histogram_of([report.uncorrected_histogram]))
    words = f"{_ABOUT} {corrected.count:,} latencies, those of requests in vain among them."
    figure = tag("figure", tag("div", drawing, class_="wide"), tag("figcaption", words))
    return tag("section", tag("h2", "Latency"), figure)


def _details(report: Report) -> Markup:
    parts = [tag("div", tag("h2", "Outcomes"), tables.outcomes(report))]
    if report.latency_s:
        parts.insert(0, tag("div", tag("h2", "Percentiles"), tables.latencies(report)))
    if report.thresholds:
        parts.append(tag("div", tag("h2", "Thresholds"), tables.thresholds(report)))
    if report.backends:
        parts.append(tag("div", tag("h2", "Backends"), tables.backends(report)))
    return tag("section", *parts, class_="columns")


def _events(timeline: Timeline) -> Markup:
    count = len(timeline.events)
    if not count:
        return Markup()
    shown = min(count, tables.EVENTS_MAX)
    words = f"{count:,} events" if shown == count else f"The first {shown:,} of {count:,} events"
    listed = tag(
        "details",
        tag("summary", words),
        tag("div", tables.events(timeline.events), class_="long"),
        open=count <= _EVENTS_OPEN_MAX,
    )
    return tag("section", tag("h2", "Events of the cluster"), listed)


def _appendix(result: Result, timeline: Timeline) -> Markup:
    late = f"{report_of(result).late:,}"
    lag = format_duration(report_of(result).lag_max_s)
    own = f"Of loadgen itself: {late} requests left late; its event loop lagged {lag} at most."
    return tag(
        "section",
        tag("h2", "Behind the charts"),
        tag("p", own),
        tag(
            "details",
            tag("summary", "Table of seconds"),
            tag("div", tables.seconds(timeline), class_="long"),
        ),
        tag("details", tag("summary", "The plan"), tables.plan(result.plan)),
    )
