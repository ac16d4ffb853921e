"""`podwire routes|neigh|fdb|links|services|drops NODE`: a datapath's tables."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import click

from componentbase import rpc
from podwire.cli import cluster_option, linux_tables, netlink, output_option
from podwire.cluster.layout import Layout

#: Takes the answer to each method that a command asks.
Printer = Callable[..., list[str]]


def _table(name: str, methods: tuple[str, ...], printer: Printer, text: str) -> click.Command:
    """Make a command that prints the answers to *methods*; as JSON the first one."""

    @click.command(name=name, help=f"{text}\n\n\b\nExample: podwire {name} node-1")
    @click.argument("node")
    @cluster_option
    @output_option
    def command(node: str, cluster_name: str, output: str) -> None:
        asked = methods[:1] if output == "json" else methods

        async def ask(client: rpc.Client) -> list[Any]:
            return [await client.call(method) for method in asked]

        answers = netlink.run(Layout.of(cluster_name), node, ask)
        if output == "json":
            click.echo(json.dumps(answers[0], indent=2))
            return
        for line in printer(*answers):
            click.echo(line)

    return command


routes = _table(
    "routes",
    ("route_list", "address_list"),
    linux_tables.routes,
    "A node's routes, as `ip route`.",
)
neigh = _table(
    "neigh", ("neighbour_list",), linux_tables.neighbours, "A node's neighbours, as `ip neigh`."
)
fdb = _table(
    "fdb", ("fdb_list",), linux_tables.fdb, "A node's forwarding database, as `bridge fdb`."
)
links = _table(
    "links", ("link_list",), linux_tables.links, "A node's interfaces and drops, as `ip -s link`."
)
services = _table(
    "services",
    ("frontend_list", "conntrack_list"),
    linux_tables.services,
    "The Services a node knows, as `ipvsadm -Ln`.",
)
drops = _table(
    "drops",
    ("counters",),
    linux_tables.drops,
    "What a node has dropped, and why, since its start.",
)
