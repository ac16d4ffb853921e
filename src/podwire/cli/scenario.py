"""`podwire scenario …`: play a file of steps and expectations against a cluster."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from podwire.cli import CommandFailed, cluster_option, output_option
from podwire.cli.console import table_console
from podwire.cli.down import stop
from podwire.cli.up import start
from podwire.cluster.kept import Wish
from podwire.cluster.layout import Cluster, Layout, UsageError
from podwire.scenario import commands, model, render
from podwire.scenario.model import Scenario
from podwire.scenario.run import SHIPPED, Moment, Result, Run, example

_INTERRUPTED: Final = 130


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
    table_console().print(table)


@scenario.command()
@click.argument("file", metavar="FILE|NAME")
@click.option("--seed", type=int, default=None, help="Choose and send as this seed says.")
@click.option(
    "--up", "starts", is_flag=True, help="Start a cluster that fits, and stop it afterwards."
)
@output_option
@cluster_option
def run(file: str, seed: int | None, starts: bool, output: str, cluster_name: str) -> None:
    """Play a scenario against a cluster, and judge what happens.

    NAME is one of podwire scenario list. Exit status 1 when an expectation fails,
    2 when the scenario makes no sense.

    \b
    Examples:
    podwire scenario run my-scenario.yaml --seed 7
    podwire scenario run three-masters --up --name trial
    """
    played = _read(file, seed)
    # Bound to its stream now: a command of a scenario has standard output for itself.
    stream = sys.stderr if output == "json" else sys.stdout
    console = Console(file=stream, highlight=False)
    with _cluster_for(played, cluster_name, console, starts=starts) as paths:
        console.print(f"[bold]{escape(played.name)}[/]  seed {played.seed}{_picked(played)}")
        result = asyncio.run(_play(played, paths, console))
    if output == "json":
        click.echo(json.dumps(render.to_object(played, result), indent=2))
    else:
        console.print(render.summary(result))
    failed = sum(not verdict.passed for verdict in result.verdicts)
    if failed:
        raise CommandFailed(f"{failed} of {len(result.verdicts)} expectations failed")


@contextmanager
def _cluster_for(
    played: Scenario, name: str, console: Console, *, starts: bool
) -> Iterator[Layout]:
    """Give the cluster *name*, or start it, as large as the scenario wants, and stop it again."""
    paths = Layout.of(name)
    if not starts:
        yield paths
        return
    if paths.directory.exists():
        raise UsageError(
            f"there is a cluster {name!r} already: leave out --up, or choose another --name"
        )
    wanted = Cluster(name=name, nodes=played.needs.nodes)
    planes = played.needs.control_planes
    start(Wish(cluster=wanted, nodes=played.needs.nodes, control_planes=planes), console)
    try:
        yield paths
    finally:
        console.print(stop(paths))


async def _play(played: Scenario, paths: Layout, console: Console) -> Result:
    """Play; the first Ctrl-C puts everything back, the second leaves at once."""

    def tell(moment: Moment) -> None:
        console.print(render.line(moment))

    playing = asyncio.current_task()
    assert playing is not None

    def interrupted(playing: asyncio.Task[Any]) -> None:
        if playing.cancelling():
            os._exit(_INTERRUPTED)  # A command's thread cannot be ended in another way.
        console.print("Interrupted: everything is put back; Ctrl-C again leaves at once.")
        playing.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, interrupted, playing)
    try:
        return await Run(played, paths.read_cluster(), paths, tell).to_the_end()
    except asyncio.CancelledError:
        raise click.Abort from None


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
