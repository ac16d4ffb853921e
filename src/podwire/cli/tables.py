"""`podwire routes|neigh|fdb|links|services|drops NODE`: a datapath's tables."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import click

from componentbase import rpc
from podwire.cli import cluster_option, iproute2, linux_tables, netlink, output_option
from podwire.cluster.layout import Layout

#: Takes the answer to each method that a command asks.
Shape = Callable[..., Any]


def _table(
    name: str,
    methods: tuple[str, ...],
    printer: Callable[..., list[str]],
    text: str,
    *,
    objects: Shape | None = None,
) -> click.Command:
    """Make a command that prints the answers to *methods*; as JSON the first one.

    With *objects* both are made of what that makes of the answers.
    """

    @click.command(name=name, help=f"{text}\n\n\b\nExample: podwire {name} node-1")
    @click.argument("node")
    @cluster_option
    @output_option
    def command(node: str, cluster_name: str, output: str) -> None:
        asked = methods[:1] if output == "json" and objects is None else methods

        async def ask(client: rpc.Client) -> list[Any]:
            return [await client.call(method) for method in asked]

        answers = netlink.run(Layout.of(cluster_name), node, ask)
        if objects is not None:
            answers = [objects(*answers)]
        if output == "json":
            click.echo(json.dumps(answers[0], indent=2))
            return
        for line in printer(*answers):
            click.echo(line)

    return command


routes = _table(
    "routes",
    ("route_list", "address_list"),
    iproute2.route_lines,
    "A node's routes, as `ip route`.",
    objects=iproute2.routes,
)
neigh = _table(
    "neigh",
    ("neighbour_list",),
    iproute2.neighbour_lines,
    "A node's neighbours, as `ip neigh`.",
    objects=iproute2.neighbours,
)
fdb = _table(
    "fdb",
    ("fdb_list",),
    iproute2.fdb_lines,
    "A node's forwarding database, as `bridge fdb`.",
    objects=iproute2.fdb,
)
links = _table(
    "links",
    ("link_list",),
    iproute2.link_lines,
    "A node's interfaces and drops, as `ip -s link`.",
    objects=iproute2.links,
)
services = _table(
    "services",
    ("frontend_list", "conntrack_list", "host_listener_list"),
    linux_tables.services,
    "The Services a node knows, as `ipvsadm -Ln`.",
)
drops = _table(
    "drops",
    ("counters",),
    linux_tables.drops,
    "What a node has dropped, and why, since its start.",
)
