"""`podwire policy explain|matrix|log`: what network policies say, before and after packets ask.

`explain` and `matrix` list the cluster's objects and ask the datapath's own code; `log` asks the
datapaths what they decided.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from collections.abc import Sequence
from contextlib import suppress

import click

from componentbase import rpc
from kubeapi.client import RestClient
from kubeapi.objects import Object
from kubeapi.resources import ENDPOINTSLICES, PODS, SERVICES, Resource
from nodeagent.policy import evaluation, explanation, matrix
from podwire.cli import (
    CommandFailed,
    api,
    cluster_option,
    netlink,
    output_option,
    policy_nodes,
    policy_places,
    policy_words,
)
from podwire.cluster import layout
from podwire.cluster.layout import Layout, UsageError

_FOLLOW_S = 0.5


@click.group()
def policy() -> None:
    """Ask what network policies allow, deny and have decided.

    NetworkPolicies, AdminNetworkPolicies, the baseline and ClusterNetworkPolicies.

    \b
    Examples:
    podwire policy explain web shop/db:5432
    podwire policy matrix -n shop
    podwire policy log -f
    """


def _objects(paths: Layout, resources: Sequence[Resource]) -> dict[Resource, list[Object]]:
    async def listed(client: RestClient) -> dict[Resource, list[Object]]:
        found = await asyncio.gather(*(client.list(each) for each in resources))
        return {each: got["items"] for each, got in zip(resources, found, strict=True)}

    return api.run(paths, listed)


def _outside(paths: Layout) -> list[str]:
    return paths.read_cluster().host_addresses(layout.OUTSIDE_HOST)


@policy.command()
@click.argument("source", metavar="SRC")
@click.argument("target", metavar="DST:PORT[/PROTO]")
@output_option
@cluster_option
def explain(source: str, target: str, output: str, cluster_name: str) -> None:
    """Say whether SRC may talk to DST, and who decides.

    And what would change it, for each direction.

    SRC and DST are pods ([NAMESPACE/]NAME), nodes, addresses or outside (this machine); DST may be
    a Service, svc/[NAMESPACE/]NAME: each of its endpoints is judged. PROTO is TCP (the default),
    UDP, SCTP or ICMP (without a port). Exit status 1: it is denied, at least in part.

    \b
    Examples:
    podwire policy explain web shop/db:5432
    podwire policy explain outside svc/shop/web:http
    podwire policy explain shop/web 10.244.1.7:53/UDP -o json
    """
    paths, wanted = Layout.of(cluster_name), policy_places.Target.parse(target)
    objects = _objects(paths, [*evaluation.NEEDED, SERVICES, ENDPOINTSLICES])
    outside = _outside(paths)
    sender = policy_places.source(source, objects, outside)
    world = evaluation.Evaluation(objects)
    found = []
    for backend in policy_places.backends(wanted, objects, outside):
        ends = matrix.common(sender.addresses, backend.end.addresses)
        if ends is not None:
            flow = evaluation.Flow(*ends, wanted.protocol, backend.port)
            found.append((backend.end.name, explanation.explain(world, flow)))
    if not found:
        raise UsageError(f"{source} and {wanted.host} have no address of one family")
    notes = asyncio.run(policy_nodes.disagreements(paths, world, [each for _, each in found]))
    if output == "json":
        click.echo(json.dumps(policy_words.as_json(sender.name, found, notes), indent=2))
    else:
        said = policy_words.lines(sender.name, found, notes)
        click.echo("\n".join(policy_words.wrapped(said, _width())))
    sys.exit(0 if all(each.allowed for _, each in found) else 1)


@policy.command("matrix")
@click.option("-n", "--namespace", "namespaces", multiple=True, help="Only pods there; repeatable.")
@click.option("--port", "ports", multiple=True, help="PORT[/PROTO]; repeatable.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "json", "dot"]),
    default="table",
    show_default=True,
    help="For people, for programs, or for Graphviz.",
)
@cluster_option
def show_matrix(
    namespaces: tuple[str, ...], ports: tuple[str, ...], output: str, cluster_name: str
) -> None:
    """Show who can talk to whom.

    Pods that policies cannot tell apart are one row. Without --port each is asked at the ports that
    its containers declare, or at TCP 80.

    \b
    Examples:
    podwire policy matrix
    podwire policy matrix -n shop --port 5432 --port 53/UDP
    podwire policy matrix -o dot | dot -Tsvg > who.svg
    """
    paths = Layout.of(cluster_name)
    asked = [_port(text) for text in ports]
    objects = _objects(paths, evaluation.NEEDED)
    world = evaluation.Evaluation(objects)
    pods = [pod for pod in world.pods() if not namespaces or pod.namespace in namespaces]
    declared = policy_words.declared_ports(objects[PODS])
    groups = matrix.groups(pods, declared)
    beyond = matrix.Group("outside", (tuple(_outside(paths)),), ())
    try:
        cells = matrix.matrix(world, [*groups, beyond], groups, asked)
    except matrix.TooMany as error:
        raise UsageError(str(error)) from None
    shown = policy_words.Matrix([*groups, beyond], groups, cells)
    click.echo(
        {"table": lambda: shown.table(_width()), "json": shown.json, "dot": shown.dot}[output]()
        if groups
        else "no pods: podwire get pods -A"
    )


def _width() -> int:
    """Return how long lines may be, 0 where nobody sees them."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else 0


