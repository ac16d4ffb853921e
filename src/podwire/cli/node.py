"""`podwire node …` and `podwire process …`: kill, start, freeze and thaw."""

from __future__ import annotations

from typing import Final

import click

from podwire.cli import cluster_option
from podwire.cluster.layout import Layout
from podwire.launcher import client

_DONE: Final = {
    "kill": "killed (SIGKILL)",
    "start": "starting",
    "pause": "paused (SIGSTOP)",
    "resume": "resumed (SIGCONT)",
}


@click.group()
def node() -> None:
    """Act on all processes of a node, its pods included.

    \b
    Example: podwire node kill node-2
    """


@click.group()
def process() -> None:
    """Act on one process, by the name that `podwire status` shows.

    \b
    Example: podwire process kill node-2/nodeagent
    """


def _action(group: click.Group, method: str, action: str, text: str) -> None:
    example = f"podwire {method} {action} {'node-2' if method == 'node' else 'node-2/nodeagent'}"

    @group.command(name=action, help=f"{text}\n\n\b\nExample: {example}")
    @click.argument("target", metavar="NAME")
    @cluster_option
    def run(target: str, cluster_name: str) -> None:
        paths = Layout.of(cluster_name)
        client.call(paths, method, {"action": action, "name": target})
        click.echo(f"{target} {_DONE[action]}")


_action(node, "node", "kill", "SIGKILL every process of a node: a power cut.")
_action(node, "node", "start", "Start a killed node again.")
_action(node, "node", "pause", "SIGSTOP every process of a node: it hangs.")
_action(node, "node", "resume", "SIGCONT a paused node.")
_action(process, "process", "kill", "SIGKILL a process and keep it dead until `start`.")
_action(process, "process", "start", "Start a killed process again.")
_action(process, "process", "pause", "SIGSTOP a process.")
_action(process, "process", "resume", "SIGCONT a paused process.")
