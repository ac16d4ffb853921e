"""`podwire scenario …`: play a file of steps and expectations against a cluster."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from podwire.cli import CommandFailed, cluster_option, output_option
from podwire.cluster.layout import Layout, UsageError
from podwire.scenario import commands, model, render
from podwire.scenario.model import Scenario
from podwire.scenario.run import SHIPPED, Moment, Result, Run, example


@click.group()
def scenario() -> None:
    """Break a cluster by a script, and judge what it does.

    \b
    Example: podwire scenario run node-kill
    """


@scenario.command(name="list")
@output_option
def list_shipped(output: str) -> None:
    """Show the scenarios that come with podwire.

    \b
    Example: podwire scenario list
    """
    found = [_read(str(path), None) for path in sorted(SHIPPED.glob("[!_]*.yaml"))]
    names = [path.stem for path in sorted(SHIPPED.glob("[!_]*.yaml"))]
    if output == "json":
        rows = [{"name": name, "about": one.about} for name, one in zip(names, found, strict=True)]
        click.echo(json.dumps(rows, indent=2))
        return
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    for column in ("NAME", "NEEDS", "ABOUT"):
        table.add_column(column)
    for name, one in zip(names, found, strict=True):
        table.add_row(name, render.needs(one.needs), " ".join(one.about.split()))
    Console().print(table)


@scenario.command()
@click.argument("file", metavar="FILE|NAME")
@click.option("--seed", type=int, default=None, help="Choose and send as this seed says.")
@output_option
@cluster_option
def run(file: str, seed: int | None, output: str, cluster_name: str) -> None:
    """Play a scenario against a cluster, and judge what happens.

    NAME is one of podwire scenario list. Exit status 1 when an expectation fails,
    2 when the scenario makes no sense.

    \b
    Example: podwire scenario run my-scenario.yaml --seed 7
    """
    played = _read(file, seed)
    paths = Layout.of(cluster_name)
    cluster = paths.read_cluster()
    console = Console(stderr=output == "json", highlight=False)
    console.print(f"[bold]{escape(played.name)}[/]  seed {played.seed}{_picked(played)}")

    def tell(moment: Moment) -> None:
        console.print(render.line(moment))

    async def play() -> Result:
        return await Run(played, cluster, paths, tell).to_the_end()

    result = asyncio.run(play())
    if output == "json":
        click.echo(json.dumps(render.to_object(played, result), indent=2))
    else:
        console.print(render.summary(result))
    failed = sum(not verdict.passed for verdict in result.verdicts)
    if failed:
        raise CommandFailed(f"{failed} of {len(result.verdicts)} expectations failed")


def _picked(played: Scenario) -> str:
    return "".join(f", {name} is {escape(value)}" for name, value in played.picked.items())


def _read(file: str, seed: int | None) -> Scenario:
    path = Path(file)
    shipped = example(file)
    if not path.is_file() and shipped is None:
        raise UsageError(
            f"there is no file {file!r} and no scenario of that name; see podwire scenario list"
        )
    return model.read(
        path if path.is_file() or shipped is None else shipped, commands.check, seed=seed
    )
