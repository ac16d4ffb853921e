"""`podwire routes|neigh|fdb|links|services|conntrack|drops NODE`: a datapath's tables."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import click

from podwire.cli import cluster_option, linux_tables, netlink, output_option
from podwire.cluster.layout import Layout

Printer = Callable[[Any], list[str]]


def _table(name: str, method: str, printer: Printer, text: str) -> click.Command:
    @click.command(name=name, help=f"{text}\n\n\b\nExample: podwire {name} node-1")
    @click.argument("node")
    @cluster_option
    @output_option
    def command(node: str, cluster_name: str, output: str) -> None:
        rows = netlink.ask(Layout.of(cluster_name), node, method)
        if output == "json":
            click.echo(json.dumps(rows, indent=2))
            return
        for line in printer(rows):
            click.echo(line)

    return command


routes = _table("routes", "route_list", linux_tables.routes, "A node's routes, as `ip route`.")
neigh = _table(
    "neigh", "neighbour_list", linux_tables.neighbours, "A node's neighbours, as `ip neigh`."
)
fdb = _table("fdb", "fdb_list", linux_tables.fdb, "A node's forwarding database, as `bridge fdb`.")
links = _table(
    "links", "link_list", linux_tables.links, "A node's interfaces and drops, as `ip -s link`."
)
services = _table(
    "services",
    "frontend_list",
    linux_tables.services,
    "The Services a node knows, as `ipvsadm -Ln`.",
)
drops = _table(
    "drops", "counters", linux_tables.drops, "What a node has dropped, and why, since its start."
)
conntrack = _table(
    "conntrack",
    "conntrack_list",
    linux_tables.conntrack,
    "The flows a node tracks, as `conntrack -L`.",
)
