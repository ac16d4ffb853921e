"""`podwire ping`: ICMP echo between any two pods or nodes, over the emulated wire."""

from __future__ import annotations

import asyncio
import statistics
import sys
from collections.abc import Sequence
from contextlib import suppress
from ipaddress import ip_address
from typing import Any

import click

from componentbase import rpc
from componentbase.clock import monotonic
from podwire.cli import CommandFailed, cluster_option, netlink
from podwire.cli.places import find_pod
from podwire.cluster.layout import Layout, UsageError, node_number


@click.command()
@click.argument("source", metavar="SOURCE")
@click.argument("target", metavar="TARGET")
@click.option(
    "--count", "-c", type=click.IntRange(1, 1000), default=3, show_default=True, help="How often."
)
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(min=0.01),
    default=1.0,
    show_default=True,
    help="Seconds to wait for each answer.",
)
@click.option("-4", "family", flag_value="4", help="By IPv4.")
@click.option(
    "-6",
    "family",
    flag_value="6",
    help="By IPv6.  [default: the family that the cluster has foremost]",
)
@cluster_option
def ping(
    source: str,
    target: str,
    count: int,
    timeout_s: float,
    family: str | None,
    cluster_name: str,
) -> None:
    """Ping TARGET from SOURCE, over the emulated wire.

    SOURCE is a pod or a node, TARGET that or an address. Pods are [NAMESPACE/]NAME. Exit status
    1: no answer came.

    \b
    Examples:
    podwire ping node-1 web-5c9d7-abcde
    podwire ping default/a kube-system/b
    podwire ping -6 node-1 node-2
    """
    paths = Layout.of(cluster_name)
    cluster = paths.read_cluster()
    address = _address_of(paths, target, int(family or cluster.families[0]))
    if _is_node(source):
        ok = _ping_from_node(paths, source, address, count=count, timeout_s=timeout_s)
    else:
        ok = _ping_from_pod(paths, source, address, count=count, timeout_s=timeout_s)
    sys.exit(0 if ok else 1)


def _is_node(text: str) -> bool:
    try:
        node_number(text)
    except UsageError:
        return False
    return True


def _address_of(paths: Layout, target: str, family: int) -> str:
    with suppress(ValueError):
        return str(ip_address(target))
    if _is_node(target):
        cluster = paths.read_cluster()
        if node_number(target) not in cluster.node_numbers:
            raise UsageError(f"there is no {target}: the nodes are {cluster.nodes_text}")
        found = cluster.host_addresses(node_number(target))
    else:
        status = find_pod(paths, target).get("status", {})
        found = [str(each["ip"]) for each in status.get("podIPs") or ()]
        if not found:
            raise CommandFailed(f"pod {target} has no address yet: it is not running")
    fitting = [text for text in found if ip_address(text).version == family]
    if not fitting:
        raise UsageError(f"{target} has no address of IPv{family}, only {' '.join(found)}")
    return fitting[0]


def _ping_from_node(
    paths: Layout, node: str, address: str, *, count: int, timeout_s: float
) -> bool:
    params = {"address": address, "count": count, "timeout_s": timeout_s}
    began = monotonic()
    replies: list[dict[str, Any]] = netlink.run(
        paths,
        node,
        lambda client: client.call("ping", params, timeout_s=count * (timeout_s + 1) + 5),
    )
    for line in said(address, replies, monotonic() - began):
        click.echo(line)
    return any(reply["rtt_s"] is not None for reply in replies)


def said(address: str, replies: Sequence[dict[str, Any]], took_s: float) -> list[str]:
    """Return what iputils' ping says, with -O, of so many answers."""
    data = "(%s) 56 data bytes" if ":" in address else " (%s) 56(84) bytes of data."
    lines = [f"PING {address}{data % address}"]
    for reply in replies:
        head = f"icmp_seq={reply['sequence']}"
        if reply["rtt_s"] is None:
            lines.append(f"no answer for {head}")
        else:
            took_ms = 1000 * reply["rtt_s"]
            lines.append(
                f"64 bytes from {address}: {head} ttl={reply['ttl']} time={_ms(took_ms)} ms"
            )
    times_ms = [1000 * reply["rtt_s"] for reply in replies if reply["rtt_s"] is not None]
    lost = 100 * (len(replies) - len(times_ms)) / len(replies)
    lines += [
        "",
        f"--- {address} ping statistics ---",
        f"{len(replies)} packets transmitted, {len(times_ms)} received, {lost:g}% packet loss, "
        f"time {1000 * took_s:.0f}ms",
    ]
    if times_ms:
        spread = (min(times_ms), statistics.fmean(times_ms), max(times_ms))
        parts = "/".join(f"{each:.3f}" for each in (*spread, statistics.pstdev(times_ms)))
        lines.append(f"rtt min/avg/max/mdev = {parts} ms")
    return lines


def _ms(took_ms: float) -> str:
    """Return milliseconds as ping shows them: the shorter, the more digits."""
    digits = 3 if took_ms < 1 else 2 if took_ms < 10 else 1 if took_ms < 100 else 0
    return f"{took_ms:.{digits}f}"


def _ping_from_pod(
    paths: Layout, source: str, address: str, *, count: int, timeout_s: float
) -> bool:
    pod = find_pod(paths, source)
    node, uid = pod["spec"].get("nodeName"), pod["metadata"]["uid"]
    if not node:
        raise CommandFailed(f"pod {source} is not on a node yet")

    async def execute() -> dict[str, Any]:
        client = await rpc.Client.connect(paths.node(node) / "cri.sock")
        try:
            containers = await client.call("ListContainers")
            running = [
                container["id"]
                for container in containers
                if container["labels"].get("io.kubernetes.pod.uid") == uid
                and container["state"] == "CONTAINER_RUNNING"
            ]
            if not running:
                raise CommandFailed(f"pod {source} has no running container")
            command = ["ping", "-c", str(count), "-W", str(timeout_s), address]
            limit_s = count * (timeout_s + 1) + 5
            request = {"container_id": running[0], "cmd": command, "timeout_s": limit_s}
            answer: dict[str, Any] = await client.call("ExecSync", request, timeout_s=limit_s + 5)
            return answer
        finally:
            await client.close()

    try:
        answer = asyncio.run(execute())
    except (OSError, rpc.RpcError) as error:
        raise CommandFailed(f"the podruntime of {node} does not answer: {error}") from None
    for part in ("stdout", "stderr"):
        text = answer[part]
        click.echo(text.decode() if isinstance(text, bytes) else text, nl=False)
    return bool(answer["exit_code"] == 0)
