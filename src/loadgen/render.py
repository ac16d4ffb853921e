"""How a run looks: one line while it lasts, a table at the end, or JSON."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from loadgen.plan import LoadPlan
from loadgen.report import LATE_S, Failure, Progress, Report, Second

JsonValue = str | int | float | bool | None | list["JsonValue"] | dict[str, "JsonValue"]


def progress_line(progress: Progress) -> str:
    """Return the run so far in one line."""
    return (
        f"{progress.elapsed_s:6.1f} s  {progress.rate:8,.0f} req/s  "
        f"ok {progress.ok:,}  failed {progress.failed:,}  "
        f"p99 {_duration(progress.p99_s)}  under way {progress.unfinished:,}"
    )


def tables(plan: LoadPlan, report: Report) -> RenderableType:
    """Return the end of a run for people."""
    parts: list[RenderableType] = [_head(plan, report), _outcomes(report)]
    if report.latency_s:
        parts.append(_latencies(report.latency_s))
    if report.backends:
        parts.append(_backends(report.backends))
    if report.first_failure and report.last_failure:
        parts.append(_failures(report, report.first_failure, report.last_failure))
    parts += [Text(text, style="yellow") for text in warnings(report)]
    return Group(*parts)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    table.add_column(columns[0])
    for column in columns[1:]:
        table.add_column(column, justify="right")
    return table


def _head(plan: LoadPlan, report: Report) -> RenderableType:
    return Text(
        f"{plan.method} {report.url}\n"
        f"asked {report.rate_asked:,.1f} req/s, achieved {report.rate_achieved:,.1f} req/s "
        f"for {report.elapsed_s:.1f} s\n",
        no_wrap=True,
        overflow="ignore",
    )


def _outcomes(report: Report) -> RenderableType:
    table = _table("OUTCOME", "REQUESTS", "SHARE")
    rows = {"ok": report.ok, **report.errors}
    if report.unfinished:
        rows["unfinished"] = report.unfinished
    for outcome, count in rows.items():
        table.add_row(outcome, f"{count:,}", _share(count, report.sent))
    return Group(table, "")


def _latencies(latency_s: Mapping[str, float]) -> RenderableType:
    table = _table("LATENCY", *latency_s)
    table.add_row("from the intended moment", *map(_duration, latency_s.values()))
    return Group(table, "")


def _backends(backends: Mapping[str, int]) -> RenderableType:
    table = _table("BACKEND", "ANSWERS", "SHARE")
    total = sum(backends.values())
    for backend, count in backends.items():
        table.add_row(backend, f"{count:,}", _share(count, total))
    return Group(table, "")


def _failures(report: Report, first: Failure, last: Failure) -> RenderableType:
    def told(failure: Failure) -> str:
        return f"{failure.sent_at - report.started_at:.3f} s ({failure.error})"

    return Text(f"first failure sent at {told(first)}, last at {told(last)}\n", style="red")


def warnings(report: Report) -> list[str]:
    """Return what a reader must know before believing the numbers."""
    if report.kept_its_rate:
        return []
    return [
        f"loadgen could not keep its own rate: {report.late:,} of {report.sent:,} requests left "
        f"more than {LATE_S * 1000:.0f} ms late (at worst {_duration(report.lateness_max_s)}). "
        "The latencies include that delay; lower --rate, or run several loadgens."
    ]


def _share(count: int, total: int) -> str:
    return f"{100 * count / total:.1f} %" if total else "-"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    if seconds < 0.001:
        return f"{seconds * 1e6:.0f} µs"
    return f"{seconds * 1e3:.2f} ms" if seconds < 1 else f"{seconds:.2f} s"


def to_object(plan: LoadPlan, report: Report) -> dict[str, JsonValue]:
    """Return the report as JSON has it: times in Unix seconds, durations in seconds."""
    return {
        "url": report.url,
        "method": plan.method,
        "arrival": plan.arrival.value,
        "started_at": report.started_at,
        "elapsed_s": report.elapsed_s,
        "rate_asked": report.rate_asked,
        "rate_achieved": report.rate_achieved,
        "kept_its_rate": report.kept_its_rate,
        "late": report.late,
        "lateness_max_s": report.lateness_max_s,
        "sent": report.sent,
        "ok": report.ok,
        "failed": report.failed,
        "unfinished": report.unfinished,
        "errors": dict(report.errors),
        "latency_s": dict(report.latency_s),
        "backends": dict(report.backends),
        "first_failure": _failure_object(report.first_failure),
        "last_failure": _failure_object(report.last_failure),
        "series": [_second_object(second) for second in report.series],
        "warnings": list(warnings(report)),
    }


def _failure_object(failure: Failure | None) -> JsonValue:
    if failure is None:
        return None
    return {"sent_at": failure.sent_at, "seen_at": failure.seen_at, "error": failure.error}


def _second_object(second: Second) -> JsonValue:
    return {
        "at": second.at,
        "sent": second.sent,
        "ok": second.ok,
        "failed": second.failed,
        "errors": dict(second.errors),
        "p50_s": second.p50_s,
        "p99_s": second.p99_s,
        "max_s": second.max_s,
    }
