"""`podwire counters NODE`: what each device of a node carried, and why what was dropped."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final

import click

from componentbase import rpc
from componentbase.clock import monotonic
from podwire.cli import CommandFailed, cluster_option, netlink, output_option
from podwire.cli.drop_reasons import meaning
from podwire.cli.units import DURATIONS, Quantity
from podwire.cluster.layout import Layout

Row = dict[str, Any]
#: Device or place, and counter.
Key = tuple[str, str]

_CARRIED: Final = ("rx_packets", "rx_octets", "tx_packets", "tx_octets")
_EVERY: Final = Quantity("duration", DURATIONS, "1s")


@click.command()
@click.argument("node")
@cluster_option
@output_option
@click.option("--watch", "-w", is_flag=True, help="Go on, with rates, until Ctrl-C.")
@click.option("--every", type=_EVERY, default="1s", show_default=True, help="How often, with -w.")
@click.option("--all", "-a", "with_zero", is_flag=True, help="Show what is zero, too.")
def counters(
    node: str, cluster_name: str, output: str, watch: bool, every: float, with_zero: bool
) -> None:
    """Show what a node carried and dropped, and why.

    As `nstat` and `ethtool -S` do; each reason for a drop says what it means and what to do.

    \b
    Examples:
    podwire counters node-1
    podwire counters node-1 --watch --every 500ms
    """
    paths = Layout.of(cluster_name)

    async def show(client: rpc.Client) -> None:
        before: tuple[float, Mapping[Key, int]] | None = None
        while True:
            rows = _flat(await client.call("link_list"), await client.call("counters"))
            now = monotonic()
            if output == "json":
                click.echo(json.dumps(as_json(rows)) if watch else _pretty(rows))
            else:
                rates = None if before is None else _rates(before[1], rows, now - before[0])
                if watch and sys.stdout.isatty():
                    click.clear()
                click.echo("\n".join(table(rows, rates, with_zero=with_zero)))
            if not watch:
                return
            before = now, rows
            await asyncio.sleep(every)
            if client.closed.is_set():
                raise CommandFailed(f"the datapath of {node} has ended")
            if output != "json" and not sys.stdout.isatty():
                click.echo()

    netlink.run(paths, node, show)


def _pretty(rows: Mapping[Key, int]) -> str:
    return json.dumps(as_json(rows), indent=2)


def _flat(links: list[Row], counted: Row) -> dict[Key, int]:
    """Return every counter under its place and name; drops have `drop ` before their reason."""
    rows: dict[Key, int] = {}
    for link in sorted(links, key=lambda link: (link["kind"] == "veth", link["name"])):
        rows |= {(link["name"], name): link[name] for name in _CARRIED}
        rows |= {(link["name"], f"drop {reason}"): n for reason, n in link["drops"].items()}
    places = {
        "node": counted["drops"],
        "node's own stack": counted["stack_drops"],
        "outside": counted["outside_drops"],
    }
    rows |= {("node", name): counted[name] for name in ("conntrack", "flows")}
    for place, reasons in places.items():
        rows |= {(place, f"drop {reason}"): n for reason, n in sorted(reasons.items())}
    denied = counted["policies"]
    rows |= {("policies", f"drop {by}"): n for by, n in sorted(denied.items())}
    return rows


def _rates(
    before: Mapping[Key, int], rows: Mapping[Key, int], seconds: float
) -> Mapping[Key, float]:
    return {key: (n - before.get(key, 0)) / seconds for key, n in rows.items()}


def as_json(rows: Mapping[Key, int]) -> list[Row]:
    """Return the counters for programs."""
    return [
        {
            "place": place,
            "counter": name.removeprefix("drop "),
            "drop": name.startswith("drop "),
            "value": value,
            "meaning": meaning(name.removeprefix("drop ")),
        }
        for (place, name), value in rows.items()
    ]


def table(
    rows: Mapping[Key, int], rates: Mapping[Key, float] | None, *, with_zero: bool
) -> list[str]:
    """Return the counters, place by place; *rates* since the last time."""
    return list(_lines(rows, rates, with_zero=with_zero))


def _lines(
    rows: Mapping[Key, int], rates: Mapping[Key, float] | None, *, with_zero: bool
) -> Iterator[str]:
    shown = {key: value for key, value in rows.items() if value or with_zero}
    last = ""
    for (place, name), value in shown.items():
        if place != last:
            yield f"{place}:"
            last = place
        rate = "" if rates is None else f" {rates[place, name]:>10.1f}/s"
        line = f"  {name:<28} {value:>12}{rate}"
        yield line.rstrip()
        said = meaning(name.removeprefix("drop "))
        if said:
            yield f"      {said}"
