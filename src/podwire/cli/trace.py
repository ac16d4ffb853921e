"""`podwire trace`: one real packet through all nodes, every hop and decision, and where it dies.

The source's own stack sends one SYN, datagram or echo request; meanwhile all nodes show what they
see of that kind, each packet with the verdict of its datapath. The one that was sent is found by
what no translation changes: its sequence number, or octets in its payload. ICMP errors quote
those, and answers repeat them.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import click

from componentbase import rpc
from netstack.probe import Method
from podwire.cli import CommandFailed, cluster_option, netlink, output_option, stacks
from podwire.cli.capture_names import InterfaceNames, interface_names, plain_filter
from podwire.cli.drop_reasons import meaning
from podwire.cli.packet_words import PacketWords, words_of
from podwire.cluster.layout import Layout, UsageError, node_name

Row = dict[str, Any]

#: Which packets nodes show meanwhile: the probe's kind, and what may answer it.
_FILTERS: Final = {
    Method.TCP: "syn or rst or icmp or icmp6",
    Method.UDP: "(udp and not port 4789) or icmp or icmp6",
    Method.ICMP: "icmp or icmp6",
}
_MARK_OCTETS: Final = 16
#: How long what has been seen may take until it is told.
_SETTLE_S: Final = 0.3
_SEEN_MAX: Final = 10_000
_DROPPED: Final = re.compile(r"dropped: (?P<reasons>[^;]*?)(?: at (?P<hook>[A-Z]+))?(?:;|$)")
_ANSWERS: Final = {
    (Method.TCP, "reply"): "SYN+ACK",
    (Method.TCP, "refused"): "RST: nobody listens there",
    (Method.UDP, "reply"): "a datagram",
    (Method.UDP, "refused"): "port unreachable: nobody listens there",
    (Method.ICMP, "reply"): "an echo reply",
}


@dataclass(frozen=True, slots=True)
class Seen:
    """A packet at an interface of a node."""

    at_ns: int
    node: str
    interface: str
    direction: str
    octets: bytes
    verdict: str


@dataclass(frozen=True, slots=True)
class Probe:
    """What is sent; *port* is 0 for an echo request."""

    source: str
    address: str
    method: Method
    port: int
    wait_s: float


@click.command()
@click.argument("source", metavar="SRC")
@click.argument("target", metavar="DST[:PORT]")
@click.option("--udp", "-u", is_flag=True, help="Send a datagram instead of a SYN.")
@click.option("--wait", "-w", "wait_s", type=click.FloatRange(0.05, 60), default=1.0,
              show_default=True, help="Seconds to wait for an answer.")  # fmt: skip
@click.option("-4", "family", flag_value="4", help="By IPv4.")
@click.option("-6", "family", flag_value="6", help="By IPv6.")
@cluster_option
@output_option
def trace(
    source: str,
    target: str,
    udp: bool,
    wait_s: float,
    family: str | None,
    cluster_name: str,
    output: str,
) -> None:
    """Show a packet's every hop, and where it dies.

    SRC, a pod or a node, sends one packet to DST, that, a Service (svc/NAME) or an address: a SYN
    to PORT, or with --udp a datagram, or without a port an echo request. Exit status 1: no answer
    came from there.

    \b
    Examples:
    podwire trace default/a svc/web:80
    podwire trace --udp a 10.96.0.10:53
    podwire trace node-1 default/b
    """
    paths = Layout.of(cluster_name)
    cluster = paths.read_cluster()
    name, port = split_target(target)
    if udp and not port:
        raise UsageError(f"a datagram needs a port: {name}:53, for example")
    method = Method.ICMP if not port else Method.UDP if udp else Method.TCP
    address = stacks.address_of(paths, name, int(family or cluster.families[0]))
    nodes = [node_name(number) for number in cluster.node_numbers]
    names = interface_names(paths, nodes)
    probe = Probe(source, address, method, port, wait_s)
    wanted = plain_filter(paths, _FILTERS[method], inner=True)
    answer, seen = asyncio.run(_trace(paths, nodes, probe, wanted))
    rows = [_row(each, seen[0].at_ns, names) for each in seen]
    said = outcome(probe, answer, rows)
    if output == "json":
        click.echo(json.dumps({"hops": rows, "answer": answer, "outcome": said}, indent=2))
    else:
        click.echo("\n".join([*table(rows), *([""] if rows else []), said]))
    sys.exit(0 if answer is not None and answer["kind"] in ("reply", "refused") else 1)


def split_target(text: str) -> tuple[str, int]:
    """Return name or address, and port (0: none); raises UsageError."""
    bracketed = re.fullmatch(r"\[(.+)\](?::(\d+))?", text)
    if bracketed is not None:
        name, port = bracketed[1], bracketed[2] or "0"
    elif text.count(":") == 1:
        name, _, port = text.partition(":")
    elif text.startswith("["):
        name, port = "", ""
    else:  # An address of IPv6 has more, a name none.
        name, port = text, "0"
    if not name or not port.isdecimal() or int(port) > 65535 or text.endswith(":0"):
        raise UsageError(f"{text}: a target is NAME, ADDRESS or [ADDRESS], and :PORT (1 to 65535)")
    return name, int(port)


async def _trace(
    paths: Layout, nodes: Sequence[str], probe: Probe, wanted: str
) -> tuple[Row | None, list[Seen]]:
    """Send *probe* while all nodes look; return its answer, and where it was seen, in order."""
    seen: list[Seen] = []
    clients: list[rpc.Client] = []
    mark = secrets.token_bytes(_MARK_OCTETS)
    try:
        for node in nodes:
            try:
                client = await netlink.connect(paths, node, _listen(node, seen))
            except CommandFailed as error:
                click.echo(f"podwire: {error}", err=True)
                continue
            clients.append(client)
            await client.call("capture_open", {"interface": "any", "filter": wanted})
        done = await _send(paths, probe, mark)
        await asyncio.sleep(_SETTLE_S)  # What nodes have seen is on its way here.
    except rpc.RpcError as error:
        wrong = UsageError if error.code == "InvalidArgument" else CommandFailed
        raise wrong(error.message) from None
    finally:
        for client in clients:
            await client.close()
    (answer,), (number,) = done["answers"], done["numbers"]
    marks = (mark,) if probe.method is not Method.TCP else tuple(
        (number + step & 0xFFFFFFFF).to_bytes(4, "big") for step in (0, 1)
    )  # fmt: skip
    found = [each for each in seen if any(mark in each.octets for mark in marks)]
    return answer, sorted(found, key=lambda each: each.at_ns)


async def _send(paths: Layout, probe: Probe, mark: bytes) -> Row:
    try:
        client = await stacks.connect(paths, probe.source)
    except OSError as error:
        raise CommandFailed(f"{probe.source} does not answer: {error.strerror}") from None
    params = {
        "address": probe.address,
        "method": str(probe.method),
        "port": probe.port,
        "payload": b"" if probe.method is Method.TCP else mark,
        "timeout_s": probe.wait_s,
    }
    try:
        done: Row = await client.call("probe", params, timeout_s=probe.wait_s + 5)
        return done
    finally:
        await client.close()


def _listen(node: str, seen: list[Seen]) -> Any:
    def on_tell(_connection: rpc.Connection, _method: str, params: rpc.Params) -> None:
        for at_ns, interface, direction, octets, _length, verdict in params["items"]:
            if len(seen) < _SEEN_MAX:
                seen.append(Seen(at_ns, node, interface, direction, octets, verdict))

    return on_tell


def _row(seen: Seen, began_ns: int, names: InterfaceNames) -> Row:
    words = words_of(seen.octets)
    return {
        "at_ms": round((seen.at_ns - began_ns) / 1e6, 3),
        "node": seen.node,
        "interface": names.of(seen.node, seen.interface),
        "direction": seen.direction,
        "packet": "" if words is None else str(words),
        "tunnel": "" if words is None else words.within,
        "is_answer": words is not None and _is_answer(words),
        "verdict": names.say(seen.node, seen.verdict),
    }


def _is_answer(words: PacketWords) -> bool:
    """Tell what comes back from what goes there, as far as one packet says."""
    if words.protocol == "TCP":
        return words.what != "[SYN]"
    return words.protocol.startswith("ICMP") and words.what != "echo request"


def table(rows: Sequence[Row]) -> list[str]:
    """Return the hops, each verdict once: where its frame came in."""
    width = max((len(row["interface"]) for row in rows), default=0)
    lines, last = [], ("", "")
    for row in rows:
        tunnel = f"  (vxlan {row['tunnel']})" if row["tunnel"] else ""
        lines.append(
            f"{row['at_ms']:>9.3f} ms  {row['interface']:<{width}} {row['direction']:<3} "
            f"{row['packet']}{tunnel}"
        )
        if (row["node"], row["verdict"]) != last and row["verdict"]:
            lines.append(f"{'':>12}  {'':<{width}}     {row['node']}: {row['verdict']}")
        last = row["node"], row["verdict"]
    return lines


def outcome(probe: Probe, answer: Row | None, rows: Sequence[Mapping[str, Any]]) -> str:
    """Return what came of it in one line: the answer, the drop, or the last place it was seen."""
    dropped = next((row for row in reversed(rows) if "dropped: " in row["verdict"]), None)
    if answer is not None:
        said = _ANSWERS.get((probe.method, answer["kind"]))
        if said is not None:
            return f"answered by {answer['address']} after {1000 * answer['rtt_s']:.3f} ms: {said}"
    if dropped is not None:
        found = _DROPPED.search(dropped["verdict"])
        assert found is not None
        hook = f" at {found['hook']}" if found["hook"] else ""
        why = meaning(found["reasons"].split(", ")[0])
        return f"dropped on {dropped['node']}{hook}: {found['reasons']}" + (
            f" ({why})" if why else ""
        )
    if answer is not None:
        return f"{answer['address']} says {answer['kind']}"
    if not rows:
        return (
            f"seen nowhere: {probe.source} did not send it, since nobody in its own network has "
            "that address, or its link swallowed it (podwire fault list)"
        )
    last = rows[-1]
    what = "the answer was" if last["is_answer"] else "it was"
    return (
        f"lost: {what} seen last at {last['interface']} ({last['direction']}); nothing dropped it "
        "there: look for a fault (podwire fault list) or a dead node or pod behind it"
    )
