"""`podwire flows`: the flow log of all nodes, with the names of pods and Services.

What becomes of connections is conntrack's word, so a flow between two nodes is told by both. What
is dropped has no connection: nodes show it as a capture of drops only, which takes frames apart as
every capture does (`--no-drops` leaves that out).
"""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Callable, Mapping
from typing import Any, Final

import click

from componentbase import rpc
from podwire.cli import CommandFailed, cluster_option, netlink, output_option, stacks
from podwire.cli.flow_words import DROPPED, VERDICTS, Row, Selection, line, of_connection, of_drop
from podwire.cli.packet_words import words_of
from podwire.cluster.layout import Layout, UsageError, node_name

#: How often names are asked for anew, when an address has none.
_NAMES_EVERY_S: Final = 2.0
#: What of a dropped frame is needed to say what it was, behind VXLAN too.
_SNAPLEN: Final = 200


@click.command()
@click.argument("nodes", metavar="[NODE]...", nargs=-1)
@click.option("--follow", "-f", is_flag=True, help="Go on with what happens, until Ctrl-C.")
@click.option("--pod", "pods", metavar="[NAMESPACE/]NAME", multiple=True,
              help="Only flows of this pod; may be given several times.")  # fmt: skip
@click.option("--protocol", "-p", type=click.Choice(["tcp", "udp", "icmp", "icmpv6"]), default=None,
              help="Only this protocol.")  # fmt: skip
@click.option("--verdict", "verdicts", multiple=True,
              type=click.Choice(VERDICTS, case_sensitive=False),
              help="Only these; may be given several times.")  # fmt: skip
@click.option("--drops/--no-drops", default=True, help="With -f: tell of dropped packets, too.")
@cluster_option
@output_option
def flows(
    nodes: tuple[str, ...],
    follow: bool,
    pods: tuple[str, ...],
    protocol: str | None,
    verdicts: tuple[str, ...],
    drops: bool,
    cluster_name: str,
    output: str,
) -> None:
    """Show who speaks to whom, and what is dropped.

    Without -f the connections that nodes track now; with it what begins, changes, ends and is
    dropped, one line (with -o json one object) for each. NODE: all of them by default.

    \b
    Examples:
    podwire flows
    podwire flows -f --verdict dropped
    podwire flows -f --pod default/web-0 -p tcp
    """
    paths = Layout.of(cluster_name)
    cluster = paths.read_cluster()
    chosen = nodes or tuple(node_name(number) for number in cluster.node_numbers)
    of_pods = [stacks.address_of(paths, pod, family) for pod in pods for family in cluster.families]
    selection = Selection(
        verdicts=tuple(each.upper() for each in verdicts),
        protocol=protocol or "",
        addresses=frozenset(of_pods),
    )
    if not follow and DROPPED in selection.verdicts:
        raise UsageError("what is dropped leaves nothing behind: add -f to see it happen")
    log = _Log(paths, selection, as_json=output == "json")
    if follow:
        asyncio.run(log.follow(chosen, with_drops=drops))
        return
    for node in chosen:
        log.tracked(node, netlink.ask(paths, node, "conntrack_list"))


class _Log:
    """Says flows, with the names that are known when they happen."""

    def __init__(self, paths: Layout, selection: Selection, *, as_json: bool) -> None:
        self._paths, self._selection, self._as_json = paths, selection, as_json
        self._names: Mapping[str, str] = stacks.names(paths)
        self._unnamed = asyncio.Event()

    def tracked(self, node: str, rows: list[Row]) -> None:
        """Say the connections that *node* tracks."""
        for row in rows:
            self._say(of_connection(node, row, self._names))

    async def follow(self, nodes: tuple[str, ...], *, with_drops: bool) -> None:
        """Say what happens on *nodes* until interrupted; raises CommandFailed if all end."""
        stop, clients = asyncio.Event(), list[rpc.Client]()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        try:
            for node in nodes:
                clients += await self._watch(node, with_drops=with_drops)
            if not clients:
                raise CommandFailed(
                    f"no datapath answers; see podwire status{self._paths.name_option}"
                )
            while not stop.is_set() and not all(each.closed.is_set() for each in clients):
                await self._pause(stop)
        finally:
            for client in clients:
                await client.close()
        if not stop.is_set():
            raise CommandFailed("no datapath is left that tells of flows")

    async def _watch(self, node: str, *, with_drops: bool) -> list[rpc.Client]:
        try:
            client = await netlink.connect(self._paths, node, self._listener(node))
        except CommandFailed as error:
            click.echo(f"podwire: {error}", err=True)
            return []
        await client.call("conntrack_watch")
        if with_drops:
            asked = {"interface": "any", "snaplen": _SNAPLEN, "dropped": True}
            await client.call("capture_open", asked)
        return [client]

    def _listener(self, node: str) -> Callable[[rpc.Connection, str, rpc.Params], None]:
        def on_tell(_connection: rpc.Connection, method: str, params: rpc.Params) -> None:
            if method == "conntrack_events":
                self._lost(node, params["dropped"])
                self.tracked(node, params["events"])
            elif method == "packets":
                self._lost(node, sum(params["dropped"].values()))
                self._dropped(node, params["items"])

        return on_tell

    def _lost(self, node: str, count: int) -> None:
        if count:
            click.echo(f"{count} of {node} lost: this reader was too slow", err=True)

    def _dropped(self, node: str, items: list[Any]) -> None:
        for at_ns, _interface, _direction, octets, _length, verdict in items:
            words = words_of(octets)
            if words is not None:
                self._say(of_drop(node, at_ns, words, verdict, self._names))

    def _say(self, flow: Row) -> None:
        if not self._selection.wants(flow):
            return
        click.echo(json.dumps(flow) if self._as_json else line(flow))
        if not (flow["source"]["name"] and flow["destination"]["name"]):
            self._unnamed.set()

    async def _pause(self, stop: asyncio.Event) -> None:
        """Wait a moment; ask for names anew where some were missing."""
        try:
            async with asyncio.timeout(_NAMES_EVERY_S):
                await stop.wait()
        except TimeoutError:
            pass
        if self._unnamed.is_set() and not stop.is_set():
            self._unnamed.clear()
            self._names = await asyncio.to_thread(stacks.names, self._paths)
