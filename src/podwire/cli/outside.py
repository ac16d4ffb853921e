"""`podwire outside list|add|rm`: which services of this machine pods reach as the world outside.

The launcher keeps the list and writes the configurations that datapaths start with; datapaths that
run are told here, and so is the cluster's DNS, whose Corefile has the names.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any, Final

import click
import msgspec

from componentbase import rpc
from kubeapi.client import RestClient
from kubeapi.resources import CONFIGMAPS
from kubeapi.status import StatusError, is_not_found
from podwire.cli import CommandFailed, api, cluster_option, netlink, output_option
from podwire.cluster import outside as mapping
from podwire.cluster.layout import Layout, UsageError, node_name
from podwire.cluster.outside import OutsideError, OutsideService
from podwire.launcher import client

_ANSWER_S: Final = 5.0


@click.group()
def outside() -> None:
    """Services of this machine that pods reach as the world outside.

    Pods dial NAME (or NAME.outside) where the cluster has its DNS, and an address of
    203.0.113.0/24 in any case. Their packets leave the node by eth0, masqueraded; the service
    is asked from 127.0.B.N, the address of the node.

    \b
    Examples:
    podwire outside add db=127.0.0.1:5432 time=127.0.0.1:123/udp
    podwire outside list
    podwire outside rm db
    """


@outside.command(name="list")
@output_option
@cluster_option
def list_(output: str, cluster_name: str) -> None:
    """Show what is mapped.

    \b
    Example: podwire outside list -o json
    """
    cluster = Layout.of(cluster_name).read_cluster()
    rows: list[dict[str, Any]] = [
        {
            "name": each.name,
            "addresses": [each.address(family) for family in cluster.families],
            "port": each.port,
            "protocol": each.protocol,
            "target": each.target,
        }
        for each in cluster.outside
    ]
    if output == "json":
        click.echo(json.dumps(rows, indent=2))
        return
    table = [["NAME", "ADDRESS", "PORT", "TARGET"]]
    for row in rows:
        addresses = ",".join(row["addresses"])
        table.append([row["name"], addresses, f"{row['port']}/{row['protocol']}", row["target"]])
    widths = [max(len(line[at]) for line in table) for at in range(len(table[0]))]
    for line in table:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        click.echo("   ".join(cells).rstrip())


@outside.command()
@click.argument("services", metavar="NAME=127.0.0.1:PORT[/udp]...", nargs=-1, required=True)
@cluster_option
def add(services: tuple[str, ...], cluster_name: str) -> None:
    """Let pods reach services of this machine. NAME:80=127.0.0.1:8080 has another port inside.

    \b
    Example: podwire outside add db=127.0.0.1:5432
    """
    try:
        wanted = [mapping.parse(text) for text in services]
    except OutsideError as error:
        raise UsageError(str(error)) from None
    paths = Layout.of(cluster_name)
    cluster = paths.read_cluster()
    known = _change(paths, wanted, [])
    keys = {each.key for each in wanted}
    new = [each for each in known if each.key in keys]
    _tell_nodes(paths, "replace", {"entries": mapping.rows(new, cluster.families)})
    tell_dns(paths)
    for each in new:
        where = ", ".join(each.address(family) for family in cluster.families)
        click.echo(f"{each.name} is {where} port {each.port}/{each.protocol}")


@outside.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@cluster_option
def rm(names: tuple[str, ...], cluster_name: str) -> None:
    """Let pods reach them no longer; connections that are open go on.

    \b
    Example: podwire outside rm db
    """
    paths = Layout.of(cluster_name)
    cluster = paths.read_cluster()
    gone = [each for each in cluster.outside if each.name in names]
    unknown = sorted(set(names) - {each.name for each in gone})
    if unknown:
        listed = f"podwire outside list{paths.name_option}"
        raise UsageError(f"{unknown[0]!r} is mapped nowhere; {listed} shows what is")
    _change(paths, [], [each.key for each in gone])
    keys = [
        (row["address"], row["port"], row["protocol"])
        for row in mapping.rows(gone, cluster.families)
    ]
    _tell_nodes(paths, "delete", {"keys": keys})
    tell_dns(paths)
    for name in names:
        click.echo(f"{name} removed")


def _change(
    paths: Layout, wanted: Sequence[OutsideService], gone: Sequence[tuple[str, int, str]]
) -> tuple[OutsideService, ...]:
    params = {"add": msgspec.to_builtins(list(wanted)), "remove": [list(key) for key in gone]}
    answer = client.call(paths, "outside", params)
    return msgspec.convert(answer, tuple[OutsideService, ...])


def _tell_nodes(paths: Layout, verb: str, params: dict[str, Any]) -> None:
    """Tell every datapath that runs; others read it when they start."""
    silent = asyncio.run(_tell_all(paths, f"outside_service_{verb}", params))
    if silent:
        raise CommandFailed(
            f"{', '.join(silent)} did not answer; is it paused? Repeat the command when it goes on"
        )


async def _tell_all(paths: Layout, method: str, params: dict[str, Any]) -> list[str]:
    names = [node_name(number) for number in paths.read_cluster().node_numbers]
    told = await asyncio.gather(*(_tell(paths, name, method, params) for name in names))
    return [name for name, answered in zip(names, told, strict=True) if not answered]


async def _tell(paths: Layout, node: str, method: str, params: dict[str, Any]) -> bool:
    """Tell one datapath; False where it does not answer (a dead one need not)."""
    try:
        connection = await netlink.connect(paths, node)
    except CommandFailed:
        return True
    try:
        await connection.call(method, params, timeout_s=_ANSWER_S)
    except rpc.RpcError as error:
        if error.code == "InvalidArgument":
            raise CommandFailed(f"{node}: {error.message}") from None
        return False
    finally:
        await connection.close()
    return True


def tell_dns(paths: Layout) -> None:
    """Let the cluster's DNS, if there is one, know the names."""
    cluster = paths.read_cluster()

    async def work(rest: RestClient) -> None:
        try:
            found = await rest.get(CONFIGMAPS, "coredns", "kube-system")
        except StatusError as error:
            if is_not_found(error):
                return
            raise
        old = (found.get("data") or {}).get("Corefile", "")
        new = mapping.rewritten(old, cluster.outside, cluster.families)
        if new != old:
            patch = {"data": {"Corefile": new}}
            await rest.patch(CONFIGMAPS, "coredns", patch, "kube-system")

    api.run(paths, work)
