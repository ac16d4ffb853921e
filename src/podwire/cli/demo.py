"""`podwire demo`: what `make demo` shows."""

from __future__ import annotations

import asyncio
import sys
from typing import Final

import click
from rich.console import Console

from podwire.cli import CommandFailed
from podwire.cli.down import stop
from podwire.cli.objects import read_manifests
from podwire.cli.up import AlreadyUp, start
from podwire.cluster.layout import Cluster, Layout, UsageError
from podwire.demo.run import Demo, example

_NAME: Final = "demo"
_NODES: Final = 3


@click.command()
@click.option("--keep", is_flag=True, help="Leave the cluster running at the end.")
def demo(keep: bool) -> None:
    """Show a failover: a cluster under traffic loses a node.

    Lasts a minute, and stops everything at the end.

    \b
    Example: podwire demo
    """
    console = Console(highlight=False)
    manifests = read_manifests(str(example("web.yaml")))
    replicas = next(m["spec"]["replicas"] for m in manifests if m["kind"] == "Deployment")
    console.rule("[bold]Podwire[/]: a node dies", align="left")
    try:
        paths = start(Cluster(name=_NAME, nodes=_NODES), console)
    except AlreadyUp:
        raise UsageError("a demo is running already; stop it: podwire down --name demo") from None
    recovered = False
    try:
        recovered = asyncio.run(_play(paths, console, manifests, replicas))
    finally:
        if keep:
            console.print("\nThe cluster goes on: podwire down --name demo stops it.")
        else:
            console.print(f"\n{stop(paths)}")
    if not recovered:
        raise CommandFailed("the cluster did not recover as it should")
    sys.exit(0)


async def _play(
    paths: Layout, console: Console, manifests: list[dict[str, object]], replicas: int
) -> bool:
    return await Demo(paths.read_cluster(), paths, console).run(manifests, replicas)
