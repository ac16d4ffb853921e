"""`podwire ping`: ICMP echo between any two pods or nodes, over the emulated wire.

One probe a call, of one identifier, so that its requests are one flow to whoever tracks
connections on the way. Prints as iputils' ping with -O.
"""

from __future__ import annotations

import asyncio
import json
import signal
import statistics
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Final

import click

from componentbase import rpc
from componentbase.clock import monotonic
from netdev.probing import PAYLOAD_OCTETS_MAX, TIMEOUT_S_MAX
from netstack.probe import HOP_LIMIT_MAX
from podwire.cli import cluster_option, output_option, stacks
from podwire.cluster.layout import Layout

Row = dict[str, Any]
#: A run without an end keeps the last so many for its summary.
_KEPT_MAX: Final = 100_000
_UNREACHABLE: Final = {
    4: {
        0: "Destination Net Unreachable",
        1: "Destination Host Unreachable",
        2: "Destination Protocol Unreachable",
        3: "Destination Port Unreachable",
        9: "Destination Net Prohibited",
        10: "Destination Host Prohibited",
        13: "Packet filtered",
    },
    6: {
        0: "Destination unreachable: No route",
        1: "Destination unreachable: Administratively prohibited",
        2: "Destination unreachable: Beyond scope of source address",
        3: "Destination unreachable: Address unreachable",
        4: "Destination unreachable: Port unreachable",
    },
}
_TIME_EXCEEDED: Final = {4: "Time to live exceeded", 6: "Time exceeded: Hop limit"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked, by ping's options."""

    address: str
    count: int
    interval_s: float
    timeout_s: float
    octets: int
    hop_limit: int


@click.command()
@click.argument("source", metavar="SOURCE")
@click.argument("target", metavar="TARGET")
@click.option("--count", "-c", type=click.IntRange(0, _KEPT_MAX), default=3, show_default=True,
              help="How often; 0: until Ctrl-C.")  # fmt: skip
@click.option("--interval", "-i", "interval_s", type=click.FloatRange(min=0), default=0.2,
              show_default=True, help="Seconds between two.")  # fmt: skip
@click.option("--timeout", "-W", "timeout_s", type=click.FloatRange(0.01, TIMEOUT_S_MAX),
              default=1.0, show_default=True,
              help="Seconds to wait for each answer.")  # fmt: skip
@click.option("--size", "-s", "octets", type=click.IntRange(0, PAYLOAD_OCTETS_MAX), default=56,
              show_default=True, help="Octets of data in each.")  # fmt: skip
@click.option("--ttl", "-t", "hop_limit", type=click.IntRange(1, HOP_LIMIT_MAX), default=64,
              show_default=True, help="How many hops each may make.")  # fmt: skip
@click.option("-4", "family", flag_value="4", help="By IPv4.")
@click.option("-6", "family", flag_value="6",
              help="By IPv6.  [default: the family that the cluster has foremost]")  # fmt: skip
@cluster_option
@output_option
def ping(
    source: str,
    target: str,
    count: int,
    interval_s: float,
    timeout_s: float,
    octets: int,
    hop_limit: int,
    family: str | None,
    cluster_name: str,
    output: str,
) -> None:
    """Ping TARGET from SOURCE, over the emulated wire.

    SOURCE is a pod or a node, TARGET that or an address. Pods are [NAMESPACE/]NAME. Exit status
    1: no answer came.

    \b
    Examples:
    podwire ping node-1 web-5c9d7-abcde
    podwire ping -c 0 -i 1 default/a kube-system/b
    podwire ping -6 node-1 node-2
    """
    paths = Layout.of(cluster_name)
    cluster = paths.read_cluster()
    asked = Request(
        address=stacks.address_of(paths, target, int(family or cluster.families[0])),
        count=count,
        interval_s=interval_s,
        timeout_s=timeout_s,
        octets=octets,
        hop_limit=hop_limit,
    )
    as_json = output == "json"
    began = monotonic()
    rows = stacks.run(paths, source, lambda client: _Run(asked, client).run(quiet=as_json))
    took_s = monotonic() - began
    if as_json:
        click.echo(json.dumps(summary(asked.address, rows, took_s), indent=2))
    else:
        click.echo("\n".join(last_lines(asked.address, rows, took_s)))
    sys.exit(0 if any(is_answered(row) for row in rows) else 1)


class _Run:
    """A run of echoes, one by one, until it is over or somebody has seen enough."""

    def __init__(self, asked: Request, client: rpc.Client) -> None:
        self._asked, self._client = asked, client
        self._stop = asyncio.Event()
        self._flow = 0

    async def run(self, *, quiet: bool) -> list[Row]:
        """Ping, say what comes unless *quiet*, and return it."""
        asked = self._asked
        say: Callable[[str], None] = (lambda _line: None) if quiet else click.echo
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, self._stop.set)
        say(title(asked.address, asked.octets))
        rows: list[Row] = []
        while not self._stop.is_set():
            row = await self._once(len(rows) + 1)
            rows.append(row)
            say(line(asked.address, row, asked.octets))
            if len(rows) in (asked.count, _KEPT_MAX):
                break
            with suppress(TimeoutError):
                async with asyncio.timeout(asked.interval_s):
                    await self._stop.wait()
        return rows

    async def _once(self, sequence: int) -> Row:
        asked = self._asked
        params: Row = {
            "address": asked.address,
            "sequence": sequence & 0xFFFF,
            "hop_limit": asked.hop_limit,
            "flow": self._flow,
            "payload": bytes(octet & 0xFF for octet in range(asked.octets)),
            "timeout_s": asked.timeout_s,
        }
        done = await self._client.call("probe", params, timeout_s=asked.timeout_s + 5)
        self._flow = done["flow"]
        (answer,) = done["answers"]
        return {"sequence": sequence, "answer": answer}


