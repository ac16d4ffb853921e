"""`loadgen compare`: two runs that lie in files, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console

from loadgen import render
from loadgen.commands.output import EXIT_FAILED, EXIT_THRESHOLD, output_option, print_json
from loadgen.compare import Comparison, Condition, Row, compare
from loadgen.noise import Finding
from loadgen.plan import PlanError
from loadgen.quantity import NOTHING, format_duration
from loadgen.result_file import read
from loadgen.results import ResultError

_STYLES = {Finding.BETTER: "green", Finding.WORSE: "red"}


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
@output_option
@click.pass_context
def compare_runs(
    context: click.Context, before: Path, after: Path, conditions: Sequence[str], output: str
) -> None:
    """Put two runs side by side (files of `run -w` or `run -o json`).

    Exit status 1: they cannot be compared. Exit status 3: a change of --fail-if is met.
    """
    try:
        wanted = [Condition.parse(text) for text in conditions]
        comparison = compare(read(before), read(after))
    except (PlanError, ResultError) as error:
        raise click.UsageError(str(error)) from None
    met = comparison.met(wanted)
    if output == "json":
        print_json(_object(comparison, met))
    else:
        _print_comparison(comparison, met)
    if comparison.obstacles:
        context.exit(EXIT_FAILED)
    context.exit(EXIT_THRESHOLD if met else 0)


def _print_comparison(comparison: Comparison, met: Sequence[Condition]) -> None:
    console = Console()
    shown = render.table("FIGURE", "A", "B", "B/A")
    shown.add_column("B IS")
    for row in comparison.rows:
        ratio = NOTHING if row.ratio is None else f"{row.ratio:.2f}"
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
            return format_duration(value)
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
