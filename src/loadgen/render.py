"""How a run looks at its end, for people: tables, what the cluster did, and what to mind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from loadgen.cluster_notes import IMPORTANT
from loadgen.quantity import format_duration, format_share
from loadgen.results import Event, Report, Verdict
from loadgen.search import Search
from loadgen.thresholds import measured

#: Events that are printed; the first ones are the causes.
EVENTS_SHOWN: Final = 30


def tables(report: Report) -> RenderableType:
    """Return the end of a run."""
    parts: list[RenderableType] = [_head(report), _outcomes(report)]
    if report.latency_s:
        parts.append(_latencies(report.latency_s, report.uncorrected_s))
    if report.backends:
        parts.append(_backends(report.backends, report.fairness))
    parts += _failures(report)
    parts += _events([e for e in report.events if e.what in IMPORTANT], report.started_at)
    parts += [_verdict(verdict) for verdict in report.thresholds]
    parts += [Text(f"note: {text}", style="yellow") for text in report.warnings]
    parts += [Text(f"INVALID: {text}", style="bold red") for text in report.invalid_reasons]
    return Group(*parts)


def table(*columns: str) -> Table:
    """Return a table without lines, of which all columns but the first are numbers."""
    made = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    made.add_column(columns[0])
    for column in columns[1:]:
        made.add_column(column, justify="right")
    return made


def _head(report: Report) -> RenderableType:
    what = f"{report.method} {report.url}".strip()
    ended = ", stopped" if report.stopped else ""
    return Text(
        f"{what}\nasked {report.rate_asked:,.1f} req/s ({report.arrival}), sent "
        f"{report.rate_achieved:,.1f}, answered {report.throughput:,.1f} req/s "
        f"for {report.elapsed_s:.1f} s{ended}\n",
        no_wrap=True,
        overflow="ignore",
    )


def _outcomes(report: Report) -> RenderableType:
    made = table("OUTCOME", "REQUESTS", "SHARE")
    rows = {"ok": report.ok, **report.errors}
    if report.unfinished:
        rows["unfinished"] = report.unfinished
    for outcome, count in rows.items():
        made.add_row(outcome, f"{count:,}", format_share(count, report.sent))
    return Group(made, "")


def _latencies(corrected: Mapping[str, float], uncorrected: Mapping[str, float]) -> RenderableType:
    made = table("LATENCY", "CORRECTED", "UNCORRECTED")
    for name, value in corrected.items():
        made.add_row(name, format_duration(value), format_duration(uncorrected.get(name)))
    return Group(made, "")


def _backends(backends: Mapping[str, int], fairness: float | None) -> RenderableType:
    made = table("BACKEND", "ANSWERS", "SHARE")
    total = sum(backends.values())
    for backend, count in backends.items():
        made.add_row(backend, f"{count:,}", format_share(count, total))
    index = f"fairness {fairness:.3f} (Jain's index: 1 is even)\n" if fairness else ""
    return Group(made, index)


def _failures(report: Report) -> list[RenderableType]:
    first, last, outage = report.first_failure, report.last_failure, report.outage
    if first is None or last is None or outage is None:
        return []
    after = [f"{failure.sent_at - report.started_at:.3f} s" for failure in (first, last)]
    return [
        Text(
            f"outage {format_duration(outage.length_s)}: first failure ({first.error}) sent at "
            f"{after[0]}, last ({last.error}) at {after[1]};\n{outage.lost:,} requests lost, at "
            f"most {format_duration(outage.longest_without_success_s)} without a success\n",
            style="red",
        )
    ]


def _events(events: Sequence[Event], started_at: float) -> list[RenderableType]:
    if not events:
        return []
    made = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    made.add_column("AT", justify="right")
    for column in ("EVENT", "OF", "SAID BY"):
        made.add_column(column)
    for event in sorted(events, key=lambda event: event.at)[:EVENTS_SHOWN]:
        style = "red" if event.what.endswith("-failure") else ""
        at = f"{event.at - started_at:+.3f} s"
        made.add_row(at, event.what, event.subject, event.process, style=style)
    left_out = len(events) - EVENTS_SHOWN
    return [made, f"and {left_out:,} more\n" if left_out > 0 else ""]


def _verdict(verdict: Verdict) -> Text:
    value = "no value" if verdict.value is None else measured(verdict)
    if verdict.failed:
        return Text(f"crossed: {verdict.threshold} ({value})", style="bold red")
    return Text(f"kept: not {verdict.threshold} ({value})", style="green")


def search_tables(search: Search, condition: str) -> RenderableType:
    """Return what `--find-max` tried and found."""
    made = table("RATE", "ANSWERED", "P50", "P99", "FAILED")
    made.add_column("")
    for probe in search.probes:
        report = probe.report
        made.add_row(
            f"{probe.rate:,.1f}/s",
            f"{report.throughput:,.1f}/s",
            format_duration(report.latency_s.get("p50")),
            format_duration(report.latency_s.get("p99")),
            f"{report.failed:,}",
            Text(probe.against or "holds", style="red" if probe.against else "green"),
        )
    found = search.found
    said = (
        Text(f"\nno rate was found at which {condition}", style="red")
        if found is None
        else Text(f"\n{condition} up to {found:,.1f} requests/s", style="bold green")
    )
    return Group(made, said)