def is_answered(row: Row) -> bool:
    """Tell whether the target answered, and not somebody on the way."""
    return row["answer"] is not None and row["answer"]["kind"] == "reply"


def title(address: str, octets: int = 56) -> str:
    """Return ping's first line."""
    if ":" in address:
        return f"PING {address}({address}) {octets} data bytes"
    return f"PING {address} ({address}) {octets}({octets + 28}) bytes of data."


def line(address: str, row: Row, octets: int = 56) -> str:
    """Return what ping says when this has come, or when nothing has."""
    head, answer = f"icmp_seq={row['sequence']}", row["answer"]
    if answer is None:
        return f"no answer for {head}"
    if answer["kind"] == "reply":
        took = _ms(1000 * answer["rtt_s"])
        return f"{octets + 8} bytes from {address}: {head} ttl={answer['ttl']} time={took} ms"
    return f"From {answer['address']} {head} {_failure(answer)}"


def _failure(answer: Row) -> str:
    version = ip_address(answer["address"]).version
    if answer["kind"] == "time-exceeded":
        return _TIME_EXCEEDED[version]
    if answer["kind"] == "too-big":
        return f"Packet too big: mtu={answer['mtu']}"
    return _UNREACHABLE[version].get(answer["code"], f"Dest Unreachable, Code: {answer['code']}")


def summary(address: str, rows: Sequence[Row], took_s: float) -> Row:
    """Return what came of a run, for programs."""
    times_ms = _times_ms(rows)
    return {
        "address": address,
        "transmitted": len(rows),
        "received": len(times_ms),
        "errors": _errors(rows),
        "loss": 1 - len(times_ms) / len(rows) if rows else 0.0,
        "time_ms": round(1000 * took_s, 3),
        "rtt_ms": dict(zip(("min", "avg", "max", "mdev"), _spread(times_ms), strict=True))
        if times_ms
        else None,
        "answers": list(rows),
    }


def last_lines(address: str, rows: Sequence[Row], took_s: float) -> list[str]:
    """Return ping's last lines."""
    times_ms, errors = _times_ms(rows), _errors(rows)
    lost = 100 * (len(rows) - len(times_ms)) / len(rows) if rows else 0.0
    wrong = f"+{errors} errors, " if errors else ""
    lines = [
        "",
        f"--- {address} ping statistics ---",
        f"{len(rows)} packets transmitted, {len(times_ms)} received, {wrong}{lost:g}% packet loss, "
        f"time {1000 * took_s:.0f}ms",
    ]
    if times_ms:
        parts = "/".join(f"{each:.3f}" for each in _spread(times_ms))
        lines.append(f"rtt min/avg/max/mdev = {parts} ms")
    return lines


def _times_ms(rows: Sequence[Row]) -> list[float]:
    return [1000 * row["answer"]["rtt_s"] for row in rows if is_answered(row)]


def _errors(rows: Sequence[Row]) -> int:
    return sum(row["answer"] is not None and not is_answered(row) for row in rows)


def _spread(times_ms: Sequence[float]) -> tuple[float, float, float, float]:
    middle = statistics.fmean(times_ms)
    return min(times_ms), middle, max(times_ms), statistics.pstdev(times_ms)


def _ms(took_ms: float) -> str:
    """Return milliseconds as ping shows them: the shorter, the more digits."""
    digits = 3 if took_ms < 1 else 2 if took_ms < 10 else 1 if took_ms < 100 else 0
    return f"{took_ms:.{digits}f}"
