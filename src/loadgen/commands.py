"""`loadgen report` and `loadgen compare`: what is done with runs that lie in files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click
import msgspec
from msgspec.structs import replace
from rich.console import Console

from componentbase.clock import rfc3339
from loadgen import render
from loadgen.compare import Comparison, Condition, Row, compare
from loadgen.html import page
from loadgen.html.scale import duration_text
from loadgen.noise import Finding
from loadgen.plan import PlanError
from loadgen.results import ResultError
from loadgen.stored import load
from loadgen.summary import report_of

EXIT_INCOMPARABLE: Final = 1
#: The same as that of `loadgen run`.
EXIT_THRESHOLD: Final = 3

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
        found = replace(report_of(result), events=result.events)
        if html is not None:
            _write(html, page.render(result, rfc3339(result.plan.started_at)))
            click.echo(f"wrote {html}", err=True)
    except ResultError as error:
        raise click.UsageError(str(error)) from None
    if output == "json":
        series = found.series or [replace(second, histogram="") for second in result.seconds]
        _print_json(replace(found, series=series))
    elif html is None:
        Console().print(render.tables(found))


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
        context.exit(EXIT_INCOMPARABLE)
    context.exit(EXIT_THRESHOLD if met else 0)


def _print_json(value: object) -> None:
    click.echo(msgspec.json.format(msgspec.json.encode(value)).decode())


def _print_comparison(comparison: Comparison, met: Sequence[Condition]) -> None:
    console = Console()
    shown = render.table("FIGURE", "A", "B", "B/A")
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
            return duration_text(value)
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
