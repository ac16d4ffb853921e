"""`podwire conntrack NODE`: the connections a node tracks, as conntrack(8) shows them."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any, Final

import click

from componentbase import rpc
from podwire.cli import CommandFailed, cluster_option, netlink, output_option
from podwire.cli.conntrack_table import Network, Row, Selection, connections, event
from podwire.cluster.layout import Layout, UsageError

_STATES: Final = (
    "SYN_SENT", "SYN_SENT2", "SYN_RECV", "ESTABLISHED", "FIN_WAIT", "CLOSE_WAIT", "LAST_ACK",
    "TIME_WAIT", "CLOSE",
)  # fmt: skip


class _NetworkType(click.ParamType[Network]):
    """An address, or a network of them."""

    name = "address"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> Network:
        try:
            return ip_network(value, strict=False)
        except ValueError:
            raise UsageError(
                f"{value!r} is no address; write 10.244.1.5 or 10.244.0.0/16"
            ) from None


_NETWORK: Final = _NetworkType()
_port = click.IntRange(0, 65535)


@click.command()
@click.argument("node")
@cluster_option
@output_option
@click.option("-E", "-e", "--events", "follow", is_flag=True, help="Follow events, until Ctrl-C.")
@click.option("-C", "--count", is_flag=True, help="Only how many there are.")
@click.option("-D", "--delete", is_flag=True, help="Forget those that match.")
@click.option(
    "-p", "--protocol", type=click.Choice(["tcp", "udp", "icmp", "icmpv6"]), help="Only this."
)
@click.option("-f", "--family", type=click.Choice(["ipv4", "ipv6"]), help="Only this family.")
@click.option("-s", "--src", "source", type=_NETWORK, help="Only from this source.")
@click.option("-d", "--dst", "destination", type=_NETWORK, help="Only to this destination.")
@click.option("-r", "--reply-src", "reply_source", type=_NETWORK, help="Only answered by this.")
@click.option(
    "-q", "--reply-dst", "reply_destination", type=_NETWORK, help="Only answered to this."
)
@click.option("--sport", type=_port, help="Only from this port.")
@click.option("--dport", type=_port, help="Only to this port.")
@click.option("--state", type=click.Choice(_STATES, case_sensitive=False), help="TCP's state.")
@click.option("-n", "--src-nat", "source_translated", is_flag=True, help="Only masqueraded ones.")
@click.option(
    "-g", "--dst-nat", "destination_translated", is_flag=True, help="Only those of Services."
)
@click.option("--timestamps", is_flag=True, help="With -E: when, in seconds since 1970.")
def conntrack(node: str, cluster_name: str, **options: Any) -> None:
    """Show the flows a node tracks, as `conntrack`.

    A list as `conntrack -L` has it; with -E what becomes of them from now on. -s, -d and the ports
    are of the original direction; addresses may be networks. Exit status of -D: 1 if there was
    nothing to forget.

    \b
    Examples:
    podwire conntrack node-1 -p tcp -d 10.96.0.10
    podwire conntrack node-1 -E
    podwire conntrack node-1 -D -s 10.244.1.5 --sport 40000
    """
    chosen = _Options.of(options)
    chosen.check()
    paths = Layout.of(cluster_name)
    if chosen.follow:
        asyncio.run(_follow(paths, node, chosen))
    elif chosen.delete:
        deleted = netlink.run(paths, node, lambda client: _delete(client, chosen))
        _show(deleted, chosen, "deleted")
        if not deleted:
            sys.exit(1)
    else:
        rows = chosen.selection.matching(netlink.ask(paths, node, "conntrack_list"))
        if chosen.count:
            click.echo(json.dumps(len(rows)))
        else:
            _show(rows, chosen, "shown")


def _show(rows: list[Row], chosen: _Options, done: str) -> None:
    if chosen.output == "json":
        click.echo(json.dumps(rows, indent=2))
        return
    for line in connections(rows):
        click.echo(line)
    click.echo(f"{len(rows)} flow entries have been {done}.", err=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Options:
    """What was typed."""

    output: str
    follow: bool
    count: bool
    delete: bool
    timestamps: bool
    selection: Selection

    @classmethod
    def of(cls, typed: dict[str, Any]) -> _Options:
        own = {name: typed.pop(name) for name in cls.__slots__ if name in typed}
        typed["family"] = {None: None, "ipv4": 4, "ipv6": 6}[typed["family"]]
        return cls(**own, selection=Selection(**typed))

    def check(self) -> None:
        """Raise UsageError for what makes no sense."""
        if self.follow + self.count + self.delete > 1:
            raise UsageError("choose one of -E, -C and -D")
        if self.timestamps and not self.follow:
            raise UsageError("--timestamps is for events: add -E")
        if self.delete and self.selection == Selection():
            raise UsageError("-D forgets what is selected: add -p, -s, -d, --sport, --dport, ...")
        protocol = self.selection.protocol
        if self.selection.state is not None and protocol not in (None, "tcp"):
            raise UsageError(f"--state is TCP's: {protocol} has none")


async def _delete(client: rpc.Client, chosen: _Options) -> list[Row]:
    """Forget what is selected; return what was there to forget."""
    rows = chosen.selection.matching(await client.call("conntrack_list"))
    flows = [{"protocol": row["protocol"], **row["original"]} for row in rows]
    deleted: list[Row] = await client.call("conntrack_delete", {"flows": flows})
    return deleted


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
        for row in chosen.selection.matching(params["events"]):
            as_json = chosen.output == "json"
            click.echo(json.dumps(row) if as_json else event(row, timestamps=chosen.timestamps))

    return on_tell