def _port(text: str) -> matrix.Port:
    target = policy_places.Target.parse(f"any:{text}")
    if not target.port.isdigit():
        raise UsageError(f"{text} is no port: write 80 or 53/UDP")
    return target.protocol, int(target.port)


@policy.command()
@click.argument("nodes", metavar="[NODE]...", nargs=-1)
@click.option("-f", "--follow", is_flag=True, help="Go on until Ctrl-C.")
@output_option
@cluster_option
def log(nodes: tuple[str, ...], follow: bool, output: str, cluster_name: str) -> None:
    """Show what policies decided on the nodes.

    Every flow that was denied, and what policies that log have decided. A policy logs all that its
    rules decide with the annotation podwire.io/policy-log: "true". Each node remembers its last
    1,024 flows.

    \b
    Examples:
    podwire policy log
    podwire policy log node-2 -f
    """
    paths = Layout.of(cluster_name)
    cluster = paths.read_cluster()
    asked = list(nodes) or [f"node-{number}" for number in cluster.node_numbers]
    with suppress(KeyboardInterrupt):
        asyncio.run(_show_log(paths, asked, output, follow=follow, strict=bool(nodes)))


async def _show_log(
    paths: Layout, nodes: Sequence[str], output: str, *, follow: bool, strict: bool
) -> None:
    since, silent = 0, dict[str, None]()
    while True:
        rows: list[policy_words.Row] = []
        for node in nodes:
            try:
                rows += await _logged(paths, node)
            except CommandFailed as error:
                if strict:
                    raise
                if node not in silent:  # A dead one; the others go on.
                    click.echo(f"podwire: {error}", err=True)
                    silent[node] = None
        new = sorted((row for row in rows if row["at_ns"] > since), key=lambda row: row["at_ns"])
        if output == "json" and not follow:
            click.echo(json.dumps(new, indent=2))
        for row in new if output != "json" or follow else ():
            click.echo(json.dumps(row) if output == "json" else policy_words.noted(row))
        if not follow:
            return
        since = max([since, *(row["at_ns"] for row in new)])
        await asyncio.sleep(_FOLLOW_S)


async def _logged(paths: Layout, node: str) -> list[policy_words.Row]:
    client = await netlink.connect(paths, node)
    try:
        answer = await client.call("policy_log")
    except rpc.RpcError as error:
        raise CommandFailed(f"{node}: {error.message}") from None
    finally:
        await client.close()
    return [{"node": node, **row} for row in answer["entries"]]
