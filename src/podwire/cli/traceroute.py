"""`podwire traceroute`: every router between any two pods or nodes answers for itself."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from ipaddress import ip_address

import click

from componentbase import rpc
from netdev.probing import PAYLOAD_OCTETS_MAX
from netdev.traceroute import HOPS_MAX, QUERIES_MAX, Row, Traceroute, is_last
from netstack.probe import Method
from podwire.cli import cluster_option, output_option, stacks
from podwire.cluster.layout import Layout, UsageError

#: What Linux's traceroute sends by default, headers included.
_OCTETS = {4: 60, 6: 80}


@click.command()
@click.argument("source", metavar="SOURCE")
@click.argument("target", metavar="TARGET")
@click.argument("octets", metavar="[BYTES]", required=False,
                type=click.IntRange(0, PAYLOAD_OCTETS_MAX))  # fmt: skip
@click.option("--icmp", "-I", "method", flag_value="icmp", help="Send echo requests.")
@click.option("--tcp", "-T", "method", flag_value="tcp", help="Send SYNs.")
@click.option("--udp", "-U", "method", flag_value="udp", help="Send datagrams.  [default]")
@click.option("--first", "-f", type=click.IntRange(1, HOPS_MAX), default=1, help="The first hop.")
@click.option("--max-hops", "-m", "hops", type=click.IntRange(1, HOPS_MAX), default=30,
              show_default=True, help="How far.")  # fmt: skip
@click.option("--queries", "-q", type=click.IntRange(1, QUERIES_MAX), default=3,
              show_default=True, help="Probes for each hop.")  # fmt: skip
@click.option("--wait", "-w", "wait_s", type=click.FloatRange(0.01, 60), default=1.0,
              show_default=True, help="Seconds to wait for the answers of a hop.")  # fmt: skip
@click.option("--port", "-p", type=click.IntRange(1, 65535),
              help="Where datagrams begin to go (33434), or SYNs go (80).")  # fmt: skip
@click.option("--source", "-s", "own", default="", help="Send from this address.")
@click.option("--numeric", "-n", is_flag=True, help="Show addresses without names.")
@click.option("-4", "family", flag_value="4", help="By IPv4.")
@click.option("-6", "family", flag_value="6", help="By IPv6.")
@cluster_option
@output_option
def traceroute(
    source: str,
    target: str,
    octets: int | None,
    method: str | None,
    first: int,
    hops: int,
    queries: int,
    wait_s: float,
    port: int | None,
    own: str,
    numeric: bool,
    family: str | None,
    cluster_name: str,
    output: str,
) -> None:
    """Trace the route from SOURCE to TARGET.

    As traceroute(8): every router on the way answers for itself.

    SOURCE is a pod or a node, TARGET that, an address, or a Service (svc/NAME). Pods are
    [NAMESPACE/]NAME. Exit status 1: the target did not answer.

    \b
    Examples:
    podwire traceroute default/a default/b
    podwire traceroute -T -p 80 default/a svc/web
    podwire traceroute -I -n node-1 10.244.2.3
    """
    paths = Layout.of(cluster_name)
    cluster = paths.read_cluster()
    if first > hops:
        raise UsageError(f"-f {first} is beyond -m {hops}: choose a nearer first hop")
    chosen = int(family or cluster.families[0])
    address = ip_address(stacks.address_of(paths, target, chosen))
    asked = Traceroute(
        address=address,
        name=target,
        method=Method(method or "udp"),
        port=port or 0,
        first_hop=first,
        hops=hops,
        queries=queries,
        wait_s=wait_s,
        octets=_OCTETS[address.version] if octets is None else octets,
        source=own,
        numeric=numeric,
        names={} if numeric else stacks.names(paths),
    )
    as_json = output == "json"
    rows = stacks.run(paths, source, lambda client: _trace(asked, client, quiet=as_json))
    if as_json:
        told = {"target": target, "address": str(address), "method": str(asked.method)}
        click.echo(json.dumps({**told, "hops": rows}, indent=2))
    arrived = bool(rows) and is_last(_answers(rows[-1]), address)
    sys.exit(0 if arrived else 1)


async def _trace(asked: Traceroute, client: rpc.Client, *, quiet: bool) -> list[Row]:
    async def ask(params: Mapping[str, object]) -> Row:
        done: Row = await client.call("probe", dict(params), timeout_s=asked.wait_s + 5)
        return done

    if quiet:
        return await asked.run(ask, lambda _line: None)
    click.echo(asked.title())
    return await asked.run(ask, click.echo)


def _answers(row: Row) -> list[Row | None]:
    answers = row["answers"]
    assert isinstance(answers, list)
    return answers
