"""`podwire conntrack NODE`: the connections a node tracks, as conntrack(8) shows them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

import click

from componentbase import rpc
from podwire.cli import CommandFailed, cluster_option, netlink, output_option
from podwire.cli.conntrack_table import Row, connections, event, matching
from podwire.cluster.layout import Layout, UsageError


@click.command()
@click.argument("node")
@cluster_option
@output_option
@click.option("-E", "-f", "--events", "follow", is_flag=True, help="Follow events, until Ctrl-C.")
@click.option("-C", "--count", is_flag=True, help="Only how many there are.")
@click.option("-D", "--delete", is_flag=True, help="Forget those that match; -p is needed.")
@click.option("-p", "--protocol", type=click.Choice(["tcp", "udp", "icmp"]), help="Only this.")
@click.option("-s", "--src", "source", metavar="ADDRESS", help="Only from this source.")
@click.option("-d", "--dst", "destination", metavar="ADDRESS", help="Only to this destination.")
@click.option("--dport", type=click.IntRange(0, 65535), help="Only to this port.")
@click.option("--timestamps", is_flag=True, help="With -E: when, in seconds since 1970.")
def conntrack(node: str, cluster_name: str, **options: Any) -> None:
    """Show the flows a node tracks, as `conntrack`.

    A list as `conntrack -L` has it; with -E what becomes of them from now on.

    \b
    Examples:
    podwire conntrack node-1 -p tcp -d 10.96.0.10
    podwire conntrack node-1 -E
    podwire conntrack node-1 -D -p udp --dport 53
    """
    chosen = _Options(**options)
    chosen.check()
    paths = Layout.of(cluster_name)
    if chosen.follow:
        asyncio.run(_follow(paths, node, chosen))
        return
    rows = chosen.matching(netlink.ask(paths, node, "conntrack_list"))
    if chosen.delete:
        _delete(paths, node, chosen, rows)
    elif chosen.count:
        click.echo(json.dumps(len(rows)))
    elif chosen.output == "json":
        click.echo(json.dumps(rows, indent=2))
    else:
        for line in connections(rows):
            click.echo(line)
        click.echo(f"{len(rows)} flow entries have been shown.", err=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Options:
    """What was typed."""

    output: str
    follow: bool
    count: bool
    delete: bool
    protocol: str | None
    source: str | None
    destination: str | None
    dport: int | None
    timestamps: bool

    def check(self) -> None:
        """Raise UsageError for what makes no sense."""
        if self.follow + self.count + self.delete > 1:
            raise UsageError("choose one of -E, -C and -D")
        if self.timestamps and not self.follow:
            raise UsageError("--timestamps is for events: add -E")
        if self.delete and self.protocol not in ("tcp", "udp"):
            raise UsageError("-D forgets flows of one protocol: add -p tcp or -p udp")
        if self.delete and self.source is not None:
            raise UsageError("-D selects by -p, -d and --dport; leave -s out")
        for text in (self.source, self.destination):
            if text is not None:
                _check_address(text)

    def matching(self, rows: list[Row]) -> list[Row]:
        return matching(
            rows,
            protocol=self.protocol,
            source=self.source,
            destination=self.destination,
            port=self.dport,
        )


def _check_address(text: str) -> None:
    try:
        ip_address(text)
    except ValueError:
        raise UsageError(f"{text!r} is no address; write 10.244.1.5") from None


def _delete(paths: Layout, node: str, chosen: _Options, rows: list[Row]) -> None:
    assert chosen.protocol is not None
    asked: dict[str, Any] = {"protocol": chosen.protocol.upper()}
    if chosen.destination is not None:
        asked["original_destination"] = chosen.destination
    if chosen.dport is not None:
        asked["original_port"] = chosen.dport
    deleted = netlink.ask(paths, node, "conntrack_delete", asked)
    if chosen.output == "json":
        click.echo(json.dumps(rows, indent=2))
    else:
        for line in connections(rows):
            click.echo(line)
    click.echo(f"{deleted} flow entries have been deleted.", err=True)


async def _follow(paths: Layout, node: str, chosen: _Options) -> None:
    client = await netlink.connect(paths, node, _listener(chosen))
    try:
        await client.call("conntrack_watch")
        await client.closed.wait()
    except rpc.RpcError as error:
        raise CommandFailed(f"{node}: {error.message}") from None
    finally:
        await client.close()
    raise CommandFailed(f"the datapath of {node} has ended; see podwire status{paths.name_option}")


def _listener(chosen: _Options) -> Callable[[rpc.Connection, str, rpc.Params], None]:
    def on_tell(_connection: rpc.Connection, _method: str, params: rpc.Params) -> None:
        if params["dropped"]:
            click.echo(f"{params['dropped']} events lost: this reader was too slow", err=True)
        for row in chosen.matching(params["events"]):
            as_json = chosen.output == "json"
            click.echo(json.dumps(row) if as_json else event(row, timestamps=chosen.timestamps))

    return on_tell
