"""`loadgen report` and `loadgen compare`: what is done with runs that lie in files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.table import Table

from componentbase.clock import rfc3339
from loadgen.compare import Comparison, Condition, Row, compare
from loadgen.html import page
from loadgen.noise import Finding
from loadgen.plan import PlanError
from loadgen.results import Result, ResultError
from loadgen.stored import load
from loadgen.summary import report_of

#: A run crossed a threshold, or a comparison did.
EXIT_THRESHOLD = 3

_OUTPUT = click.option(
    "--output", "-o", type=click.Choice(["table", "json"]), default="table", show_default=True
)
_STYLES = {Finding.BETTER: "green", Finding.WORSE: "red"}


@click.command(epilog="Example: loadgen report run.jsonl --html run.html")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--html", type=click.Path(path_type=Path), help="Write a page to this file.")
@_OUTPUT
def report(file: Path, html: Path | None, output: str) -> None:
    """Show a run that `loadgen run -w FILE` wrote; one that was killed, too.

    The page of --html needs nothing beside itself: no network, no library.
    """
    try:
        result = load(file)
        if html is not None:
            _write(html, page.render(result, rfc3339(result.plan.started_at)))
            click.echo(f"wrote {html}", err=True)
    except ResultError as error:
        raise click.UsageError(str(error)) from None
    found = report_of(result)
    if output == "json":
        _print_json(msgspec.structs.replace(found, series=found.series or result.seconds))
    elif html is None:
        Console().print(_summary(result))


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise click.UsageError(f"{path}: {error.strerror}") from None


@click.command(
    name="compare", epilog="Example: loadgen compare before.jsonl after.jsonl --fail-if 'p99>+10%'"
)
@click.argument("before", metavar="A", type=click.Path(path_type=Path))
@click.argument("after", metavar="B", type=click.Path(path_type=Path))
@click.option(
    "--fail-if",
    "conditions",
    multiple=True,
    metavar="CHANGE",
    help="Exit with status 3 if this change from A to B is met, for example 'p99>+10%'.",
)
@_OUTPUT
@click.pass_context
def compare_runs(
    context: click.Context, before: Path, after: Path, conditions: Sequence[str], output: str
) -> None:
    """Put two runs side by side (files of `run -w` or `run -o json`).

    Exit status 1: they cannot be compared. Exit status 3: a change of --fail-if is met.
    """
    try:
        wanted = [Condition.parse(text) for text in conditions]
        comparison = compare(load(before), load(after))
    except (PlanError, ResultError) as error:
        raise click.UsageError(str(error)) from None
    met = comparison.met(wanted)
    if output == "json":
        _print_json(_object(comparison, met))
    else:
        _print_comparison(comparison, met)
    if comparison.obstacles:
        context.exit(1)
    context.exit(EXIT_THRESHOLD if met else 0)


def _print_json(value: object) -> None:
    click.echo(msgspec.json.format(msgspec.json.encode(value)).decode())


def _print_comparison(comparison: Comparison, met: Sequence[Condition]) -> None:
    console = Console()
    shown = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    shown.add_column("FIGURE")
    for column in ("A", "B", "B/A"):
        shown.add_column(column, justify="right")
    shown.add_column("B IS")
    for row in comparison.rows:
        ratio = "-" if row.ratio is None else f"{row.ratio:.2f}"
        finding = row.finding.value if row.finding else ""
        style = _STYLES.get(row.finding) if row.finding else None
        shown.add_row(row.figure, _text(row, row.before), _text(row, row.after), ratio, finding)
        shown.rows[-1].style = style
    console.print(shown)
    for obstacle in comparison.obstacles:
        console.print(f"cannot be compared: {obstacle}", style="red", markup=False, soft_wrap=True)
    for condition in met:
        console.print(f"crossed: {condition.text}", style="red", markup=False, soft_wrap=True)


def _text(row: Row, value: float) -> str:
    match row.unit:
        case "s":
            return f"{value * 1e3:,.3g} ms" if value < 1 else f"{value:,.3g} s"
        case "%":
            return f"{value:.3g} %"
    return f"{value:,.1f}/s"


def _object(comparison: Comparison, met: Sequence[Condition]) -> dict[str, object]:
    return {
        "comparable": not comparison.obstacles,
        "obstacles": list(comparison.obstacles),
        "figures": [
            {
                "figure": row.figure,
                "unit": row.unit,
                "before": row.before,
                "after": row.after,
                "ratio": row.ratio,
                "finding": row.finding.value if row.finding else None,
            }
            for row in comparison.rows
        ],
        "crossed": [condition.text for condition in met],
    }


def _summary(result: Result) -> Table:
    """Return the gist of a run; the page has all of it."""
    found = report_of(result)
    shown = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), show_header=False)
    shown.add_row("URL", found.url)
    shown.add_row("begun", f"{rfc3339(found.started_at)} on {result.plan.host or 'unknown'}")
    shown.add_row("sent", f"{found.sent:,} ({found.rate_achieved:,.1f}/s)")
    shown.add_row("failed", f"{found.failed:,}")
    for name, value in found.latency_s.items():
        shown.add_row(name, f"{value * 1e3:,.3f} ms")
    for reason in found.invalid_reasons:
        shown.add_row("INVALID", reason)
    for warning in found.warnings:
        shown.add_row("note", warning)
    return shown
