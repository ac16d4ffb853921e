"""`podwire explain pod [NS/]NAME`: which plugin refused which node, which scores decided."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any, Final

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from componentbase import clock, rpc
from kubeapi.client import RestClient
from kubeapi.objects import Object, condition
from kubeapi.resources import PODS
from kubeapi.status import StatusError, is_not_found
from podwire.cli import CommandFailed, api, cluster_option, output_option
from podwire.cluster.layout import Layout, UsageError
from podwire.cluster.plan import master_name

_TIMEOUT_S: Final = 5.0
_ROWS_MAX: Final = 50


@click.group()
def explain() -> None:
    """Say why something is as it is.

    \b
    Example: podwire explain pod shop/db-0
    """


@explain.command()
@click.argument("target", metavar="[NAMESPACE/]NAME")
@click.option("--all", "every", is_flag=True, help=f"More than {_ROWS_MAX} nodes, too.")
@cluster_option
@output_option
def pod(target: str, every: bool, cluster_name: str, output: str) -> None:
    """Say why a pod is where it is, or why it waits.

    The scheduler remembers its last decision about each pod: what every plugin said of every node.

    \b
    Examples:
    podwire explain pod web-5d4f8
    podwire explain pod shop/db-0 -o json
    """
    namespace, _, name = target.rpartition("/")
    namespace = namespace or "default"
    paths = Layout.of(cluster_name)
    found = api.run(paths, lambda client: _get(client, namespace, name))
    decision = asyncio.run(_decision(paths, f"{namespace}/{name}"))
    if output == "json":
        click.echo(json.dumps(decision, indent=2))
    elif decision is None:
        _tell_what_the_server_knows(found, target)
    else:
        _tell(decision, None if every else _ROWS_MAX)


async def _get(client: RestClient, namespace: str, name: str) -> Object:
    try:
        return await client.get(PODS, name, namespace)
    except StatusError as error:
        if is_not_found(error):
            raise UsageError(f"there is no pod {namespace}/{name}: podwire get pods -A") from None
        raise


async def _decision(paths: Layout, key: str) -> dict[str, Any] | None:
    """Ask every scheduler; the one that leads, or led last, knows."""
    cluster = paths.read_cluster()
    found: list[dict[str, Any]] = []
    heard = False
    for number in cluster.masters:
        try:
            client = await rpc.Client.connect(
                paths.control_socket(master_name(cluster, "scheduler", number))
            )
        except OSError:
            continue
        try:
            found.append(await client.call("explain", {"pod": key}, timeout_s=_TIMEOUT_S))
        except rpc.RpcError as error:
            heard = heard or error.code == "NotFound"
        finally:
            await client.close()
    if not found and not heard:
        raise CommandFailed(f"no scheduler answers; see: podwire status{paths.name_option}")
    return max(found, key=lambda each: float(each["at"]), default=None)


def _tell_what_the_server_knows(pod: Object, target: str) -> None:
    node = pod["spec"].get("nodeName")
    scheduled = condition(pod, "PodScheduled") or {}
    click.echo(
        f"{target} is on {node}; the scheduler that placed it is gone, or did not."
        if node
        else f"{target} waits: {scheduled.get('message') or 'no scheduler has looked at it yet'}"
    )


def _tell(decision: dict[str, Any], rows_max: int | None) -> None:
    console = Console(highlight=False, soft_wrap=True)
    at = clock.rfc3339(decision["at"])
    attempt = f"attempt {decision['attempt']}, {at}, by {decision['scheduler']}"
    if decision["node"]:
        console.print(f"{decision['pod']} was given [bold]{decision['node']}[/bold] ({attempt}).")
    else:
        # Messages have brackets of their own, which are no markup.
        console.print(f"{decision['pod']} waits ({attempt}): {escape(decision['message'])}")
    if decision["nominated"]:
        victims = ", ".join(decision["victims"]) or "nobody"
        console.print(f"Room is made on [bold]{decision['nominated']}[/bold]: {victims} must end.")
    if decision["scored"]:
        console.print(_scores(decision["scored"][:rows_max], decision["node"]))
    if decision["refused"]:
        console.print(_refusals(decision["refused"][:rows_max]))
    most = max(len(decision["scored"]), len(decision["refused"]))
    if rows_max is not None and most > rows_max:
        console.print(f"{rows_max} of {most} nodes; all: --all")


def _scores(rows: Sequence[dict[str, Any]], chosen: str) -> Table:
    """Return the scores, weights included, the best node first."""
    plugins = list(dict.fromkeys(name for row in rows for name in row["plugins"]))
    table = Table(box=None, pad_edge=False)
    table.add_column("NODE")
    table.add_column("TOTAL", justify="right")
    for name in plugins:
        table.add_column(escape(name), justify="right")
    for row in sorted(rows, key=lambda row: (-(row["total"] or 0), row["node"] != chosen)):
        total = "only one" if row["total"] is None else str(row["total"])
        style = "bold" if row["node"] == chosen else ""
        table.add_row(row["node"], total, *(str(row["plugins"][p]) for p in plugins), style=style)
    return table


def _refusals(rows: Sequence[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for title in ("NODE", "REFUSED BY", "BECAUSE"):
        table.add_column(title)
    for row in rows:
        table.add_row(row["node"], escape(row["plugin"]), escape(", ".join(row["reasons"])))
    return table
