"""`podwire fault …`: break links between hosts, and heal them again."""

from __future__ import annotations

import json
import shutil
from typing import Any, Final

import click

from podwire.cli import cluster_option, output_option
from podwire.cli.fault_api import api
from podwire.cli.fault_options import impairment_of, impairment_options
from podwire.cli.fault_words import lines_of, tell_unheard, words_of
from podwire.cluster import hosts
from podwire.cluster.layout import Layout, UsageError
from podwire.launcher import client, faults, pods

_PIPE_WIDTH: Final = 200  # A file has no width that would wrap lines.


@click.group()
def fault() -> None:
    """Break links between hosts, or API calls; heal them.

    Hosts are node-N, control-plane-K and etcd-K; control-plane and etcd alone mean all of them.
    A pod is pod/NAMESPACE/NAME; pod/NAMESPACE/LABEL=VALUE are all that have this label now. A pod
    has one link, to its node, and its faults end with it.

    \b
    Examples:
    podwire fault link node-1 node-2 --delay 100ms --loss 5%
    podwire fault link pod/default/app=web --delay 200ms --rate 1mbit
    podwire fault partition node-3 control-plane
    podwire fault heal
    """


fault.add_command(api)

_one_way = click.option("--one-way", is_flag=True, help="From A to B only, not back.")


@fault.command()
@click.argument("left", metavar="A")
@click.argument("right", metavar="[B]", default="")
@impairment_options
@_one_way
@cluster_option
def link(
    left: str, right: str, one_way: bool, profile: str | None, cluster_name: str, **given: Any
) -> None:
    """Make the link between two hosts bad, as Linux's netem does. Replaces what it was before.

    A and B may each be several hosts, with commas. Of a pod B is its node.

    \b
    Examples:
    podwire fault link node-1 node-2 --delay 100ms --jitter 10ms --distribution normal
    podwire fault link node-1 node-2 --loss 5% --burst 4 --seed 7
    podwire fault link pod/default/web-0 --rate 10mbit --limit 100
    podwire fault link control-plane etcd --profile satellite --loss 5% --one-way
    """
    if not right and not hosts.names_pods(left):
        raise UsageError(f"say which link: podwire fault link {left} ANOTHER-HOST")
    impairment = impairment_of(profile, given)
    _set(cluster_name, (left, right or hosts.ALL), impairment, one_way=one_way)


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
    podwire fault partition pod/default/web-0
    """
    _set(cluster_name, (left, right), {"loss": 1.0}, one_way=one_way)


def _set(
    cluster_name: str, ends: tuple[str, str], impairment: dict[str, Any], *, one_way: bool
) -> None:
    paths, (left, right) = Layout.of(cluster_name), ends
    ways = _ways(paths, ends, one_way=one_way)
    if not ways:
        raise UsageError(f"{left} and {right} share no link")
    rules = [{"from": one, "to": other, **impairment} for one, other in ways]
    answer = client.call(paths, "fault_set", {"rules": rules})
    arrow = "→" if one_way else "↔"
    other = "its node" if right == hosts.ALL and hosts.names_pods(left) else right
    count = f"{len(rules)} rule{'s' * (len(rules) > 1)}"
    click.echo(f"{left} {arrow} {other}: {words_of(impairment)} ({count})")
    tell_unheard(answer)


def _ways(paths: Layout, ends: tuple[str, str], *, one_way: bool) -> list[tuple[str, str]]:
    """Return the directed links between two groups of hosts."""
    pairs = pods.pairs(paths, paths.read_cluster(), *ends)
    if not one_way:
        pairs += [(other, one) for one, other in pairs]
    return list(dict.fromkeys(pairs))


@fault.command()
@click.argument("names", metavar="[A...]", nargs=-1)
@click.option("--link", "ends", nargs=2, metavar="A B", help="Only the link between two hosts.")
@cluster_option
def heal(names: tuple[str, ...], ends: tuple[str, str] | None, cluster_name: str) -> None:
    """Heal every link, or those of some hosts, or one.

    What is under way on a link arrives at once.

    \b
    Examples:
    podwire fault heal node-1 pod/default/web-0
    podwire fault heal --link node-1 node-2
    podwire fault heal
    """
    paths = Layout.of(cluster_name)
    if names and ends:
        raise UsageError("give hosts or --link, not both")
    asked: dict[str, Any] = {"hosts": pods.expand(paths, paths.read_cluster(), names)}
    if ends:
        asked = {"ways": _ways(paths, ends, one_way=False)}
    if client.running_session(paths) is None:
        table = faults.read(paths)  # A cluster that is down keeps its faults for the next start.
        healed = table.heal_ways(asked["ways"]) if ends else table.heal(asked["hosts"])
        answer: dict[str, Any] = {"healed": len(healed), "unheard": []}
        table.write(paths.faults_file)
    else:
        answer = client.call(paths, "fault_heal", asked)
    click.echo(f"{answer['healed']} rules healed")
    tell_unheard(answer)


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
    width = shutil.get_terminal_size((_PIPE_WIDTH, 0)).columns
    for rule in rules:
        for line in lines_of(rule, width):
            click.echo(line)
