"""`podwire ss`: the sockets of a pod's stack, or of a node's own."""

from __future__ import annotations

import json
from typing import Any

import click

from podwire.cli import cluster_option, netlink, output_option, stacks
from podwire.cli.ss_table import Row, sockets, summary, summary_lines
from podwire.cluster.layout import Layout, UsageError


@click.command()
@click.argument("node", required=False)
@click.option("--pod", metavar="[NAMESPACE/]NAME", help="A pod's sockets, instead of a node's.")
@cluster_option
@output_option
@click.option("-t", "--tcp", is_flag=True, help="Only TCP.")
@click.option("-u", "--udp", is_flag=True, help="Only UDP.")
@click.option("-l", "--listening", is_flag=True, help="Only those that listen.")
@click.option("-i", "--info", is_flag=True, help="With TCP's internals: cwnd, rtt, bytes, ...")
@click.option("-s", "--summary", is_flag=True, help="Only how many there are.")
def ss(node: str | None, pod: str | None, cluster_name: str, **options: Any) -> None:
    """Show the sockets of a pod or a node, as `ss`.

    \b
    Examples:
    podwire ss --pod web-0 -ti
    podwire ss node-1
    podwire ss node-1 -s
    """
    paths = Layout.of(cluster_name)
    paths.read_cluster()
    if (node is None) == (pod is None):
        raise UsageError("name a node, or a pod with --pod NAMESPACE/NAME")
    rows = (
        stacks.run(paths, pod, lambda client: client.call("sockets", timeout_s=5))
        if pod is not None
        else netlink.ask(paths, str(node), "socket_list")
    )
    rows = _chosen(rows, **{name: options[name] for name in ("tcp", "udp", "listening")})
    shown = summary(rows) if options["summary"] else rows
    if options["output"] == "json":
        click.echo(json.dumps(shown, indent=2))
        return
    with_protocol = options["tcp"] == options["udp"]
    lines = (
        summary_lines(summary(rows))
        if options["summary"]
        else sockets(rows, internals=options["info"], with_protocol=with_protocol)
    )
    for line in lines:
        click.echo(line)


def _chosen(rows: list[Row], *, tcp: bool, udp: bool, listening: bool) -> list[Row]:
    protocols = [name for name, wanted in (("tcp", tcp), ("udp", udp)) if wanted]
    return [
        row
        for row in rows
        if (not protocols or row["protocol"] in protocols)
        and (not listening or row["state"] in ("LISTEN", "UNCONN"))
    ]
