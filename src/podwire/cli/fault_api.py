"""`podwire fault api`: slow down or fail calls of the API, and heal them again."""

from __future__ import annotations

from typing import Any

import click

from podwire.cli import cluster_option
from podwire.cli.console import print_table
from podwire.cli.fault_words import tell_unheard
from podwire.cli.units import DURATION, SHARE, duration_text, share_text
from podwire.cluster.layout import Layout, UsageError
from podwire.launcher import client


@click.command()
@click.option("--client", "user", help="Whose calls: a user name such as system:node:node-1.")
@click.option("--verb", help="get, list, watch, create, update, patch, delete.")
@click.option("--resource", help="pods, leases, ….")
@click.option("--latency", "latency_s", type=DURATION, help="Each such call waits: 200ms.")
@click.option("--error", "status", type=click.Choice(["409", "429", "500"]), help="It fails so.")
@click.option("--share", type=SHARE, help="So many of the calls are hit.  [default: 100%]")
@click.option("--drop-watches", is_flag=True, help="Watches are cut off.")
@click.option("--list", "listing", is_flag=True, help="Show the API faults and their hits.")
@click.option("--heal", "healing", is_flag=True, help="Heal them; with --id one of them.")
@click.option("--id", "fault_id", default="", help="Which one to heal.")
@cluster_option
def api(cluster_name: str, listing: bool, healing: bool, fault_id: str, **given: Any) -> None:
    """Slow down or fail calls of the API.

    All calls, or those of one client, verb or resource.

    \b
    Examples:
    podwire fault api --client system:node:node-2 --verb update --error 500 --share 50%
    podwire fault api --list
    podwire fault api --heal
    """
    paths = Layout.of(cluster_name)
    wanted = {name: value for name, value in given.items() if value}
    if (listing or healing) and (wanted or (listing and healing)):
        raise UsageError("--list and --heal come alone: they take no description of a fault")
    if fault_id and not healing:
        raise UsageError("--id says which fault to heal: it goes with --heal")
    if listing:
        _list_api(client.call(paths, "api_fault_list"))
    elif healing:
        answer = client.call(paths, "api_fault_heal", {"id": fault_id})
        click.echo(f"{answer['healed']} API faults healed")
        tell_unheard(answer)
    else:
        if not wanted.keys() & {"latency_s", "status", "drop_watches"}:
            raise UsageError("say what happens to the calls: --latency, --error or --drop-watches")
        entry = wanted | {"status": int(wanted.get("status", 0))}
        answer = client.call(paths, "api_fault_set", {"entry": entry})
        click.echo(f"API fault {answer['id']} is set")
        tell_unheard(answer)


def _list_api(entries: list[dict[str, Any]]) -> None:
    if not entries:
        click.echo("no API call is impaired", err=True)
        return
    rows = []
    for entry in entries:
        what = [f"latency {duration_text(entry['latency_s'])}"] if entry["latency_s"] else []
        what += [f"error {entry['status']}"] if entry["status"] else []
        what += ["watches dropped"] if entry["drop_watches"] else []
        cells = [entry["id"], entry["user"], entry["verb"], entry["resource"], ", ".join(what)]
        hits = "-" if entry["hits"] is None else str(entry["hits"])
        rows.append([*cells, share_text(entry["share"]), hits])
    print_table(("ID", "CLIENT", "VERB", "RESOURCE", "FAULT", "SHARE", "HITS"), rows)
