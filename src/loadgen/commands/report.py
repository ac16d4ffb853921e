"""`loadgen report`: a run that lies in a file, as tables, as JSON or as a page."""

from __future__ import annotations

from pathlib import Path

import click
from msgspec.structs import replace
from rich.console import Console

from componentbase.clock import rfc3339
from loadgen import render
from loadgen.commands.output import output_option, print_json
from loadgen.html import page
from loadgen.result_file import read
from loadgen.results import ResultError
from loadgen.summary import report_of


@click.command(epilog="Example: loadgen report run.jsonl --html run.html")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--html", type=click.Path(path_type=Path), help="Write a page to this file.")
@output_option
def report(file: Path, html: Path | None, output: str) -> None:
    """Show a run that `loadgen run -w FILE` wrote; one that was killed, too.

    The page of --html needs nothing beside itself: no network, no library.
    """
    try:
        result = read(file)
        found = replace(report_of(result), events=result.events)
        if html is not None:
            _write(html, page.render(result, rfc3339(result.plan.started_at)))
            click.echo(f"wrote {html}", err=True)
    except ResultError as error:
        raise click.UsageError(str(error)) from None
    if output == "json":
        series = found.series or [replace(second, histogram="") for second in result.seconds]
        print_json(replace(found, series=series))
    elif html is None:
        Console().print(render.tables(found))


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise click.UsageError(f"{path}: {error.strerror}") from None
