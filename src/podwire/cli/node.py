"""`podwire node …` and `podwire process …`: kill, start, freeze, thaw; add and remove nodes."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence
from typing import Any, Final

import click
from rich.console import Console

from componentbase.clock import wall
from kubeapi.client import RestClient
from kubeapi.resources import LEASES, NODES, SECRETS
from kubeapi.status import StatusError, is_not_found
from podwire.cli import CommandFailed, api, cluster_option
from podwire.cli.cordon import cordon, uncordon
from podwire.cli.drain import drain, left_behind
from podwire.cli.readiness import wait_for_nodes
from podwire.cluster import joining
from podwire.cluster.layout import HOLLOW_MAX, Layout, UsageError
from podwire.launcher import client, session
from podwire.launcher.actions import SHUTDOWN_MAX_S

_DONE: Final = {
    "kill": "killed (SIGKILL)",
    "shutdown": "shut down",
    "start": "starting",
    "pause": "paused (SIGSTOP)",
    "resume": "resumed (SIGCONT)",
}
_PATIENCE: Final = {"shutdown": {"timeout_s": SHUTDOWN_MAX_S + 60.0}}
_SIGNALS: Final = {
    "kill": signal.SIGKILL,
    "pause": signal.SIGSTOP,
    "resume": signal.SIGCONT,
}
_LAUNCHER: Final = "launcher"
_LEASES_NAMESPACE: Final = "kube-node-lease"
_NAMED_MAX: Final = 8
_READY_S: Final = 60.0
_READY_PER_NODE_S: Final = 2.0
_ADD_TIMEOUT_S: Final = 60.0


@click.group()
def node() -> None:
    """Act on a node: kill it, freeze it, add one, drain one.

    \b
    Examples:
    podwire node kill node-2
    podwire node add --count 2
    """


@click.group()
def process() -> None:
    """Act on one process, by its name in `podwire status`.

    \b
    Examples:
    podwire process kill node-2/nodeagent
    podwire process pause etcd-1
    podwire process kill node-1/pod/default/web-5c9d7-abcde
    """


def _action(group: click.Group, method: str, action: str, text: str) -> None:
    example = f"podwire {method} {action} {'node-2' if method == 'node' else 'node-2/nodeagent'}"

    @group.command(name=action, help=f"{text}\n\n\b\nExample: {example}")
    @click.argument("target", metavar="NAME")
    @cluster_option
    def run(target: str, cluster_name: str) -> None:
        paths = Layout.of(cluster_name)
        if method == "process" and target == _LAUNCHER:
            _act_on_launcher(paths, action)
        else:
            params, patience = {"action": action, "name": target}, _PATIENCE.get(action, {})
            client.call(paths, method, params, **patience)
        click.echo(f"{target} {_DONE[action]}")


def _act_on_launcher(paths: Layout, action: str) -> None:
    """Send a signal to the launcher, which cannot answer for its own end."""
    paths.read_cluster()
    known = client.running_session(paths)
    if known is None:
        raise client.not_running(paths)
    if not session.launcher_alive(known):
        raise client.launcher_gone(paths)
    number = _SIGNALS.get(action)
    stopped = session.is_stopped(known.id)
    if number is None:
        raise UsageError("the launcher is running" if not stopped else "the launcher is paused")
    if action != "kill" and stopped == (action == "pause"):
        raise UsageError(f"the launcher is {'paused already' if stopped else 'not paused'}")
    os.kill(known.id, number)


_action(node, "node", "kill", "SIGKILL every process of a node: a power cut.")
_action(node, "node", "shutdown", "End a node's pods gracefully, then the node.")
_action(node, "node", "start", "Start a killed node again.")
_action(node, "node", "pause", "SIGSTOP every process of a node: it hangs.")
_action(node, "node", "resume", "SIGCONT a paused node.")
_action(process, "process", "kill", "SIGKILL a process and keep it dead until `start`.")
_action(process, "process", "start", "Start a killed process again.")
_action(process, "process", "pause", "SIGSTOP a process.")
_action(process, "process", "resume", "SIGCONT a paused process.")
for command in (cordon, uncordon, drain):
    node.add_command(command)


@node.command()
@click.option(
    "--count", type=click.IntRange(1, HOLLOW_MAX), default=1, show_default=True, help="How many."
)
@click.option("--hollow", is_flag=True, help="Hollow ones, which run no pods (hollow-N).")
@cluster_option
def add(count: int, hollow: bool, cluster_name: str) -> None:
    """Add nodes to a running cluster; return when they are Ready.

    Each gets the lowest number that is free. It joins as a machine joins a kubeadm cluster: by a
    bootstrap token it asks for a certificate of its own.

    \b
    Examples:
    podwire node add --count 2
    podwire node add --hollow --count 100
    """
    paths = Layout.of(cluster_name)
    token = "" if hollow else _offer_token(paths)
    try:
        names = _added(paths, count, token)
    finally:
        if token:
            api.run(paths, lambda rest: _withdraw_token(rest, token))
    click.echo(f"{_enumerated(names)} added and Ready")


def _offer_token(paths: Layout) -> str:
    """Make a bootstrap token, by which nodes may join."""
    token = joining.new_token()
    made = joining.secret(token, wall())
    api.run(paths, lambda rest: rest.create(SECRETS, made, joining.NAMESPACE))
    return token


async def _withdraw_token(rest: RestClient, token: str) -> None:
    try:
        await rest.delete(SECRETS, joining.secret_name(token), joining.NAMESPACE)
    except StatusError as error:
        if not is_not_found(error):
            raise


def _added(paths: Layout, count: int, token: str) -> list[str]:
    """Add nodes and wait until they are Ready; hollow ones, if there is no token."""
    wanted = {"count": count, "kind": "live", "token": token}
    if not token:
        wanted = {"count": count, "kind": "hollow"}
    names: list[str] = client.call(paths, "node_add", wanted, timeout_s=_ADD_TIMEOUT_S)
    timeout_s = _READY_S + _READY_PER_NODE_S * count
    try:
        asyncio.run(wait_for_nodes(paths, names, Console(stderr=True), timeout_s))
    except TimeoutError:
        raise CommandFailed(
            f"{_enumerated(names)} started, but not Ready within {timeout_s:.0f} s; "
            f"see podwire status{paths.name_option} and {paths.directory / 'logs'}"
        ) from None
    return names


def _enumerated(names: Sequence[str]) -> str:
    """Return the names for people: of many the first and the last."""
    if len(names) > _NAMED_MAX:
        return f"{names[0]} … {names[-1]} ({len(names)} nodes)"
    return ", ".join(names)


@node.command()
@click.argument("target", metavar="NAME")
@cluster_option
def rm(target: str, cluster_name: str) -> None:
    """Remove a node: its processes, its files, its Node object.

    Drain it first: pods that still run there are lost, with the requests that they are at.

    \b
    Example: podwire node drain node-4 && podwire node rm node-4
    """
    paths = Layout.of(cluster_name)
    cluster = paths.read_cluster()
    if target not in cluster.all_names:
        raise UsageError(f"there is no {target}: the nodes are {cluster.nodes_text}")
    # Asked first: without an answer the Node object would be left over.
    lost = api.run(paths, lambda rest: left_behind(rest, target))
    if lost:
        click.echo(f"Warning: {target} was not drained; lost with it: {lost}", err=True)
    client.call(paths, "node_remove", {"name": target})
    api.run(paths, lambda rest: _forget(rest, target))
    click.echo(f"{target} removed")


async def _forget(rest: RestClient, name: str) -> None:
    """Delete what the API has of a node that is no more."""
    deletions: list[Any] = [
        rest.delete(NODES, name),
        rest.delete(LEASES, name, _LEASES_NAMESPACE),
    ]
    for deletion in deletions:
        try:
            await deletion
        except StatusError as error:
            if not is_not_found(error):
                raise
