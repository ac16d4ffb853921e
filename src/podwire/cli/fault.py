"""`podwire fault …`: break links between hosts, and calls of the API, and heal them again."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

import click
from rich import box
from rich.table import Table

from podwire.cli import cluster_option, output_option
from podwire.cli.console import table_console
from podwire.cli.units import DURATION, RATE, SHARE, duration_text, rate_text, share_text
from podwire.cluster import hosts
from podwire.cluster.layout import Layout, UsageError
from podwire.launcher import client, faults

#: A rule's field -> how a person reads it.
_TEXTS: Final[dict[str, Callable[[float], str]]] = {
    "delay_s": lambda value: f"delay {duration_text(value)}",
    "jitter_s": lambda value: f"jitter {duration_text(value)}",
    "loss": lambda value: "partition" if value >= 1 else f"loss {share_text(value)}",
    "corrupt": lambda value: f"corrupt {share_text(value)}",
    "duplicate": lambda value: f"duplicate {share_text(value)}",
    "reorder": lambda value: f"reorder {share_text(value)}",
    "rate_bit_s": lambda value: f"rate {rate_text(value)}",
}
_COUNTERS: Final = ("lost", "corrupted", "duplicated", "reordered", "overlimit")


@click.group()
def fault() -> None:
    """Break links between hosts, or API calls; heal them.

    Hosts are node-N, control-plane-K and etcd-K; control-plane and etcd alone mean all of them.

    \b
    Examples:
    podwire fault link node-1 node-2 --delay 100ms --loss 5%
    podwire fault partition node-3 control-plane
    podwire fault heal
    """


_one_way = click.option("--one-way", is_flag=True, help="From A to B only, not back.")


@fault.command()
@click.argument("left", metavar="A")
@click.argument("right", metavar="B")
@click.option("--delay", "delay_s", type=DURATION, help="Each packet waits: 50ms.")
@click.option("--jitter", "jitter_s", type=DURATION, help="The delay varies by so much: 10ms.")
@click.option("--loss", type=SHARE, help="So many packets are lost: 5%.")
@click.option("--rate", "rate_bit_s", type=RATE, help="No more than that: 1mbit.")
@click.option("--corrupt", type=SHARE, help="So many have one bit wrong: 1%.")
@click.option("--duplicate", type=SHARE, help="So many come twice: 1%.")
@click.option("--reorder", type=SHARE, help="So many overtake the delayed ones: 5%.")
@_one_way
@cluster_option
def link(left: str, right: str, one_way: bool, cluster_name: str, **given: float | None) -> None:
    """Make the link between two hosts bad, as Linux's netem does. Replaces what it was before.

    A and B may each be several hosts, with commas.

    \b
    Examples:
    podwire fault link node-1 node-2 --delay 50ms --jitter 10ms
    podwire fault link control-plane etcd --loss 5% --one-way
    """
    impairment = {name: value for name, value in given.items() if value}
    if not impairment:
        raise UsageError(
            "say what is wrong with the link: --delay, --jitter, --loss, --rate, --corrupt, "
            "--duplicate or --reorder"
        )
    _set(cluster_name, left, right, impairment, one_way=one_way)


@fault.command()
@click.argument("left", metavar="A[,B...]")
@click.argument("right", metavar="[C[,D...]|all]", default=hosts.ALL)
@_one_way
@cluster_option
def partition(left: str, right: str, one_way: bool, cluster_name: str) -> None:
    """Let nothing through between two groups of hosts.

    Without a second group: between the first and all others.

    \b
    Examples:
    podwire fault partition node-3 control-plane
    podwire fault partition node-1,node-2 node-3
    """
    _set(cluster_name, left, right, {"loss": 1.0}, one_way=one_way)


def _set(
    cluster_name: str, left: str, right: str, impairment: dict[str, float], *, one_way: bool
) -> None:
    paths = Layout.of(cluster_name)
    pairs = hosts.pairs(paths.read_cluster(), left, right)
    if not pairs:
        raise UsageError(f"{left} and {right} share no link")
    if not one_way:
        pairs += [(other, one) for one, other in pairs]
    rules = [{"from": one, "to": other, **impairment} for one, other in dict.fromkeys(pairs)]
    answer = client.call(paths, "fault_set", {"rules": rules})
    arrow = "→" if one_way else "↔"
    what = ", ".join(_TEXTS[name](value) for name, value in impairment.items())
    click.echo(f"{left} {arrow} {right}: {what} ({len(rules)} rules)")
    _tell_unheard(answer)


def _tell_unheard(answer: dict[str, Any]) -> None:
    if answer["unheard"]:
        names = ", ".join(answer["unheard"])
        click.echo(f"podwire: not yet in force at {names}: told when it answers again", err=True)


@fault.command()
@click.argument("names", metavar="[A...]", nargs=-1)
@cluster_option
def heal(names: tuple[str, ...], cluster_name: str) -> None:
    """Heal every link, or those of some hosts.

    \b
    Example: podwire fault heal node-1
    """
    paths = Layout.of(cluster_name)
    cluster = paths.read_cluster()
    wanted = [host for name in names for host in hosts.expand(cluster, name)]
    if client.running_session(paths) is None:
        table = faults.read(paths)  # A cluster that is down keeps its faults for the next start.
        answer: dict[str, Any] = {"healed": len(table.heal(wanted)), "unheard": []}
        table.write(paths.faults_file)
    else:
        answer = client.call(paths, "fault_heal", {"hosts": wanted})
    click.echo(f"{answer['healed']} rules healed")
    _tell_unheard(answer)


@fault.command(name="list")
@cluster_option
@output_option
def list_(cluster_name: str, output: str) -> None:
    """Show every impaired link, and what its packets felt.

    \b
    Example: podwire fault list
    """
    rules: list[dict[str, Any]] = client.call(Layout.of(cluster_name), "fault_list")
    if output == "json":
        click.echo(json.dumps(rules, indent=2))
        return
    if not rules:
        click.echo("no link is impaired", err=True)
        return
    rows = [[rule["from"], rule["to"], _what(rule), _felt(rule)] for rule in rules]
    _print(("FROM", "TO", "FAULT", "PACKETS"), rows)


def _what(rule: dict[str, Any]) -> str:
    return ", ".join(text(rule[name]) for name, text in _TEXTS.items() if rule.get(name))


def _felt(rule: dict[str, Any]) -> str:
    """Return what happened to the rule's packets; "unknown" when who counts does not answer."""
    if "packets" not in rule:
        return "unknown"
    parts = [f"{rule[name]} {name}" for name in _COUNTERS if rule.get(name)]
    return ", ".join([str(rule["packets"]), *parts])


def _print(columns: tuple[str, ...], rows: list[list[str]]) -> None:
    table = Table(box=box.SIMPLE_HEAD)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    table_console().print(table)


@fault.command()
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
        _tell_unheard(answer)
    else:
        if not wanted.keys() & {"latency_s", "status", "drop_watches"}:
            raise UsageError("say what happens to the calls: --latency, --error or --drop-watches")
        entry = wanted | {"status": int(wanted.get("status", 0))}
        answer = client.call(paths, "api_fault_set", {"entry": entry})
        click.echo(f"API fault {answer['id']} is set")
        _tell_unheard(answer)


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
    _print(("ID", "CLIENT", "VERB", "RESOURCE", "FAULT", "SHARE", "HITS"), rows)
